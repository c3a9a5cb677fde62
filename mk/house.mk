# The house: what a reader meets, and what nobody meets.
.PHONY: figures deadcode

figures: ## files, lines, functions, comments, tests: a table
	@$(GO) run ./mk/figures
