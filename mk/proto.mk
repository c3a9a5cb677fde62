# The provider protocol: buf comes from npm (@bufbuild/buf), its plugins are tools of go.mod.
.PHONY: proto proto-check
WIRE = sdk/provider/wire
BUF = npx --yes --package=@bufbuild/buf@1.75.0 buf

proto: ## lint the protocol and generate its Go code
	cd $(WIRE) && $(BUF) lint && $(BUF) generate

proto-check: proto ## the committed code is what the protocol generates, and breaks nobody
	git diff --exit-code $(WIRE)
	cd $(WIRE) && $(BUF) breaking --against '../../../.git#branch=main,subdir=$(WIRE)'
