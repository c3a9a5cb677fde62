# The vault, its store and its audit log.
.PHONY: attack attack-vault fuzz fuzz-vault bench bench-vault
attack: attack-vault
fuzz: fuzz-vault
bench: bench-vault

attack-vault: ## the attacks on the vault and the log: 1,000 kills, the WAL cut at every byte
	ATTACK=1 $(GO) test -count=1 -v -timeout 60m -run 'Attack|Damaged' ./core/seal ./core/blob/... ./core/vault ./core/audit | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'

fuzz-vault:
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./core/seal
	$(GO) test -run '^$$' -fuzz FuzzLine -fuzztime 30s ./core/audit

bench-vault: ## seal, open, durable writes, audit: the targets of docs/performance.md
	$(GO) test -run '^$$' -bench . -benchtime 1s ./core/seal ./core/vault ./core/audit | grep -E '^(Benchmark|pkg)'
