package match

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkGrowing adds the needles at places of the stream, each known from the
// bytes on that were held back when it came, and compares hits and what is held
// with the specification for the needles known at each cut. Equal needles count
// as the first of them.
func checkGrowing(t testing.TB, needles []Needle, stream []byte, cuts []int) {
	t.Helper()
	var g Growing
	var known []Needle
	var c Scratch
	base, fed := 0, 0
	for n, cut := range append(slices.Clone(cuts), len(stream), len(stream)) {
		final := n == len(cuts)+1
		// 1. More needles, the rest of them before the last cut.
		upto := min(len(needles), len(needles)*(n+1)/(len(cuts)+1))
		var more [][]byte
		for _, n := range needles[len(known):upto] {
			more = append(more, n.Bytes)
		}
		if err := g.Add(more); err != nil {
			t.Fatal(err)
		}
		known = needles[:upto]
		fed = min(fed, base) // what is held is searched again
		// 2. The hits of the block are those that end in it.
		b := Block{Bytes: stream[base:cut:cut], From: fed - base, Prev: -1, Final: final}
		var got []Hit
		for _, h := range g.Find(&c, b) {
			got = append(got, Hit{base + h.Start, base + h.End, h.Needle})
		}
		var want []Hit
		for _, h := range naive(known, stream[:cut]) {
			if h.Start >= base && h.End > fed {
				want = append(want, h)
			}
		}
		got, want = sorted(firstOfEqual(known, got)), sorted(firstOfEqual(known, want))
		if !slices.Equal(got, want) {
			t.Fatalf("at %d of %q, needles %v\n got %v\nwant %v", cut, stream, show(known), got, want)
		}
		// 3. What is held is what may become a hit.
		hold := base + g.Hold(b)
		wantHold := len(stream[:cut])
		if !final {
			wantHold = base + naiveHold(known, stream[base:cut])
		}
		if hold != wantHold {
			t.Fatalf("at %d of %q, needles %v: held from %d, want %d", cut, stream, show(known), hold, wantHold)
		}
		base, fed = hold, cut
	}
}

func plainNeedles(needles []Needle) (all []Needle) {
	for _, n := range needles {
		if len(n.Bytes) >= MinGrowing {
			all = append(all, Needle{Bytes: n.Bytes})
		}
	}
	return all
}

func TestGrowingCases(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, cut := range someCuts(len(c.stream)) {
				checkGrowing(t, plainNeedles(c.needles), []byte(c.stream), cut)
			}
		})
	}
}

func TestGrowingHostileSets(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for name, needles := range families(r) {
		t.Run(name, func(t *testing.T) {
			needles := plainNeedles(needles)
			if len(needles) == 0 {
				t.Skip("all of them are short: that is another set's")
			}
			for range 3 {
				stream := hostile(r, needles, 400)
				checkGrowing(t, needles, stream, randomCuts(r, len(stream)))
				checkGrowing(t, needles, stream, randomCuts(r, len(stream)))
			}
		})
	}
}

// TestGrowingFar grows through several sizes, with needles that are easy, alike
// and long.
func TestGrowingFar(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	base := make([]byte, 700)
	for i := range base {
		base[i] = "0123456789abcdef"[r.IntN(16)]
	}
	var g Growing
	var all []Needle
	for i := range 700 {
		n := make([]byte, 8+r.IntN(40))
		for k := range n {
			n[k] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[r.IntN(26)]
		}
		switch i % 9 {
		case 0: // alike
			n = append(bytes.Clone(base[:30]), n...)
			n = append(n, base[40:80]...)
		case 1: // with an end in common
			n = append(n, base[:60]...)
		case 2: // long
			if i < 50 {
				n = append(bytes.Clone(base), n...)
			}
		}
		all = append(all, Needle{Bytes: n})
		if err := g.Add([][]byte{n}); err != nil {
			t.Fatal(err)
		}
	}
	stream := hostile(r, all, 2500)
	want := naive(all, stream)
	if got := sorted(slices.Clone(g.Find(new(Scratch), Block{Bytes: stream, Prev: -1}))); !slices.Equal(got, want) {
		t.Fatalf("%d needles: %d hits, want %d", g.Len(), len(got), len(want))
	}
	if len(g.hard) == 0 || len(g.hard) > 12 {
		t.Errorf("%d sets of hard needles", len(g.hard))
	}
	for cut := range stream[:300] {
		if got, want := g.Hold(Block{Bytes: stream[:cut], Prev: -1}), naiveHold(all, stream[:cut]); got != want {
			t.Fatalf("held from %d, want %d", got, want)
		}
	}
}

func TestGrowingRefuses(t *testing.T) {
	var g Growing
	if err := g.Add([][]byte{[]byte("long enough"), []byte("seven-7")}); !errors.Is(err, ErrNeedle) || g.Len() != 0 {
		t.Errorf("seven bytes: %v, %d needles", err, g.Len())
	}
	if err := g.Add([][]byte{make([]byte, growingSize+1)}); !errors.Is(err, ErrSize) || g.Len() != 0 {
		t.Errorf("too long: %v, %d needles", err, g.Len())
	}
	many := make([][]byte, MaxGrowing+1)
	for i := range many {
		many[i] = []byte("the same again")
	}
	if err := g.Add(many); !errors.Is(err, ErrSize) {
		t.Errorf("too many: %v", err)
	}
	if got := g.Find(new(Scratch), Block{Bytes: []byte("long enough"), Prev: -1}); len(got) != 0 {
		t.Errorf("found what was refused: %v", got)
	}
}

// FuzzGrowing compares with the naive search, needles coming as the stream goes on.
func FuzzGrowing(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		needles, cuts, stream := split(data)
		checkGrowing(t, plainNeedles(needles), stream, cuts)
	})
}
