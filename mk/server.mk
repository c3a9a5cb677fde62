# The server: its databases, its wire, its attacks and its figures.
.PHONY: postgres-tools attack-server bench-server fuzz-server
test check: | postgres-tools
attack: attack-server
fuzz: fuzz-server
bench: bench-server

SERVER_ROOMS = ./core/channel ./core/manifest ./core/lp ./core/blob/wire ./core/blob/httpblob ./core/blob/depot/... ./core/blob/postgres/... ./core/blob/server/... ./cmd/ov-server

postgres-tools: ## PostgreSQL for the tests: finds it, or installs Debian's
	@mk/postgres-tools.sh

attack-server: postgres-tools ## the attacks on the server and on what travels to it, at their full size
	ATTACK=1 $(GO) test -count=1 -v -timeout 40m -run 'Attack' $(SERVER_ROOMS) | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'

fuzz-server:
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./core/manifest
	$(GO) test -run '^$$' -fuzz FuzzWriterFollows -fuzztime 30s ./core/manifest
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./core/blob/wire
	$(GO) test -run '^$$' -fuzz FuzzParse -fuzztime 30s ./core/channel

bench-server: postgres-tools ## requests, durable commits, change lists, three replicas beside one: the targets of docs/performance.md
	$(GO) test -run '^$$' -bench . -benchtime 2s ./core/channel ./core/blob/depot/... ./core/blob/postgres ./core/blob/server ./cmd/ov-server | grep -E '^(Benchmark|pkg)'
