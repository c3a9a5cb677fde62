# What builds elsewhere: every program on macOS, the portable libraries on Windows
# (docs/run.md says what is missing there).
PORTABLE = ./core/secret ./core/seal ./core/match ./core/redact ./core/encode ./core/rule ./core/policy ./core/config \
	./core/blob/... ./scanners/builtin ./scanners/rules ./scanners/wasmhost/module ./sdk/... ./providers/...

cross: ## build for macOS, and the portable part for Windows
	GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/...
	GOOS=windows GOARCH=amd64 $(GO) build $(PORTABLE)
