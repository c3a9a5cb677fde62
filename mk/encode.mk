.PHONY: fuzz-encode
FUZZTIME ?= 30s
fuzz: fuzz-encode

fuzz-encode: ## the forms of random values, by their rules and against the encoders
	$(GO) test -run '^$$' -fuzz FuzzForms -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./core/encode
	$(GO) test -run '^$$' -fuzz FuzzEncoders -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./core/encode
