.PHONY: attack attack-cli bench-startup
attack: attack-cli

attack-cli: ## the end-to-end attacks at their full size: 1 GiB, 200 kills, 64 writers
	ATTACK=1 $(GO) test -count=1 -v -timeout 30m -run 'TestFlatMemory|TestKillAgent|TestWritersAtOnce|TestFullDisk|TestDamagedStore|TestFiveSecrets|TestBrokenPipe' ./cmd/ov

bench-startup: ## what ov adds to a command, 50 secrets, agent unlocked
	$(GO) test -run '^$$' -bench Startup -benchtime 200x ./cmd/ov
