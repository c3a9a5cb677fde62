// Package bench holds Extism's go-sdk beside us: the same C, the same windows,
// the same run. It is a module of its own so that ov does not depend on Extism.
package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

func ours(tb testing.TB, name string) *wasmhost.Probe {
	wasm, err := os.ReadFile("../testdata/" + name + ".wasm")
	if err == nil {
		wasm, err = manifest.PackFile(wasm, "../testdata/bench.toml")
	}
	if err != nil {
		tb.Fatal(err)
	}
	s, err := wasmhost.Load(wasm, wasmhost.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := s.Probe()
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func theirs(tb testing.TB, name string) *extism.Plugin {
	wasm, err := os.ReadFile("testdata/extism-" + name + ".wasm")
	if err != nil {
		tb.Fatal(err)
	}
	p, err := extism.NewPlugin(context.Background(), extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}},
		Timeout: 1000}, extism.PluginConfig{}, nil) // a bound on time, as metering is
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func logs(n int) []byte {
	line := []byte("2026-03-01T00:00:01.107000Z WARN auth: refreshed for user=1542 ttl=3600s a_c\n")
	return bytes.Repeat(line, n/len(line)+1)[:n]
}

// TestSameAnswers: both find the same.
func TestSameAnswers(t *testing.T) {
	in := append(logs(500), " acme_0123456789abcdef0123456789abcdef and more "...)
	for _, name := range []string{"scalar", "simd"} {
		spans, err := ours(t, name).Direct(in, wasmhost.FlagWindow)
		if err != nil || len(spans) != 1 {
			t.Fatalf("%s: %v %v", name, spans, err)
		}
		_, out, err := theirs(t, name).Call("scan", in)
		if err != nil || len(out) != 16 || int(binary.LittleEndian.Uint32(out)) != spans[0].Start {
			t.Fatalf("%s: %x %v, want a span at %d", name, out, err, spans[0].Start)
		}
	}
}

// BenchmarkExtism: a call over windows of both sizes, in turns.
func BenchmarkExtism(b *testing.B) {
	for _, name := range []string{"scalar", "simd"} {
		for _, size := range []int{256, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				p, q, in := ours(b, name), theirs(b, name), logs(size)
				var us, them time.Duration
				for b.Loop() {
					start := time.Now()
					for range 10 {
						if _, err := p.Direct(in, wasmhost.FlagWindow); err != nil {
							b.Fatal(err)
						}
					}
					us += time.Since(start)
					start = time.Now()
					if _, _, err := q.Call("scan", in); err != nil {
						b.Fatal(err)
					}
					them += 10 * time.Since(start)
				}
				b.ReportMetric(float64(us.Nanoseconds())/float64(10*b.N), "ours-ns")
				b.ReportMetric(float64(them.Nanoseconds())/float64(10*b.N), "extism-ns")
				b.ReportMetric(float64(them)/float64(us), "times")
			})
		}
	}
}
