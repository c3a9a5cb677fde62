.PHONY: release release-twice pictures

pictures: build ## the terminal pictures of the guides, from real sessions
	@mk/pictures.sh

release: ## what people install, into dist/
	@mk/release.sh

release-twice: release ## builds it again from a clone elsewhere: the same bytes
	@there=$$(mktemp -d) && git clone -q . $$there/ov && (cd $$there/ov && mk/release.sh >/dev/null) && \
		diff dist/SHA256SUMS $$there/ov/dist/SHA256SUMS && echo "the same $$(wc -l <dist/SHA256SUMS) files"; status=$$?; rm -rf $$there; exit $$status
