package leaktest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/redact"
)

func compile(t *testing.T, needles []redact.Needle, o redact.Options) *redact.Set {
	t.Helper()
	set, err := redact.Compile(needles, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestLeaks prints every shape whole, byte by byte and, the shorter ones, cut
// in two at every place: what must be masked is masked, nothing else is, and the
// cuts change nothing.
func TestLeaks(t *testing.T) {
	c := canaries()
	set := compile(t, c.Needles(), redact.Options{})
	shapes := Shapes()
	if len(shapes) < 70 {
		t.Errorf("%d shapes, want at least 70", len(shapes))
	}
	names := map[string]bool{}
	for _, s := range shapes {
		if names[s.Name] || s.Name == "" {
			t.Errorf("two shapes are called %q", s.Name)
		}
		names[s.Name] = true
		text := Parse(s.Print(c))
		whole, err := Masked(set, text.Text)
		if err != nil {
			t.Fatal(err)
		}
		if left, extra := text.Compare(whole); left > 0 || extra > 0 {
			t.Errorf("%s (%s): %d bytes left, %d too many: %.600q", s.Name, s.Lane, left, extra, text.show(whole))
			continue
		}
		for _, cuts := range cuttings(len(text.Text)) {
			got, err := Masked(set, text.Text, cuts...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, whole) {
				t.Errorf("%s, cut at %d: masked otherwise: %.600q", s.Name, cuts, text.show(got))
				break
			}
		}
	}
}

// cuttings returns ways to cut n bytes: into single bytes, and in two at every
// place of a short text and at every seventh of a long one.
func cuttings(n int) [][]int {
	all := [][]int{{}}
	for i := 1; i < n; i++ {
		all[0] = append(all[0], i)
	}
	step := 1
	if n > 200 {
		step = 7
	}
	for i := 1; i < n; i += step {
		all = append(all, []int{i})
	}
	return all
}

// TestLeakLanes runs each shape with no lanes but those that the table names.
func TestLeakLanes(t *testing.T) {
	c := canaries()
	for _, s := range Shapes() {
		set := compile(t, c.Needles(), redact.Options{Lanes: s.Lane})
		text := Parse(s.Print(c))
		masked, err := Masked(set, text.Text)
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := text.Compare(masked); left > 0 {
			t.Errorf("%s: the lane %s leaves %d bytes: %.600q", s.Name, s.Lane, left, text.show(masked))
		}
	}
}

// TestLeakOutput: what a reader gets of a shape holds no run of eight bytes of
// a canary, and no byte is lost but those that were masked.
func TestLeakOutput(t *testing.T) {
	c := canaries()
	set := compile(t, c.Needles(), redact.Options{})
	for _, s := range Shapes() {
		text := Parse(s.Print(c))
		masked, err := Masked(set, text.Text)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		w := redact.NewWriter(&out, set, nil)
		w.Write(text.Text)
		w.Close()
		if got, want := stripMarkers(out.String()), string(unmasked(text.Text, masked)); got != want {
			t.Errorf("%s: passed on %q, want %q", s.Name, got, want)
		}
		for _, v := range []string{c.Token, c.Password, c.password()} {
			for i := 0; i+8 <= len(v); i++ {
				if strings.Contains(out.String(), v[i:i+8]) {
					t.Errorf("%s: %q in the output", s.Name, v[i:i+8])
				}
			}
		}
	}
}

func stripMarkers(s string) string {
	for _, n := range canaries().Needles() {
		s = strings.ReplaceAll(s, "[REDACTED:"+n.Name+"]", "")
	}
	return s
}

func unmasked(text []byte, masked []bool) []byte {
	var out []byte
	for i, c := range text {
		if !masked[i] {
			out = append(out, c)
		}
	}
	return out
}

// TestLeakSeeds runs the table with other canaries, in which chance puts other
// characters side by side.
func TestLeakSeeds(t *testing.T) {
	seeds := 15
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		c := NewCanaries(rand.New(rand.NewPCG(uint64(seed), 99)))
		results, err := Run(c, redact.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if !r.Caught {
				t.Errorf("seed %d, %s: %d bytes left", seed, r.Shape, r.Left)
			}
		}
	}
}

// TestReport: the table says which shapes leak when lanes are off.
func TestReport(t *testing.T) {
	results, err := Run(canaries(), redact.Options{Lanes: redact.Exact})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	missed, err := Report(&b, results)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Lane == redact.Exact && !r.Caught {
			t.Errorf("%s: %d bytes left", r.Shape, r.Left)
		}
	}
	if missed < 60 || strings.Count(b.String(), "LEAKED") != missed || strings.Count(b.String(), "\n") != len(results)+1 {
		t.Errorf("%d missed with the exact lane only:\n%s", missed, b.String())
	}
}
