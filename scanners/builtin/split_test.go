package builtin

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// TestSplit checks that the output does not depend on how the input is cut: byte
// by byte for every sample of the corpora, at every cut for one of each rule and
// context, and in random pieces all together.
func TestSplit(t *testing.T) {
	set := compile(t, scan.Strict)
	seen := map[string]bool{}
	var all []byte
	for _, name := range []string{"vendor_contexts", "positives", "negatives"} {
		for i, s := range corpus(t, name) {
			in := []byte(s.Text)
			if len(in) > 6000 || testing.Short() && i%20 != 0 {
				continue
			}
			all = append(all, in...)
			want, _ := mask(t, set, in)
			if i%16 == 0 || name == "vendor_contexts" && i%3 == 0 {
				if got, _ := mask(t, set, slices.Collect(slices.Chunk(in, 1))...); got != want {
					t.Errorf("byte by byte %q\n got %q\nwant %q", in, got, want)
				}
			}
			key := s.Ctx + s.Rule[:min(4, len(s.Rule))]
			if seen[key] || len(in) > 600 {
				continue
			}
			seen[key] = true
			for cut := range in {
				if got, _ := mask(t, set, in[:cut], in[cut:]); got != want {
					t.Fatalf("cut at %d of %q\n got %q\nwant %q", cut, in, got, want)
				}
			}
		}
	}
	want, _ := mask(t, set, all)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3 {
		var parts [][]byte
		for rest := all; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(1<<rng.IntN(15)))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got, _ := mask(t, set, parts...); got != want {
			i := 0
			for i < len(got) && i < len(want) && got[i] == want[i] {
				i++
			}
			t.Fatalf("random pieces differ at %d:\n got %q\nwant %q", i, clip(got, i), clip(want, i))
		}
	}
}

func clip(s string, i int) string { return s[max(0, i-200):min(len(s), i+100)] }

func FuzzSplit(f *testing.F) {
	set := compile(f, scan.Strict)
	for i, s := range corpus(f, "vendor_contexts") {
		if i%40 == 0 {
			f.Add([]byte(s.Text), uint64(i))
		}
	}
	for _, unit := range floods {
		f.Add([]byte(strings.Repeat(unit, 6000/len(unit))), uint64(len(unit)))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		want, _ := mask(t, set, in)
		rng := rand.New(rand.NewPCG(seed, 0))
		var parts [][]byte
		for rest := in; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(1<<rng.IntN(8)))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got, _ := mask(t, set, parts...); !bytes.Equal([]byte(got), []byte(want)) {
			t.Fatalf("%q in %d parts\n got %q\nwant %q", in, len(parts), got, want)
		}
	})
}
