package match

import (
	"slices"
	"testing"
)

// split takes the needles, the cuts and the stream from fuzz data: lengths
// first, so that mutations keep their shape.
func split(data []byte) (needles []Needle, cuts []int, stream []byte) {
	take := func(n int) []byte {
		n = min(n, len(data))
		p := data[:n]
		data = data[n:]
		return p
	}
	one := func() int {
		if p := take(1); len(p) == 1 {
			return int(p[0])
		}
		return 0
	}
	for range one()%12 + 1 {
		n := one()
		if p := take(MinLen + n>>1%48); len(p) >= MinLen {
			needles = append(needles, Needle{p, n&1 != 0})
		}
	}
	ncuts := one() % 6
	raw := take(ncuts)
	stream = data[:min(len(data), 500)]
	for _, c := range raw {
		cuts = append(cuts, int(c)*(len(stream)+1)/256)
	}
	slices.Sort(cuts)
	return needles, cuts, stream
}

func seeds(f *testing.F) {
	for _, c := range cases {
		data := []byte{byte(len(c.needles) - 1)}
		for _, n := range c.needles {
			data = append(append(data, byte(len(n.Bytes)-MinLen)<<1), n.Bytes...)
		}
		data = append(data, 3, 40, 100, 200)
		f.Add(append(data, c.stream...))
	}
}

// FuzzMatch compares a set with the naive search over cut streams, and what is
// held back with the naive hold.
func FuzzMatch(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		needles, cuts, stream := split(data)
		check(t, needles, stream, nil, cuts)
	})
}

// FuzzRuns does the same for texts and their windows.
func FuzzRuns(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		needles, cuts, stream := split(data)
		var texts []Text
		for i, n := range needles {
			x := textOf(string(n.Bytes), MinWindow+i%5)
			for k := range x.At {
				x.At[k] = !n.Word || k%3 > 0
			}
			texts = append(texts, x)
		}
		checkRuns(t, texts, stream, nil, cuts)
	})
}
