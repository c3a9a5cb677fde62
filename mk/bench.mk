.PHONY: bench bench-redact vet-bench
BENCH_MIB ?= 64

bench: bench-redact

bench-redact: ## the masking against its targets and beside other tools; rewrites the table of docs/performance.md
	cd core/match/bench && GOFLAGS=-mod=mod $(GO) run . -size $(BENCH_MIB) -write ../../../docs/performance.md
	$(GO) run ./mk/plot docs/performance.md docs/pictures/throughput.svg

vet: vet-bench

vet-bench: # the benchmarks are a module of their own
	cd core/match/bench && GOFLAGS=-mod=mod $(GO) vet ./... && GOFLAGS=-mod=mod $(GO) test ./...
