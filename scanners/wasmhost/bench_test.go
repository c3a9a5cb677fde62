package wasmhost

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// guest returns a module of testdata, packed; its source is beside it.
func guest(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile("testdata/" + name + ".wasm")
	if err == nil {
		wasm, err = manifest.PackFile(wasm, "testdata/bench.toml")
	}
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func logs(n int) []byte {
	line := []byte("2026-03-01T00:00:01.107000Z WARN auth: refreshed for user=1542 ttl=3600s a_c\n")
	return bytes.Repeat(line, n/len(line)+1)[:n]
}

// TestGuestsOfBenchmarks: what is measured finds what it should.
func TestGuestsOfBenchmarks(t *testing.T) {
	in := append(logs(1000), []byte(" acme_0123456789abcdef0123456789abcdef acme_0123456789abcdef0123456789abcdeX "+digits+digits)...)
	in = append(in, logs(500)...)
	for _, name := range []string{"scalar", "simd"} {
		for _, unmetered := range []bool{false, true} {
			p := probe(t, guest(t, name), Options{Unmetered: unmetered})
			spans, err := p.Direct(in, FlagWindow)
			want := "[{1001 1038 0 false } {1077 1114 0 false } {1114 1151 0 false }]"
			if fmt.Sprint(spans) != want || err != nil {
				t.Errorf("%s: %v %v, want %s", name, spans, err, want)
			}
		}
	}
}

func probe(t testing.TB, wasm []byte, o Options) *Probe {
	t.Helper()
	p, err := load(t, wasm, o).Probe()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// BenchmarkCall is one call over a window of 256 bytes, in and out of the guest.
func BenchmarkCall(b *testing.B) {
	for name, wasm := range map[string][]byte{"empty": plain().WithManifest(`{"abi":1,"name":"t","max_window":256,"rules":[{"id":"r","keywords":["acme_"],"after":256}]}`),
		"simd": guest(b, "simd"), "scalar": guest(b, "scalar")} {
		b.Run(name, func(b *testing.B) {
			p, in := probe(b, wasm, Options{}), logs(256)
			b.SetBytes(256)
			start := cpuTime()
			for b.Loop() {
				if _, err := p.Direct(in, FlagWindow); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-start).Nanoseconds())/float64(b.N), "cpu-ns")
		})
	}
}

// BenchmarkMetering is what metering costs over a window of 64 KiB: both in one
// run, in turns, and their ratio.
func BenchmarkMetering(b *testing.B) {
	for _, name := range []string{"scalar", "simd"} {
		b.Run(name, func(b *testing.B) {
			with, without := probe(b, guest(b, name), Options{}), probe(b, guest(b, name), Options{Unmetered: true})
			in := logs(64 << 10)
			var spent [2][]time.Duration
			for b.Loop() {
				for i, p := range []*Probe{with, without} {
					start := time.Now()
					if _, err := p.Direct(in, FlagWindow); err != nil {
						b.Fatal(err)
					}
					spent[i] = append(spent[i], time.Since(start))
				}
			}
			m, u := best(spent[0]), best(spent[1])
			b.ReportMetric(rateOf(in, m), "metered-MB/s")
			b.ReportMetric(rateOf(in, u), "unmetered-MB/s")
			b.ReportMetric(100*(float64(m)/float64(u)-1), "cost-%")
		})
	}
}

func best(d []time.Duration) time.Duration {
	m := d[0]
	for _, x := range d {
		m = min(m, x)
	}
	return m
}

func rateOf(b []byte, d time.Duration) float64 { return float64(len(b)) / d.Seconds() / 1e6 }

