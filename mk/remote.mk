# Vaults on a server, machine keys.
.PHONY: attack-remote bench-remote
attack: attack-remote
bench: bench-remote

attack-remote: ## a lying server against devices and machines, alone and through the whole stack; the whole flow with a real ov-server
	$(GO) test -count=1 -v -timeout 20m ./core/vault/mirror | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'
	$(GO) test -count=1 -v -timeout 20m -run 'AttackServer|ServerForgotten|NoWayToServer|ServerInTrouble|OverServer|PushAndMachine' ./core/agent/serve | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'
	$(GO) test -count=1 -v -timeout 20m -run 'TestScript/(remote|share|machine)|TestCIExamples' ./cmd/ov | grep -E '^ *(--- (FAIL|PASS)|ok|FAIL|panic)|_test.go'
	ATTACK=1 $(GO) test -count=1 -v -timeout 20m -run 'TestAttack15WholeFlow|TestAttack10RealServer' ./cmd/ov | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'

bench-remote: ## sync of 10,000 secrets with verification, and with nothing new
	$(GO) test -run '^$$' -bench Sync -benchtime 10x ./core/agent/serve
