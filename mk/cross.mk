# What builds elsewhere: every program. docs/run.md says what they can do there.
cross: ## build all programs for macOS and Windows, and the tests for macOS
	@for target in darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do \
		echo "$$target"; GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./cmd/... || exit 1; done
	GOOS=darwin $(GO) vet ./... # whoever works on a Mac can run what tests there are
