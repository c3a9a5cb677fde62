.PHONY: bench bench-redact vet-bench
BENCH_MIB ?= 64

bench: bench-redact

bench-redact: ## the masking against its targets and beside other tools; rewrites the table of docs/performance.md
	cd core/match/bench && GOFLAGS=-mod=mod $(GO) run . -size $(BENCH_MIB) -write ../../../docs/performance.md
	$(GO) run ./mk/plot throughput docs/performance.md docs/pictures/throughput.svg

START_TOOLS ?= $(HOME)/.cache/ov-bench
bench: bench-start
.PHONY: bench-start
bench-start: build ## what ov run -- true takes beside other tools; rewrites its table of docs/performance.md
	@mk/start-tools.sh $(START_TOOLS)
	$(GO) run ./mk/start bin $(START_TOOLS) docs/performance.md 40
	$(GO) run ./mk/plot start docs/performance.md docs/pictures/start.svg

vet: vet-bench

vet-bench: # the benchmarks are a module of their own
	cd core/match/bench && GOFLAGS=-mod=mod $(GO) vet ./... && GOFLAGS=-mod=mod $(GO) test ./...
