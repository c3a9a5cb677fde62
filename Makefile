# The targets a newcomer needs: build, demo, test. CI runs check.
GO ?= go
SHELL = bash
.SHELLFLAGS = -o pipefail -c # a failing test must not hide behind the grep that shortens its output
export CGO_ENABLED = 0

.PHONY: cross build demo test check fmt vet staticcheck race fuzz bench clean

build: ## all programs, static, into bin/
	$(GO) build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...

demo: ## a vault, two secrets and a careless script; builds the two programs that it needs
	$(GO) build -trimpath -ldflags "-s -w" -o bin/ ./cmd/ov ./cmd/ov-agent
	@bash mk/demo.sh

test: build
	$(GO) test ./...

check: fmt vet staticcheck deadcode build cross test race

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt: $$out"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

race: # the race detector needs cgo
	CGO_ENABLED=1 $(GO) test -race -short ./core/...

clean:
	rm -rf bin dist

include $(wildcard mk/*.mk)
