.PHONY: release release-twice release-try pictures

pictures: build ## the terminal pictures of the guides, from real sessions
	@mk/pictures.sh

release: ## what people install, into dist/
	@mk/release.sh

release-twice: release ## builds it again from a clone elsewhere, with empty caches of the compiler: the same bytes
	@there=$$(mktemp -d) && git clone -q . $$there/ov && (cd $$there/ov && umask 077 && GOCACHE=$$there/cache mk/release.sh $$there/elsewhere >/dev/null) && \
		diff dist/SHA256SUMS $$there/elsewhere/SHA256SUMS && (cd $$there/elsewhere && sha256sum --quiet -c SHA256SUMS) && \
		echo "the same $$(wc -l <dist/SHA256SUMS) files"; status=$$?; rm -rf $$there; exit $$status

release-try: ## installs what make release has built, in empty folders and, as root on Debian, in a new system; runs it
	@mk/release-try.sh
