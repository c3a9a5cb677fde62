.PHONY: fuzz fuzz-engine bench bench-engine
fuzz: fuzz-engine
bench: bench-engine

FUZZTIME ?= 30s
fuzz-engine: ## the matcher and the redactor against their oracles
	$(GO) test ./core/match -run '^$$' -fuzz '^FuzzMatch$$' -fuzztime $(FUZZTIME)
	$(GO) test ./core/match -run '^$$' -fuzz '^FuzzRuns$$' -fuzztime $(FUZZTIME)
	$(GO) test ./core/match -run '^$$' -fuzz '^FuzzGrowing$$' -fuzztime $(FUZZTIME)
	$(GO) test ./core/redact -run '^$$' -fuzz '^FuzzRedact$$' -fuzztime $(FUZZTIME)

bench-engine: ## MB per CPU second: references, floor, every row of the targets
	$(GO) test ./core/match -run '^$$' -bench . -benchtime 10x
	$(GO) test ./core/redact -run '^$$' -bench . -benchtime 10x
	$(GO) test ./core/redact -run '^$$' -bench Line -benchtime 200000x
