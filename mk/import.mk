.PHONY: attack-import
attack: attack-import

attack-import: ## 20 imports of 600 secrets, each killed at a random moment and resumed
	ATTACK=1 $(GO) test -count=1 -v -timeout 20m -run 'TestKilled' ./cmd/ov-import

.PHONY: keyring-tools
test check: | keyring-tools

keyring-tools: ## a real Secret Service for the keychain provider; says what it skips
	@mk/keyring-tools.sh
