package match

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// cover is what runs come to: for each byte of the stream whether it is masked,
// and for each first byte of a run the text that is named.
type cover struct {
	masked []bool
	named  []int
}

func newCover(n int) cover {
	c := cover{make([]bool, n), make([]int, n)}
	for i := range c.named {
		c.named[i] = -1
	}
	return c
}

func (c cover) add(start, end, text int) {
	for i := start; i < end; i++ {
		c.masked[i] = true
	}
	if c.named[start] < 0 || text < c.named[start] {
		c.named[start] = text
	}
}

// only keeps the names of bytes that begin a masked range.
func (c cover) only() cover {
	for i := range c.named {
		if !c.masked[i] || i > 0 && c.masked[i-1] {
			c.named[i] = -1
		}
	}
	return c
}

func naiveRuns(texts []Text, stream []byte) cover {
	c := newCover(len(stream))
	for id, t := range texts {
		for k, is := range t.At {
			for i := 0; is && i+t.Window <= len(stream); i++ {
				if bytes.Equal(stream[i:i+t.Window], t.Bytes[k:k+t.Window]) {
					c.add(i, i+t.Window, id)
				}
			}
		}
	}
	return c.only()
}

func naiveRunsHold(texts []Text, stream []byte) int {
	for i := range stream {
		for _, t := range texts {
			for k, is := range t.At {
				if is && len(stream)-i < t.Window && bytes.HasPrefix(t.Bytes[k:], stream[i:]) {
					return i
				}
			}
		}
	}
	return len(stream)
}

func checkRuns(t testing.TB, texts []Text, stream []byte, cuts ...[]int) {
	t.Helper()
	r, err := CompileRuns(texts)
	if err != nil {
		t.Fatal(err)
	}
	want := naiveRuns(texts, stream)
	for _, c := range cuts {
		got := newCover(len(stream))
		base, fed := 0, 0
		for n, cut := range append(slices.Clone(c), len(stream), len(stream)) {
			b := Block{Bytes: stream[base:cut:cut], From: fed - base, Prev: -1, Final: n == len(c)+1}
			for _, h := range r.Find(new(Scratch), b) {
				got.add(base+h.Start, base+h.End, h.Needle)
			}
			hold, wantHold := base+r.Hold(b), len(stream)
			if !b.Final {
				wantHold = naiveRunsHold(texts, stream[:cut])
			}
			if hold != wantHold {
				t.Fatalf("cut at %d of %q: held from %d, want %d; texts %v", cut, stream, hold, wantHold, texts)
			}
			base, fed = hold, cut
		}
		got = got.only()
		if !slices.Equal(got.masked, want.masked) || !slices.Equal(got.named, want.named) {
			t.Fatalf("cuts %v, stream %q, texts %v\n got %v %v\nwant %v %v", c, stream, texts, got.masked, got.named, want.masked, want.named)
		}
	}
}

// textOf makes a text of which all windows count, but those where skip says.
func textOf(s string, window int, skip ...int) Text {
	t := Text{Bytes: []byte(s), Window: window}
	for i := range max(0, len(s)-window+1) {
		t.At = append(t.At, !slices.Contains(skip, i))
	}
	return t
}

func TestRuns(t *testing.T) {
	long := "Tr0ub4dor&3-correct-horse-battery-staple"
	for _, c := range []struct {
		name   string
		texts  []Text
		stream string
	}{
		{"none", nil, "nothing to find"},
		{"whole", []Text{textOf(long, 12)}, "x " + long + " y"},
		{"halves", []Text{textOf(long, 12)}, long[:20] + "\n" + long[20:] + "\n" + long[5:16]},
		{"some windows do not count", []Text{textOf(long, 12, 3, 4, 5, 6, 20)}, long[3:18] + "|" + long[20:32] + "|" + long[19:40] + "|" + long},
		{"run split by windows that do not count", []Text{textOf(long, 8, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}, long},
		{"the first of equal texts is named", []Text{textOf(long[:20], 12), textOf(long, 12)}, long[4:18] + "|" + long},
		{"windows of two lengths", []Text{textOf(long, 24), textOf(strings.ToUpper(long), 9)}, long[:23] + "|" + long[2:26] + "|" + strings.ToUpper(long[:9])},
		{"periodic", []Text{textOf(strings.Repeat("ab", 20), 12), textOf(strings.Repeat("a", 15), 12)}, strings.Repeat("a", 14) + strings.Repeat("ba", 14) + strings.Repeat("a", 30)},
		{"too short", []Text{textOf("short", 12)}, "short short short"},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkRuns(t, c.texts, []byte(c.stream), someCuts(len(c.stream))...)
		})
	}
}

func TestHostileRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, needles := range families(r) {
		t.Run(name, func(t *testing.T) {
			var texts []Text
			for i, n := range needles {
				x := textOf(string(n.Bytes), 8+i%9)
				for k := range x.At {
					x.At[k] = r.IntN(4) > 0
				}
				texts = append(texts, x)
			}
			rounds := 6
			if testing.Short() {
				rounds = 1
			}
			for range rounds {
				stream := hostile(r, needles, 400)
				checkRuns(t, texts, stream, nil, randomCuts(r, len(stream)), randomCuts(r, len(stream)))
			}
		})
	}
}
