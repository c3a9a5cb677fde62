.PHONY: bench-run
bench-run: build ## what ov run costs in CPU, memory and time
	mk/run-figures.sh bin
	$(GO) test -run '^$$' -bench Start ./core/proc
