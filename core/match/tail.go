package match

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// tails answers "which needles end here?". The needles lie in one slice, ordered
// by their bytes read backwards, so that those with a common ending are
// neighbours.
type tails struct {
	text []byte
	at   []uint32 // needle k is text[at[k]:at[k+1]]
	id   []int32  // of needle k, as given to Compile
	up   []int32  // the longest other needle that needle k ends with, or -1
	upto []uint32 // the end of the family that needle k begins
	max  int
}

func newTails(needles []Needle, ids []int32) tails {
	order := arrange(ids, func(i int32) uint64 { return lastWord(needles[i].Bytes) }, func(a, b int32) int {
		return cmp.Or(compareBackwards(needles[a].Bytes, needles[b].Bytes), cmp.Compare(a, b))
	})
	order = slices.CompactFunc(order, func(a, b keyed) bool {
		return a.key == b.key && bytes.Equal(needles[a.id].Bytes, needles[b.id].Bytes)
	})
	ids = make([]int32, len(order))
	for k, o := range order {
		ids[k] = o.id
	}
	total := 0
	for _, i := range ids {
		total += len(needles[i].Bytes)
	}
	t := tails{id: ids, text: make([]byte, 0, total), at: make([]uint32, 1, len(ids)+1), up: make([]int32, len(ids)), upto: make([]uint32, len(ids))}
	for k, i := range ids {
		b := needles[i].Bytes
		t.text = append(t.text, b...)
		t.at = append(t.at, uint32(len(t.text)))
		t.max = max(t.max, len(b))
		up := int32(k) - 1
		for up >= 0 && !bytes.HasSuffix(b, t.needle(int(up))) {
			up = t.up[up]
		}
		t.up[k] = up
	}
	for lo := 0; lo < len(ids); {
		hi := t.family(lo)
		t.upto[lo] = uint32(hi)
		lo = hi
	}
	return t
}

// keyed is the number of a needle and 8 bytes of it that decide most comparisons.
type keyed struct {
	key uint64
	id  int32
}

// arrange returns the ids in the order of their keys; of equal keys less decides.
func arrange(ids []int32, key func(int32) uint64, less func(a, b int32) int) []keyed {
	all := make([]keyed, len(ids))
	for i, id := range ids {
		all[i] = keyed{key(id), id}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return less(a.id, b.id)
	})
	return all
}

// family returns the end of the range of needles that share their last 8 bytes
// with needle lo. A needle of fewer bytes is a family of its own.
func (t *tails) family(lo int) int {
	n := t.needle(lo)
	hi := lo + 1
	if len(n) < 8 {
		return hi
	}
	for hi < len(t.id) && bytes.HasSuffix(t.needle(hi), n[len(n)-8:]) {
		hi++
	}
	return hi
}

func (t *tails) needle(k int) []byte { return t.text[t.at[k]:t.at[k+1]] }

// longest returns the longest needle of the family lo that p ends with, or -1.
// The last 8 bytes of p are those of the family. It adds to work the bytes that
// it compared.
func (t *tails) longest(p []byte, lo int, work *int) int {
	hi := int(t.upto[lo])
	if hi-lo == 1 {
		*work += int(t.at[hi] - t.at[lo])
		if bytes.HasSuffix(p, t.needle(lo)) {
			return lo
		}
		return -1
	}
	// 1. The last needle that is not behind p in the order: each needle that p
	// ends with is that one or one of those that it ends with. What p has in
	// common with the needles on both sides it has with those between: it need not
	// be compared again.
	first := lo
	below, above := 8, 8
	for lo < hi {
		k := int(uint(lo+hi) >> 1)
		n := t.needle(k)
		common := min(below, above)
		*work += 16 - common
		common += commonSuffix(n[:len(n)-common], p[:max(0, len(p)-common)])
		*work += common
		if common == len(n) || common < len(p) && n[len(n)-1-common] < p[len(p)-1-common] {
			lo, below = k+1, common
		} else {
			hi, above = k, common
		}
	}
	// 2. Up its chain, past those that reach beyond what p has in common with it.
	k := lo - 1
	if k < first {
		return -1
	}
	for k >= first && int(t.at[k+1]-t.at[k]) > below {
		k = int(t.up[k])
	}
	if k < first {
		return -1
	}
	return k
}

// compareBackwards compares a and b by their bytes read from the end.
func compareBackwards(a, b []byte) int {
	for len(a) >= 8 && len(b) >= 8 {
		x, y := binary.LittleEndian.Uint64(a[len(a)-8:]), binary.LittleEndian.Uint64(b[len(b)-8:])
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
		a, b = a[:len(a)-8], b[:len(b)-8]
	}
	for len(a) > 0 && len(b) > 0 {
		x, y := a[len(a)-1], b[len(b)-1]
		if x != y {
			return int(x) - int(y)
		}
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) - len(b)
}

// commonSuffix returns how many bytes a and b have in common at their ends.
func commonSuffix(a, b []byte) int {
	n := 0
	for len(a)-n >= 8 && len(b)-n >= 8 && binary.LittleEndian.Uint64(a[len(a)-n-8:]) == binary.LittleEndian.Uint64(b[len(b)-n-8:]) {
		n += 8
	}
	for len(a) > n && len(b) > n && a[len(a)-n-1] == b[len(b)-n-1] {
		n++
	}
	return n
}

// lastWord returns the last 8 bytes of p as one word, the last byte on top.
// Bytes that p does not have are zero. Words compare as the bytes do backwards.
func lastWord(p []byte) uint64 {
	if len(p) >= 8 {
		return binary.LittleEndian.Uint64(p[len(p)-8:])
	}
	var w uint64
	for i, c := range p {
		w |= uint64(c) << (8 * (8 - len(p) + i))
	}
	return w
}

// firstWord returns the first 8 bytes of p as one word, the first byte on top.
// Words compare as the bytes do.
func firstWord(p []byte) uint64 {
	var w [8]byte
	copy(w[:], p)
	return binary.BigEndian.Uint64(w[:])
}

func (t *tails) size() int { return len(t.text) + 4*(len(t.at)+len(t.id)+len(t.up)+len(t.upto)) }
