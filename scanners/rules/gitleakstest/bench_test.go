package gitleakstest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/zricethezav/gitleaks/v8/detect"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
)

// logText makes n bytes of log lines without secrets.
func logText(n int) []byte {
	rng := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "2026-03-%02dT%02d:%02d:%02d.%06dZ %s http: request served id=%x status=%d dur=%dms path=/v1/items/%d\n",
			1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(1e6), []string{"INFO", "WARN"}[rng.IntN(2)],
			rng.Uint64(), 200+rng.IntN(4), rng.IntN(900), rng.IntN(1e5))
	}
	return b.Bytes()[:n]
}

func processTime() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

func measure(b *testing.B, in []byte, f func()) {
	b.SetBytes(int64(len(in)))
	start, n := processTime(), 0
	for b.Loop() {
		f()
		n += len(in)
	}
	b.ReportMetric(float64(n)/1e6/(processTime()-start), "MB/cpu-s")
}

// BenchmarkLog runs ours and gitleaks over the same log.
func BenchmarkLog(b *testing.B) {
	in := logText(1 << 20)
	for name, scanners := range map[string][]scan.Scanner{"ov": builtin.All(), "ov with gitleaks' rules": append(builtin.All(), load(b).Scanner)} {
		set, err := rule.Compile(scanners, scan.Precise)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			measure(b, in, func() {
				f := rule.NewFilter(io.Discard, set, nil)
				f.Write(in)
				f.Close()
			})
		})
	}
	d, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		b.Fatal(err)
	}
	text := string(in)
	b.Run("gitleaks", func(b *testing.B) { measure(b, in, func() { d.DetectString(text) }) })
}
