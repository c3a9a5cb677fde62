package rule

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// silent reads all that its rule has need of for each keyword, finds nothing, and
// counts what it was shown. It does not say what it read.
type silent struct{ scan.Scanner }

// greedy is silent, but says that it read it all.
type greedy struct {
	rules []scan.Rule
	shown *int
}

func (g greedy) Rules() []scan.Rule { return g.rules }

func (g greedy) Check(_ int, w []byte, at int, final bool) ([]scan.Span, bool) {
	if !final && len(w)-at < g.rules[0].Need {
		return nil, true
	}
	*g.shown += len(w) - at
	return nil, false
}

func (g greedy) Read(r int, w []byte, at int, final bool) ([]scan.Span, bool, int) {
	spans, more := g.Check(r, w, at, final)
	return spans, more, len(w)
}

// frugal is greedy, but decides at once and says so.
type frugal struct{ greedy }

func (f frugal) Read(_ int, w []byte, at int, final bool) ([]scan.Span, bool, int) {
	*f.shown += 4
	return nil, false, at + 4
}

func flood(t *testing.T, s scan.Scanner) *Set {
	t.Helper()
	set, err := Compile([]scan.Scanner{s}, scan.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestFloodIsLinear: however close together keywords stand, a scanner is not
// shown more than a few times the stream, and what it is not shown is masked.
func TestFloodIsLinear(t *testing.T) {
	shown := 0
	g := greedy{[]scan.Rule{{ID: "g", Keywords: []string{"key"}, Need: 1000}}, &shown}
	set := flood(t, g)
	in := []byte("start " + strings.Repeat("key", 100_000) + strings.Repeat(".", 20_000) + "key" + strings.Repeat(".", 2000))
	out := pieces(t, set, in)
	if shown > 3*len(in) {
		t.Errorf("%d bytes were shown of a stream of %d", shown, len(in))
	}
	// The first keywords are judged until the account is overdrawn; from then on all
	// is masked, to as far behind the last keyword as a finding could reach.
	judged := 6 // 1000-3, 1000-3 ... bytes read again are more than the overdraft
	want := "start " + strings.Repeat("key", judged) + "[REDACTED:g]" + strings.Repeat(".", 20_000-1000+3) + "key" + strings.Repeat(".", 2000)
	if string(out) != want {
		t.Errorf("got %.60q... of %d bytes, want %.60q... of %d", out, len(out), want, len(want))
	}
	for _, size := range []int{1, 7, 4096} {
		if got := pieces(t, set, slices.Collect(slices.Chunk(in, size))...); !bytes.Equal(got, out) {
			t.Errorf("in pieces of %d: %.60q... of %d bytes", size, got, len(got))
		}
	}
}

// TestLeeway: a scanner that does not say what it read is shown some more.
func TestLeeway(t *testing.T) {
	shown := 0
	s := silent{greedy{[]scan.Rule{{ID: "s", Keywords: []string{"key"}, Need: 1000}}, &shown}}
	set := flood(t, s)
	for _, c := range []struct {
		apart int
		flood bool
	}{{100, false}, {20, true}} {
		in := bytes.Repeat([]byte("key"+strings.Repeat(".", c.apart-3)), 5000)
		shown = 0
		out := pieces(t, set, in)
		if got := !bytes.Equal(out, in); got != c.flood || shown > (leeway+2)*len(in) {
			t.Errorf("a keyword in %d bytes: taken for a flood: %v; %d bytes shown of %d", c.apart, got, shown, len(in))
		}
		if got := pieces(t, set, slices.Collect(slices.Chunk(in, 333))...); !bytes.Equal(got, out) {
			t.Errorf("a keyword in %d bytes: pieces differ", c.apart)
		}
	}
}

// TestSweep: a rule that judges all keywords of what it took is asked once.
func TestSweep(t *testing.T) {
	shown := 0
	g := greedy{[]scan.Rule{{ID: "g", Keywords: []string{"key"}, Need: 1000, Sweep: true}}, &shown}
	in := bytes.Repeat([]byte("key."), 50_000)
	for _, size := range []int{len(in), 1000, 7} {
		shown = 0
		if got := pieces(t, flood(t, g), slices.Collect(slices.Chunk(in, size))...); !bytes.Equal(got, in) || shown != len(in) {
			t.Errorf("pieces of %d: %d of %d bytes were judged, the output has %d", size, shown, len(in), len(got))
		}
	}
}

// TestFrugalIsNotFlooded: a scanner that says how little it read is asked about
// every keyword.
func TestFrugalIsNotFlooded(t *testing.T) {
	shown := 0
	f := frugal{greedy{[]scan.Rule{{ID: "f", Keywords: []string{"key"}, Need: 1000}}, &shown}}
	in := bytes.Repeat([]byte("key."), 50_000)
	if got := pieces(t, flood(t, f), in); !bytes.Equal(got, in) || shown != len(in) {
		t.Errorf("%d of %d bytes were judged, the output has %d", shown, len(in), len(got))
	}
}

// TestFloodLeavesNothing: a token at the end of a flood, longer than what its
// scanner would see, is masked to its end.
func TestFloodLeavesNothing(t *testing.T) {
	shown := 0
	dashed := func(c byte) bool { return alnum(c) }
	for name, r := range map[string]scan.Rule{
		"swallowed": {ID: "g", Keywords: []string{"key"}, Need: 600, Max: 20_000, Swallow: dashed},
		"followed":  {ID: "g", Keywords: []string{"key"}, Need: 600, Max: 20_000, Follow: lines},
	} {
		set := flood(t, greedy{[]scan.Rule{r}, &shown})
		in := strings.Repeat("key.", 4000) + "key" + strings.Repeat("x", 5000) + ". and so on"
		if name == "followed" {
			in = strings.Repeat("key.", 4000) + "key" + strings.Repeat("=xxxxxx\n", 700) + ". and so on"
			in = in[:len(in)-len(". and so on")-700*8] + strings.Repeat("y", 597) + strings.Repeat("=xxxxxx\n", 700) + ". and so on"
		}
		want := pieces(t, set, []byte(in))
		if n := strings.Count(string(want), "x"); n != 0 || !strings.HasSuffix(string(want), "[REDACTED:g]. and so on") {
			t.Errorf("%s: %d bytes of the token are left: ...%q", name, n, want[max(0, len(want)-60):])
		}
		for _, size := range []int{1, 100, 4096} {
			if got := pieces(t, set, slices.Collect(slices.Chunk([]byte(in), size))...); !bytes.Equal(got, want) {
				t.Errorf("%s in pieces of %d: ...%q", name, size, got[max(0, len(got)-60):])
			}
		}
	}
}

// TestFloodEnds: a flood that the stream's end cuts is masked to that end, and
// reported without its bytes.
func TestFloodEnds(t *testing.T) {
	shown := 0
	set := flood(t, greedy{[]scan.Rule{{ID: "g", Keywords: []string{"key"}, Need: 1000}}, &shown})
	var out bytes.Buffer
	var got []Finding
	f := NewFilter(&out, set, func(d Finding) { got = append(got, d) })
	in := bytes.Repeat([]byte("key"), 1000)
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].End != int64(len(in)) || got[0].Label != Flooded || got[0].Value != nil {
		t.Errorf("findings %+v", got)
	}
	if want := strings.Repeat("key", 6) + "[REDACTED:g]"; out.String() != want {
		t.Errorf("%.60q, want %q", out.String(), want)
	}
}

// TestJoin: tokens within a token are one finding, as long as the last of them
// may reach, and are gone through once.
func TestJoin(t *testing.T) {
	swallowed := 0
	dashed := func(c byte) bool { swallowed++; return alnum(c) || c == '-' }
	s := &toy{}
	s.add(scan.Rule{ID: "sk", Keywords: []string{"sk-"}, Behind: 1, Need: 8, Max: 40, Swallow: dashed}, func(w []byte, at int, final bool) ([]scan.Span, bool) {
		i := at + 3
		for i < len(w) && dashed(w[i]) {
			i++
		}
		if at > 0 && alnum(w[at-1]) || i-at < 5 {
			return nil, i == len(w) && !final
		}
		return []scan.Span{{Start: at, End: i, Open: i == len(w) && !final}}, false
	})
	set := flood(t, s)
	for in, want := range map[string]string{
		"a sk-abcd-sk-efgh-x b":                                                      "a [REDACTED:sk] b",
		"sk-abcd" + strings.Repeat("-", 50) + ".":                                    "[REDACTED:sk]" + strings.Repeat("-", 17) + ".",
		"sk-ab" + strings.Repeat("-", 30) + "-sk-cd" + strings.Repeat("-", 50) + ".": "[REDACTED:sk]" + strings.Repeat("-", 15) + ".",
		"sk-ab" + strings.Repeat("-", 35) + "-sk-cd-.":                               "[REDACTED:sk]-[REDACTED:sk].",
		"sk-ab.sk-cd": "[REDACTED:sk].[REDACTED:sk]",
	} {
		if oracle := naive(set, []byte(in)); string(oracle) != want {
			t.Fatalf("the oracle says %q of %q", oracle, in)
		}
		anyhow(t, set, []byte(in), want)
	}
	s.rules[0].Max = scan.MaxWindow
	set = flood(t, s)
	in := bytes.Repeat([]byte("-sk-ab"), 10_000)
	swallowed = 0
	if got := pieces(t, set, in); string(got) != "-[REDACTED:sk]" || swallowed > 2*len(in) {
		t.Errorf("%d bytes were swallowed of %d: %.40q", swallowed, len(in), got)
	}
}
