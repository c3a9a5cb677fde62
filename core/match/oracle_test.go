package match

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is the specification: every occurrence of every needle in the stream,
// in the order of their ends, the longest first.
func naive(needles []Needle, stream []byte) []Hit {
	var hits []Hit
	for e := range len(stream) + 1 {
		for k, n := range needles {
			s := e - len(n.Bytes)
			if s < 0 || !bytes.Equal(stream[s:e], n.Bytes) {
				continue
			}
			if n.Word && (s > 0 && isAlnum(stream[s-1]) || e < len(stream) && isAlnum(stream[e])) {
				continue
			}
			hits = append(hits, Hit{s, e, k})
		}
	}
	return sorted(hits)
}

// naiveHold is the specification of what is held back at the end of a stream
// that goes on.
func naiveHold(needles []Needle, stream []byte) int {
	for i := range stream {
		for _, n := range needles {
			x := stream[i:]
			if n.Word {
				if (i == 0 || !isAlnum(stream[i-1])) && bytes.HasPrefix(n.Bytes, x) {
					return i
				}
			} else if len(x) < len(n.Bytes) && bytes.HasPrefix(n.Bytes, x) {
				return i
			}
		}
	}
	return len(stream)
}

func isAlnum(b byte) bool {
	return bytes.IndexByte([]byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), b) >= 0
}

func sorted(hits []Hit) []Hit {
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Needle, b.Needle))
	})
	return slices.Compact(hits)
}

// longestPerEnd keeps the first of the longest hits at each end, words and
// others apart: that is what a set promises that was not compiled with every.
func longestPerEnd(needles []Needle, hits []Hit) []Hit {
	best := map[int]Hit{}
	for _, h := range hits {
		if o, ok := best[h.End]; !ok || h.Start < o.Start || h.Start == o.Start && h.Needle < o.Needle {
			best[h.End] = h
		}
	}
	return sorted(slices.Collect(maps.Values(best)))
}

// firstOfEqual maps each needle to the first one that equals it.
func firstOfEqual(needles []Needle, hits []Hit) []Hit {
	for i, h := range hits {
		for k, n := range needles[:h.Needle] {
			if n.Word == needles[h.Needle].Word && bytes.Equal(n.Bytes, needles[h.Needle].Bytes) {
				hits[i].Needle = k
				break
			}
		}
	}
	return hits
}

// feed runs the set over the stream cut at the given offsets, holding back what
// the set says, and returns the hits in offsets of the stream.
func feed(t testing.TB, s *Set, needles []Needle, stream []byte, cuts []int) []Hit {
	var hits []Hit
	base, fed := 0, 0
	for n, cut := range append(slices.Clone(cuts), len(stream), len(stream)) {
		b := Block{Bytes: stream[base:cut:cut], From: fed - base, Prev: -1, Final: n == len(cuts)+1}
		if base > 0 {
			b.Prev = int(stream[base-1])
		}
		for _, h := range s.Find(new(Scratch), b) {
			if h.End < b.From {
				t.Fatalf("hit %v ends before %d", h, b.From)
			}
			hits = append(hits, Hit{base + h.Start, base + h.End, h.Needle})
		}
		hold := base + s.Hold(b)
		want := len(stream)
		if !b.Final {
			want = naiveHold(needles, stream[:cut])
		}
		if hold != want {
			t.Fatalf("cut at %d of %q: held from %d, want %d", cut, stream, hold, want)
		}
		base, fed = hold, cut
	}
	return sorted(hits)
}

// check compares the set with the specification under the given cuts.
func check(t testing.TB, needles []Needle, stream []byte, cuts ...[]int) {
	t.Helper()
	want := firstOfEqual(needles, naive(needles, stream))
	for _, every := range []bool{false, true} {
		s, err := Compile(needles, every)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cuts {
			got, want := feed(t, s, needles, stream, c), slices.Clone(want)
			if !every {
				got, want = longestPerEnd(needles, got), longestPerEnd(needles, want)
			}
			if !slices.Equal(got, sorted(want)) {
				t.Fatalf("every %v, cuts %v, stream %q, needles %v\n got %v\nwant %v", every, c, stream, show(needles), got, want)
			}
		}
	}
}

func show(needles []Needle) []string {
	var all []string
	for _, n := range needles {
		all = append(all, fmt.Sprintf("%q word=%v", n.Bytes, n.Word))
	}
	return all
}

// needlesOf makes needles of strings; those that begin with ^ are words.
func needlesOf(all ...string) []Needle {
	var n []Needle
	for _, s := range all {
		if len(s) > 0 && s[0] == '^' {
			n = append(n, Needle{[]byte(s[1:]), true})
		} else {
			n = append(n, Needle{[]byte(s), false})
		}
	}
	return n
}

// everyCut is each single cut, byte by byte, and no cut.
func everyCut(n int) [][]int {
	all := [][]int{nil}
	var each []int
	for i := range n + 1 {
		all = append(all, []int{i})
		each = append(each, i)
	}
	return append(all, each)
}

// someCuts is every cut, or in short mode no cut and byte by byte.
func someCuts(n int) [][]int {
	all := everyCut(n)
	if testing.Short() {
		all = [][]int{nil, all[len(all)-1]}
	}
	return all
}

func randomCuts(r *rand.Rand, n int) []int {
	c := make([]int, r.IntN(6))
	for i := range c {
		c[i] = r.IntN(n + 1)
	}
	slices.Sort(c)
	return c
}
