package main

import (
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkStartup measures what ov adds to a command: `ov run -- true` beside
// `true`, the agent unlocked, 50 secrets in the vault. See make bench-startup.
func BenchmarkStartup(b *testing.B) {
	w := vaulted(b)
	for i := range 49 {
		w.must(b, "", "secret", "set", fmt.Sprintf("S%d", i), "--generate=40")
	}
	w.must(b, "", "unlock")
	with, without, version := []time.Duration{}, []time.Duration{}, []time.Duration{}
	for b.Loop() {
		without = append(without, timed(b, exec.Command("true")))
		version = append(version, timed(b, w.command("version")))
		with = append(with, timed(b, w.command("run", "--", "true")))
	}
	for name, d := range map[string][]time.Duration{"true": without, "version": version, "run": with} {
		slices.Sort(d)
		b.ReportMetric(ms(d[0]), name+"-min-ms")
		b.ReportMetric(ms(d[len(d)/2]), name+"-median-ms")
	}
	b.ReportMetric(ms(with[0]-without[0]), "added-min-ms")
	b.ReportMetric(ms(with[len(with)/2]-without[len(without)/2]), "added-median-ms")
}

func timed(b *testing.B, cmd *exec.Cmd) time.Duration {
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
