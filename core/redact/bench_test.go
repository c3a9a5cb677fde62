package redact

import (
	"bytes"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/match/benchdata"
	"github.com/opaquevault/ov/core/secret"
)

// The benchmarks report MB per second of the process's CPU time: wall time says
// little on a machine that others use as well.

const benchSize = 32 << 20

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func setOf(b *testing.B, values [][]byte, lanes Lanes) *Set {
	var needles []Needle
	for i, v := range values {
		needles = append(needles, Needle{fmt.Sprint("N", i), secret.New(bytes.Clone(v))})
	}
	s, err := Compile(needles, Options{Lanes: lanes})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// rate writes the stream to w in pieces, over and over.
func rate(b *testing.B, w io.Writer, stream []byte, piece int) {
	b.SetBytes(int64(len(stream)))
	write := func() {
		for p := stream; len(p) > 0; {
			n := min(piece, len(p))
			if _, err := w.Write(p[:n]); err != nil {
				b.Fatal(err)
			}
			p = p[n:]
		}
	}
	write()
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		write()
	}
	b.ReportMetric(float64(len(stream))*float64(b.N)/1e6/(cpuTime()-start).Seconds(), "MB/cpu-s")
}

const piece = 64 << 10

// Targets 1 to 3: benign streams.
func BenchmarkExact(b *testing.B) {
	for _, n := range []int{0, 1, 10, 100, 1000, 10_000} {
		values := benchdata.Secrets(n)
		s := setOf(b, values, Exact)
		for _, in := range benchdata.Inputs {
			b.Run(fmt.Sprintf("%d/%s", n, in), func(b *testing.B) {
				rate(b, NewWriter(io.Discard, s, nil), benchdata.Input(in, benchSize, values), piece)
			})
		}
	}
}

// Target 5: near-prefixes; and needles with one byte wrong anywhere.
func BenchmarkFlood(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10_000} {
		values := benchdata.Secrets(n)
		s := setOf(b, values, Exact)
		b.Run(fmt.Sprintf("%d/prefix", n), func(b *testing.B) {
			rate(b, NewWriter(io.Discard, s, nil), benchdata.Flood(benchSize, values), piece)
		})
		b.Run(fmt.Sprintf("%d/wrong", n), func(b *testing.B) {
			rate(b, NewWriter(io.Discard, s, nil), benchdata.Wrong(benchSize, values), piece)
		})
	}
}

// Targets 6 and 8: periodic needles, short needles.
func BenchmarkHard(b *testing.B) {
	letters := benchdata.OneLetter(100)
	b.Run("periodic", func(b *testing.B) {
		rate(b, NewWriter(io.Discard, setOf(b, letters, Exact), nil), bytes.Repeat([]byte("a"), benchSize), piece)
	})
	b.Run("periodic/log", func(b *testing.B) {
		rate(b, NewWriter(io.Discard, setOf(b, letters, Exact), nil), benchdata.Input("log", benchSize, nil), piece)
	})
	b.Run("hit at every byte", func(b *testing.B) {
		rate(b, NewWriter(io.Discard, setOf(b, [][]byte{bytes.Repeat([]byte("a"), 8), bytes.Repeat([]byte("a"), 40)}, Exact), nil), bytes.Repeat([]byte("a"), benchSize), piece)
	})
	short := benchdata.Short(20)
	for _, in := range benchdata.Inputs {
		b.Run("short/"+in, func(b *testing.B) {
			rate(b, NewWriter(io.Discard, setOf(b, short, Exact), nil), benchdata.Input(in, benchSize, short), piece)
		})
	}
}

// Target 10: a line a write.
func BenchmarkLine(b *testing.B) {
	line := []byte("2026-11-21T09:31:32.000000Z INFO [worker-7] request completed with status 200 \n")
	for _, c := range []struct {
		n     int
		lanes Lanes
	}{{1, Exact}, {100, Exact}, {10_000, Exact}, {20, All}} {
		b.Run(fmt.Sprintf("%d/%v", c.n, c.lanes), func(b *testing.B) {
			w := NewWriter(io.Discard, setOf(b, benchdata.Secrets(c.n), c.lanes), nil)
			b.ReportAllocs()
			start := cpuTime()
			for b.Loop() {
				w.Write(line)
			}
			b.ReportMetric(float64((cpuTime()-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// Target 11: all lanes, 20 secrets.
func BenchmarkLanes(b *testing.B) {
	values := benchdata.Secrets(20)
	for _, lanes := range []Lanes{Exact, Exact | Encoded, Fragments, Squeezed, Squeezed | Fragments, All} {
		s := setOf(b, values, lanes)
		for _, in := range benchdata.Inputs {
			b.Run(fmt.Sprintf("%v/%s", lanes, in), func(b *testing.B) {
				rate(b, NewWriter(io.Discard, s, nil), benchdata.Input(in, benchSize, values), piece)
			})
		}
	}
}

// Targets 9 and 11b: the time to build a set and its size.
func BenchmarkCompile(b *testing.B) {
	for _, c := range []struct {
		n     int
		lanes Lanes
	}{{100, Exact}, {1000, Exact}, {10_000, Exact}, {20, All}, {50, All}} {
		values := benchdata.Secrets(c.n)
		b.Run(fmt.Sprintf("%d/%v", c.n, c.lanes), func(b *testing.B) {
			b.ReportAllocs()
			start := cpuTime()
			var s *Set
			for b.Loop() {
				s = setOf(b, values, c.lanes)
			}
			b.ReportMetric(float64((cpuTime()-start).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
			b.ReportMetric(float64(s.Size())/1024, "KiB")
		})
	}
}