// many returns n scanners, each with a name, a rule and a keyword of its own.
func many(t testing.TB, n int) []scan.Scanner {
	t.Helper()
	raw, err := os.ReadFile("testdata/scalar.wasm")
	if err != nil {
		t.Fatal(err)
	}
	var all []scan.Scanner
	for i := range n {
		toml := fmt.Sprintf("name=\"s%d\"\nversion=\"1\"\n[[rules]]\nid=\"r%d\"\nkeywords=[\"acm%c_\"]\nafter=64\n", i, i, "e0123456789abcdfghijklmnopqrstuvwxyz"[i])
		wasm, err := manifest.Pack(raw, []byte(toml))
		if err != nil {
			t.Fatal(err)
		}
		s := load(t, wasm, Options{})
		if err := s.Compile(); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// BenchmarkStream is output through the keyword engine with the built-in rules:
// without a module, with 32 live ones on clean output, and with one candidate in
// 4 KiB. Rounds in turns.
func BenchmarkStream(b *testing.B) {
	clean := logs(1 << 20)
	some := bytes.Clone(clean)
	for i := 2000; i+64 < len(some); i += 4096 {
		copy(some[i:], "token=acme_0123456789abcdef0123456789abcdef and so on and so on ")
	}
	all := many(b, 32)
	cases := []struct {
		name string
		text []byte
		s    []scan.Scanner
	}{
		{"none", clean, builtin.All()}, {"32-clean", clean, append(builtin.All(), all...)},
		{"none-candidates", some, builtin.All()}, {"32-candidates", some, append(builtin.All(), all...)},
	}
	filters := make([]*rule.Filter, len(cases))
	for i, c := range cases {
		set, err := rule.Compile(c.s, scan.Precise)
		if err != nil {
			b.Fatal(err)
		}
		filters[i] = rule.NewFilter(io.Discard, set, nil)
	}
	spent := make([][]time.Duration, len(cases))
	for b.Loop() {
		for i, c := range cases {
			start := time.Now()
			if _, err := filters[i].Write(c.text); err != nil {
				b.Fatal(err)
			}
			spent[i] = append(spent[i], time.Since(start))
		}
	}
	for i, c := range cases {
		b.ReportMetric(rateOf(c.text, best(spent[i])), c.name+"-MB/s")
		if base := best(spent[i&^1]); i&1 == 1 {
			b.ReportMetric(100*float64(base)/float64(best(spent[i])), c.name+"-%")
		}
	}
}

// goGuest builds a scanner in Go.
func goGuest(b *testing.B, pkg, manifestFile string) []byte {
	b.Helper()
	out := filepath.Join(b.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	wasm, err := os.ReadFile(out)
	if err == nil {
		wasm, err = manifest.PackFile(wasm, manifestFile)
	}
	if err != nil {
		b.Fatal(err)
	}
	return wasm
}

// BenchmarkGo is a scanner in Go: a call, and output with one candidate in 4 KiB
// beside the same output without the scanner, in turns.
func BenchmarkGo(b *testing.B) {
	for _, c := range []struct{ name, pkg, file, candidate string }{
		{"ticket", "../../sdk/example/ticket", "../../sdk/example/ticket/scanner.toml", "token=nwt_7QX4-2M9D-KF3A-10 and so on and so on"},
		{"regexp", "../../sdk/scanner/hello/go", "../../sdk/scanner/hello/scanner.toml", "token=acme_0123456789abcdef0123456789abcdef and so on"},
	} {
		wasm := goGuest(b, c.pkg, c.file)
		b.Run(c.name+"/call", func(b *testing.B) {
			p := probe(b, wasm, Options{})
			w := []byte(c.candidate[len("token="):])
			for b.Loop() {
				if spans, err := p.Direct(w[:p.s.manifest.Rules[0].After], FlagWindow); err != nil || len(spans) != 1 {
					b.Fatal(spans, err)
				}
			}
		})
		b.Run(c.name+"/stream", func(b *testing.B) {
			s := load(b, wasm, Options{})
			if err := s.Compile(); err != nil {
				b.Fatal(err)
			}
			text := logs(1 << 20)
			for i := 2000; i+64 < len(text); i += 4096 {
				copy(text[i:], c.candidate)
			}
			var filters [2]*rule.Filter
			var spent [2][]time.Duration
			for i, all := range [][]scan.Scanner{builtin.All(), append(builtin.All(), s)} {
				set, err := rule.Compile(all, scan.Precise)
				if err != nil {
					b.Fatal(err)
				}
				filters[i] = rule.NewFilter(io.Discard, set, nil)
			}
			for b.Loop() {
				for i, f := range filters {
					start := time.Now()
					if _, err := f.Write(text); err != nil {
						b.Fatal(err)
					}
					spent[i] = append(spent[i], time.Since(start))
				}
			}
			if c := s.Counts(); c.Spans == 0 || c.Failures > 0 {
				b.Fatalf("%+v", c)
			}
			b.ReportMetric(rateOf(text, best(spent[0])), "none-MB/s")
			b.ReportMetric(rateOf(text, best(spent[1])), "with-MB/s")
			b.ReportMetric(100*float64(best(spent[0]))/float64(best(spent[1])), "speed-%")
		})
	}
}

// BenchmarkStart is what comes before the first window: of ten small modules at
// once, of one guest after a trap.
func BenchmarkStart(b *testing.B) {
	b.Run("ten-cold", func(b *testing.B) {
		wasm := guest(b, "scalar")
		for b.Loop() {
			for range 10 {
				s, err := Load(wasm, Options{})
				if err == nil {
					err = s.Compile()
				}
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		}
	})
	b.Run("ten-read-only", func(b *testing.B) { // no keyword is ever seen
		s := load(b, guest(b, "scalar"), Options{})
		for b.Loop() {
			for range 10 {
				if _, err := Lazy(s.Manifest(), nil, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("after-trap", func(b *testing.B) {
		s := load(b, guest(b, "scalar"), Options{})
		if err := s.Compile(); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			in, err := s.program.instantiate(s)
			if err != nil {
				b.Fatal(err)
			}
			in.close()
		}
	})
}

// BenchmarkRunaway is the time until a guest is cut that would run for ever, by
// the size of its window: fuel grows with it.
func BenchmarkRunaway(b *testing.B) {
	rows := hostile()
	for _, name := range []string{"infinite loop", "exponential recursion without a loop", "deep recursion", "memory bomb"} {
		for _, size := range []int{256, 4 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				s := load(b, rows[name].wasm, Options{})
				var spent []time.Duration
				for b.Loop() {
					p, err := s.Probe()
					if err != nil {
						b.Fatal(err)
					}
					p.in.fuel.Set(uint64(Fuel(size)))
					start := cpuTime()
					if _, err := p.in.call.Call(context.Background(), uint64(size), FlagWindow); err == nil {
						b.Fatal("it ended")
					}
					spent = append(spent, cpuTime()-start)
					p.Close()
				}
				slices.Sort(spent)
				b.ReportMetric(float64(spent[len(spent)/2].Microseconds())/1000, "median-cpu-ms")
			})
		}
	}
}
