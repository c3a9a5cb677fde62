package match

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkFinder compares one pass for needles and texts with the specification of
// each.
func checkFinder(t testing.TB, needles []Needle, texts []Text, stream []byte, cuts ...[]int) {
	t.Helper()
	f, err := NewFinder(needles, true, texts)
	if err != nil {
		t.Fatal(err)
	}
	wantRuns := naiveRuns(texts, stream)
	wantHits := firstOfEqual(needles, naive(needles, stream))
	for _, c := range cuts {
		var hits []Hit
		runs := newCover(len(stream))
		base, fed := 0, 0
		for n, cut := range append(slices.Clone(c), len(stream), len(stream)) {
			b := Block{Bytes: stream[base:cut:cut], From: fed - base, Prev: -1, Final: n == len(c)+1}
			if base > 0 {
				b.Prev = int(stream[base-1])
			}
			whole, pieces := f.Find(new(Scratch), b)
			for _, h := range whole {
				hits = append(hits, Hit{base + h.Start, base + h.End, h.Needle})
			}
			for _, h := range pieces {
				runs.add(base+h.Start, base+h.End, h.Needle)
			}
			hold, want := base+f.Hold(b), len(stream)
			if !b.Final {
				want = min(naiveHold(needles, stream[:cut]), naiveRunsHold(texts, stream[:cut]))
			}
			if hold != want {
				t.Fatalf("cut at %d of %q: held from %d, want %d", cut, stream, hold, want)
			}
			base, fed = hold, cut
		}
		if got := sorted(hits); !slices.Equal(got, sorted(slices.Clone(wantHits))) {
			t.Fatalf("cuts %v, stream %q, needles %v\n got %v\nwant %v", c, stream, show(needles), got, wantHits)
		}
		if got := runs.only(); !slices.Equal(got.masked, wantRuns.masked) || !slices.Equal(got.named, wantRuns.named) {
			t.Fatalf("cuts %v, stream %q: runs differ", c, stream)
		}
	}
}

func TestFinder(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	for name, needles := range families(r) {
		t.Run(name, func(t *testing.T) {
			for round := range 6 {
				var texts []Text
				for i, n := range needles {
					if i%3 > 0 {
						texts = append(texts, textOf(string(n.Bytes), 8+(i+4*round)%9))
					}
				}
				stream := hostile(r, needles, 400)
				checkFinder(t, needles, texts, stream, nil, randomCuts(r, len(stream)))
			}
		})
	}
}

// TestFinderJoins holds that long needles and texts do share a pass, that short
// ones and words do not, and that either part may be missing.
func TestFinderJoins(t *testing.T) {
	long, short := needlesOf("Tr0ub4dor&3-correct-horse"), needlesOf("Tr0ub4do", "^1234")
	texts := []Text{textOf("Tr0ub4dor&3-correct-horse", 12)}
	for _, c := range []struct {
		needles []Needle
		texts   []Text
		joins   bool
	}{{long, texts, true}, {append(short, long...), texts, true}, {short, texts, false}, {long, nil, false}, {nil, texts, false}} {
		f, err := NewFinder(c.needles, true, c.texts)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.joint != nil; got != c.joins {
			t.Errorf("%d needles and %d texts: one pass %v, want %v", len(c.needles), len(c.texts), got, c.joins)
		}
		stream := []byte("x1234 Tr0ub4dor&3-correct-horse 1234 dor&3-correct")
		checkFinder(t, c.needles, c.texts, stream, everyCut(len(stream))...)
	}
	if f, err := NewFinder(nil, true, nil); f != nil || err != nil {
		t.Errorf("nothing to find: %v, %v", f, err)
	}
	var none *Finder
	if hits, runs := none.Find(new(Scratch), Block{Bytes: []byte("text")}); hits != nil || runs != nil || none.Hold(Block{Bytes: []byte("text")}) != 4 || none.Size() != 0 {
		t.Error("a nil finder finds something")
	}
}

// TestApart: what goes wrong on the other goroutine goes wrong here.
func TestApart(t *testing.T) {
	wrong := errors.New("wrong")
	if err := apart(func() error { return wrong })(); err != wrong {
		t.Errorf("error: %v", err)
	}
	if err := apart(func() error { return nil })(); err != nil {
		t.Errorf("none: %v", err)
	}
	defer func() {
		if bug := recover(); bug != "a bug" {
			t.Errorf("recovered %v", bug)
		}
	}()
	apart(func() error { panic("a bug") })()
	t.Error("the panic was lost")
}

// TestAttackBrokenText: an array of windows that ends before it says does not end the program.
func TestAttackBrokenText(t *testing.T) {
	for _, x := range []Text{
		{Bytes: []byte("0123456789abcdef"), Window: 8, At: make([]bool, 10)},
		{Bytes: []byte("0123456789abcdef"), Window: 0, At: make([]bool, 1)},
		{Bytes: nil, Window: 8, At: make([]bool, 1)},
		{Bytes: []byte("0123456789abcdef"), Window: MaxWindow + 1},
	} {
		if f, err := NewFinder([]Needle{{Bytes: []byte("a needle of text")}}, true, []Text{x}); !errors.Is(err, ErrNeedle) || f != nil {
			t.Errorf("%d bytes, windows of %d at %d: %v, %v", len(x.Bytes), x.Window, len(x.At), f, err)
		}
	}
}
