# What is done to clocks, networks and backups, and to sharing, with the real
# programs and beside them.
.PHONY: faults attack-share
attack: faults attack-share

faults: postgres-tools ## clocks that jump, networks that are cut, servers set back; network namespaces as root
	ATTACK=1 $(GO) test -count=1 -v -timeout 40m ./cmd/ov/faults | grep -E '^ *(--- (FAIL|SKIP)|attack|fault|ok|FAIL|panic)|_test.go'
	$(GO) test -count=1 -v -timeout 20m -run 'Silence|Forgotten|SlowAnswer|ClockJumps|Look|PutAnew|Served' ./core/blob/httpblob ./core/blob/server ./core/vault ./core/vault/mirror ./core/audit | grep -E '^ *(--- |ok|FAIL|panic)|_test.go'

attack-share: ## people who share: stolen invitations, swapped keys, hidden revocations, readers who write, writers with the server
	ATTACK=1 $(GO) test -count=1 -v -timeout 20m -run 'AttackShare|RevokeEachOther|RevokesBoth' ./core/agent/serve | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'
	$(GO) test -count=1 -v -timeout 20m -run 'AttackMember|AttackTraitor|AttackRevoked|AttackGarbage|AttackBusy|AttackOld' ./core/vault/mirror | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'
