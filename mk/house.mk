# The house: what a reader meets, and what nobody meets.
.PHONY: figures deadcode

figures: ## files, lines, functions, comments, tests: a table
	@$(GO) run ./mk/figures

deadcode: ## functions that no program and no test reaches: there are none
	@out=$$($(GO) tool deadcode -test ./...) && test -z "$$out" || { echo "$$out"; exit 1; }
