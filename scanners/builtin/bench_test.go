package builtin

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	engine "github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// logText makes n bytes of log lines without secrets.
func logText(n int) []byte {
	rng := rand.New(rand.NewPCG(7, 7))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "2026-03-%02dT%02d:%02d:%02d.%06dZ %s %s: %s id=%x status=%d dur=%dms path=/v1/items/%d\n",
			1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(1e6),
			[]string{"INFO", "WARN", "DEBUG"}[rng.IntN(3)], []string{"http", "worker", "db", "cache"}[rng.IntN(4)],
			[]string{"request served", "connection opened", "job finished", "row updated", "cache miss"}[rng.IntN(5)],
			rng.Uint64(), 200+rng.IntN(4), rng.IntN(900), rng.IntN(1e5))
	}
	return b.Bytes()[:n]
}

func BenchmarkClean(b *testing.B) {
	in := logText(4 << 20)
	for _, level := range []scan.Tier{scan.Precise, scan.Balanced, scan.Strict} {
		b.Run(levelNames[level], func(b *testing.B) { run(b, level, in) })
	}
}

// BenchmarkCandidates has a token in every 4 KiB.
func BenchmarkCandidates(b *testing.B) {
	in := logText(4 << 20)
	for i := 100; i+60 < len(in); i += 4096 {
		copy(in[i:], " ghp_16C7e42F292c6912E7710c838347Ae178B4a ")
	}
	run(b, scan.Precise, in)
}

func run(b *testing.B, level scan.Tier, in []byte) {
	set, err := engine.Compile(All(), level)
	if err != nil {
		b.Fatal(err)
	}
	f := engine.NewFilter(io.Discard, set, nil)
	b.SetBytes(int64(len(in)))
	start, n := processTime(), 0
	for b.Loop() {
		for at := 0; at < len(in); at += 64 << 10 {
			f.Write(in[at:min(len(in), at+64<<10)])
		}
		n += len(in)
	}
	b.ReportMetric(float64(n)/1e6/(processTime()-start), "MB/cpu-s")
}

// processTime returns the CPU seconds of the process: on a shared machine they
// tell more than the clock.
func processTime() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

// BenchmarkStart is what a program pays that scans.
func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		s := newScanner(rules())
		if _, err := engine.Compile([]scan.Scanner{s}, scan.Precise); err != nil {
			b.Fatal(err)
		}
	}
}
