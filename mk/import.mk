.PHONY: attack-import
attack: attack-import

attack-import: ## 20 imports of 600 secrets, each killed at a random moment and resumed
	ATTACK=1 $(GO) test -count=1 -v -timeout 20m -run 'TestKilled' ./cmd/ov-import

.PHONY: import-tools real
IMPORT_TOOLS = $(CURDIR)/bin/import-tools
test check: | import-tools

import-tools: ## servers and clients that the import tests did not write; says what it skips
	@mk/import-tools.sh $(IMPORT_TOOLS)

real: ## imports from servers, and values by clients, that we did not write; says which ran
	@mk/import-tools.sh $(IMPORT_TOOLS) real
	REAL=1 $(GO) test -count=1 -v -timeout 20m -run 'TestReal|TestMoto|TestGnome|TestSpecification' ./providers/... ./cmd/ov-import | grep -E '^(=== RUN +TestReal|--- |ok|FAIL|panic| +[a-z_]+_test.go)'

.PHONY: bench-import
bench: bench-import
bench-import: ## start of a provider, and 10,000 values from it
	$(GO) test -run '^$$' -bench . ./plugins/host
