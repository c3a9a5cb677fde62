package match

import (
	"bytes"
	"math/bits"
)

// A pool is a hash table of whole needles. It is for those that share their
// grams with more needles than the filter tells apart and than fit a crowd: many
// variants of one long value. A gram then says only how long the needle would be
// and where it would end; whether it is one, the hash of those bytes tells.
type pool struct {
	slots []int32 // number of a needle, plus one
	shift uint
}

// inPool, as the drop of an entry, says that its needles are in the pool and
// that its last is their length.
const inPool = 0xff

func newPool(t *tails, members []int) *pool {
	size := bits.Len(uint(2 * len(members)))
	p := &pool{make([]int32, 1<<size), uint(64 - size)}
	for _, k := range members {
		i := p.slot(t.needle(k))
		for p.slots[i] != 0 {
			i = (i + 1) % len(p.slots)
		}
		p.slots[i] = int32(k) + 1
	}
	return p
}

// slot is where the search for a needle begins.
func (p *pool) slot(n []byte) int {
	h := uint64(len(n))
	for ; len(n) > 8; n = n[8:] {
		h = bits.RotateLeft64(h^word(n, 0), 29) * multiplier
	}
	h = (h ^ lastWord(n)) * multiplier
	return int((h ^ h>>32) * multiplier >> p.shift)
}

// find returns the needle that equals n, or -1.
func (p *pool) find(t *tails, n []byte) int {
	for i := p.slot(n); p.slots[i] != 0; i = (i + 1) % len(p.slots) {
		if k := int(p.slots[i]) - 1; bytes.Equal(t.needle(k), n) {
			return k
		}
	}
	return -1
}

// callPool makes the grams of needle k's window ask the pool.
func (t *tier) callPool(k int) {
	n := t.needle(k)
	ahead := t.window(k)
	for i := range t.stride {
		h := t.hash(n, len(n)-ahead+i)
		t.add(h, entry{last: uint64(len(n)), tag: tag(h), ahead: uint16(ahead - i), drop: inPool}, 1<<30)
		t.set(h)
	}
}
