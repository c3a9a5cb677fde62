# Third-party scanners: their compilers, the committed test modules, long campaigns.
SCANNER_TOOLS ?= $(CURDIR)/bin/scanner-tools
export SCANNER_TOOLS

.PHONY: scanner-tools scanner-testdata attack-wasm fuzz-wasm bench-wasm

test check: | scanner-tools

scanner-tools: ## the compilers that the SDK tests use; says what it skips
	@mk/scanner-tools.sh $(SCANNER_TOOLS)

scanner-testdata: scanner-tools ## rebuild sdk/scanner/testdata from the sources beside it
	OV_UPDATE=1 $(GO) test -count=1 -run TestHello ./scanners/wasmhost/starter
	cd scanners/wasmhost/testdata && for f in "scalar" "simd -msimd128"; do set -- $$f; \
		clang --target=wasm32 -O2 $$2 -nostdlib -Wl,--no-entry -I ../../../sdk/scanner/c -o $$1.wasm $$1.c; done
	cd scanners/wasmhost/bench/testdata && for f in "scalar" "simd -msimd128 -DSIMD"; do set -- $$f; \
		clang --target=wasm32 -O2 $$2 $$3 -nostdlib -Wl,--no-entry -I ../../../../sdk/scanner/c -o extism-$$1.wasm extism.c; done

attack: attack-wasm
attack-wasm: ## 100,000 fuzzed windows on both engines, for each SDK; hostile modules with their figures
	OV_WINDOWS=100000 $(GO) test -count=1 -timeout 30m -run TestHello -v ./scanners/wasmhost/starter
	ATTACK=1 $(GO) test -count=1 -run 'TestHostile|TestCompileBombs' -v ./scanners/wasmhost

fuzz: fuzz-wasm
fuzz-wasm:
	$(GO) test -fuzz FuzzParse -fuzztime 30s ./scanners/wasmhost/module
	$(GO) test -fuzz FuzzRewrite -fuzztime 30s ./scanners/wasmhost/meter
	$(GO) test -fuzz FuzzPrograms -fuzztime 30s ./scanners/wasmhost/meter

bench: bench-wasm
bench-wasm: ## the targets as ratios, in one run; Extism beside us in a module of its own
	$(GO) test -count=1 -run xxx -bench . ./scanners/wasmhost
	cd scanners/wasmhost/bench && $(GO) test -count=1 -run xxx -bench .
