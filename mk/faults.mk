# What is done to clocks, networks and backups, with the real programs and beside them.
.PHONY: faults
attack: faults

faults: postgres-tools ## clocks that jump, networks that are cut, servers set back; network namespaces as root
	ATTACK=1 $(GO) test -count=1 -v -timeout 40m ./cmd/ov/faults | grep -E '^ *(--- (FAIL|SKIP)|attack|fault|ok|FAIL|panic)|_test.go'
	ATTACK=1 $(GO) test -count=1 -v -timeout 20m -run 'Silence|Forgotten|SlowAnswer' ./core/blob/httpblob | grep -E '^ *(--- |ok|FAIL|panic)|_test.go'
