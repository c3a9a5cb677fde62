.PHONY: attack attack-agent fuzz fuzz-agent bench-agent
attack: attack-agent
fuzz: fuzz-agent

attack-agent: ## the attacks on the agent: memory, other users, kills, hostile clients
	ATTACK=1 $(GO) test -count=1 -v -timeout 20m -run TestAttack ./core/policy ./core/agent/... ./cmd/ov-agent | grep -E '^ *(---|attack|ok|FAIL|panic)'

.PHONY: attack-policy
attack: attack-policy
attack-policy: build ## what a coding agent with a shell tries against policy and approval, a line each
	$(GO) test -count=1 -v -timeout 10m -run 'TestAttack' ./core/policy ./core/agent/serve | grep -E '^ *(--- (PASS|FAIL|SKIP)|FAIL|panic)'
	$(GO) test -count=1 -v -timeout 10m -run 'TestAttackFromAShell' ./cmd/ov | grep -E '^ *(--- (PASS|FAIL|SKIP)|FAIL|panic)|_test.go'
	$(GO) test -count=1 -v -timeout 10m -run 'TestApproval|TestWritesPassTheGate' ./cmd/ov-mcp | grep -E '^ *(--- (PASS|FAIL|SKIP)|FAIL|panic)|_test.go'

fuzz-agent:
	$(GO) test -run '^$$' -fuzz FuzzRead -fuzztime 30s ./core/agent/wire
	$(GO) test -run '^$$' -fuzz FuzzServe -fuzztime 30s ./core/agent/serve

bench-agent: ## what a command asks of the agent: 50 secrets and a completion
	$(GO) test -run '^$$' -bench Grant -benchtime 100x ./cmd/ov-agent
