# Replicas, a primary and its standby: what is lost, what is doubled, how long it takes.
.PHONY: scale
scale: postgres-tools ## three replicas over a primary and its synchronous standby, killed in the middle of 10,000 writes and of an import; the figures of docs/scale.md
	SCALE=1 $(GO) test -count=1 -v -timeout 30m -run 'TestAttack19|TestPrimaryHangs|TestConformanceSerializable' ./core/blob/postgres | grep -E '^(--- (FAIL|PASS)|attack|ok|FAIL|panic)|_test.go'
	SCALE=1 $(GO) test -count=1 -v -timeout 30m -run 'Replica|Attack16Replay|Attack17AtOnce' ./core/blob/server | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'
	SCALE=1 $(GO) test -count=1 -v -timeout 30m -run 'TestAttack19FailOver|TestAttack20KillReplica|Fleet|TestStartWithoutDatabase' ./cmd/ov-server | grep -E '^ *(--- FAIL|attack|ok|FAIL|panic)|_test.go'
	SCALE=1 $(GO) test -count=1 -v -timeout 30m -run 'TestImportOverReplicas' ./cmd/ov | grep -E '^ *(--- FAIL|import|ok|FAIL|panic)|_test.go'
