# Recall and false masks of the built-in rules, by level, context and rule.
.PHONY: scan-report
scan-report:
	@mkdir -p bin
	OV_SCAN_REPORT=$(CURDIR)/bin/scan-report.md $(GO) test -count=1 -run 'TestRecall' ./scanners/builtin
	@cat bin/scan-report.md

# gitleaks' own configuration through the loader of rule files.
.PHONY: test-gitleaks
test-gitleaks:
	cd scanners/rules/gitleakstest && $(GO) test ./...

# MB per CPU second of the rules, and of gitleaks on the same log.
.PHONY: bench-scan
bench-scan:
	$(GO) test -run '^$$' -bench 'Clean|Candidates|Start' ./scanners/builtin
	cd scanners/rules/gitleakstest && $(GO) test -run '^$$' -bench Log -benchtime 2x .
