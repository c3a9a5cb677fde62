package match

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

func word(p []byte, i int) uint64 { return binary.LittleEndian.Uint64(p[i:]) }

// windows is a hash set of windows, while texts are laid.
type windows struct {
	slots []slot
	shift uint
}

type slot struct {
	at   uint32 // position in the text, plus one
	hash uint16
	n    uint16 // length of the window
}

// newWindows makes room for n windows: a quarter to two thirds of the slots stay empty.
func newWindows(n int) windows {
	size := bits.Len(uint(n) + uint(n)/3)
	return windows{make([]slot, 1<<size), uint(64 - size)}
}

// add reports whether the window is new. Its hash is that of its ends and its
// middle.
func (w *windows) add(text []byte, at, n int) bool {
	h := (uint64(n) ^ word(text, at)) * multiplier
	h = (bits.RotateLeft64(h, 29) ^ word(text, at+n/2-4)) * multiplier
	h = (bits.RotateLeft64(h, 29) ^ word(text, at+n-8)) * multiplier
	h = (h ^ h>>32) * multiplier
	for i := h >> w.shift; ; i = (i + 1) & uint64(len(w.slots)-1) {
		s := &w.slots[i]
		if s.at == 0 {
			*s = slot{uint32(at) + 1, uint16(h), uint16(n)}
			return true
		}
		if a := int(s.at) - 1; s.hash == uint16(h) && int(s.n) == n && bytes.Equal(text[a:a+n], text[at:at+n]) {
			return false
		}
	}
}

// beginnings answers "may the end of this block still become a window?".
type beginnings struct {
	inner [4]uint64 // bytes that stand in a window, its last byte aside
	pairs []uint64  // two such bytes in a row
	quads bitset    // four, hashed
	ones  [4]uint64 // first bytes of windows
	twos  []uint64  // first two bytes
	heads []bitset  // first 3 bytes and so on, hashed; whole grams are in the sieve
	max   int       // the longest window
}

func newBeginnings(r *Runs) beginnings {
	b := beginnings{pairs: make([]uint64, 1<<10), twos: make([]uint64, 1<<10), quads: newBitset(8 * len(r.text))}
	n := count(r.starts)
	b.heads = make([]bitset, r.gram)
	for k := 3; k < len(b.heads); k++ {
		b.heads[k] = newBitset(8 * n)
	}
	for _, x := range r.texts {
		until := 0
		for k := x.start; k < x.end; k++ {
			if r.starts[k] {
				b.begin(r.text[k:])
				until = k + x.window - 1
				b.max = max(b.max, x.window)
			}
			if k < until {
				b.enter(r.text[k:until])
			}
		}
	}
	return b
}

// begin enters the first bytes of a window.
func (b *beginnings) begin(p []byte) {
	b.ones[p[0]>>6] |= 1 << (p[0] & 63)
	set16(b.twos, p)
	for k := 3; k < len(b.heads); k++ {
		b.heads[k].set(fold(p, k))
	}
}

// enter enters bytes that stand in a window.
func (b *beginnings) enter(p []byte) {
	b.inner[p[0]>>6] |= 1 << (p[0] & 63)
	if len(p) >= 2 {
		set16(b.pairs, p)
	}
	if len(p) >= 4 {
		b.quads.set(four(p))
	}
}

// fold makes a word of the first k bytes of p, 3 to 5.
func fold(p []byte, k int) uint32 {
	v := uint32(k)
	for _, c := range p[:k] {
		v = v*0x01000193 + uint32(c)
	}
	return v
}

// find returns the first i such that a window begins with s[i:].
func (b *beginnings) find(r *Runs, block *Block) int {
	s := block.Bytes
	n := len(s)
	if n == 0 || b.inner[s[n-1]>>6]>>(s[n-1]&63)&1 == 0 {
		return n
	}
	i := max(0, n-b.max+1)
	if n < 2 || !has16(b.pairs, s[n-2:]) {
		i = max(i, n-1)
	} else if n >= 4 && !b.quads.has(four(s[n-4:])) {
		i = max(i, n-3)
	}
	for ; i < n; i++ {
		if b.may(s[i:]) && block.opens(i) && r.sprouts(s[i:]) {
			return i
		}
	}
	return n
}

// may reports whether a window may begin with x, from its first bytes.
func (b *beginnings) may(x []byte) bool {
	switch len(x) {
	case 1:
		return b.ones[x[0]>>6]>>(x[0]&63)&1 != 0
	case 2:
		return has16(b.twos, x)
	}
	return len(x) >= len(b.heads) || b.heads[len(x)].has(fold(x, len(x)))
}

// begins looks for a window that begins with x, through all texts: the bitsets
// let few others come here.
func (r *Runs) begins(x []byte) bool {
	for i := 0; ; i++ {
		k := bytes.Index(r.text[i:], x)
		if k < 0 {
			return false
		}
		if i += k; r.starts[i] {
			return true
		}
	}
}

// sprouts looks for a window that begins with x and is longer, through the seeds
// of its first gram. What may begin with one byte or two does.
func (r *Runs) sprouts(x []byte) bool {
	if len(x) < r.gram {
		return len(x) <= 2 || r.begins(x)
	}
	h := r.hash(x, 0)
	if !r.has(h) {
		return false
	}
	for _, s := range r.seeds[r.heads[h>>r.hshift]:r.heads[h>>r.hshift+1]] {
		if at := int(s.at); r.starts[at] && r.texts[s.text].window > len(x) && bytes.HasPrefix(r.text[at:], x) {
			return true
		}
	}
	return false
}

func (b *beginnings) size() int {
	n := 8 * (len(b.pairs) + len(b.twos) + len(b.quads.bits))
	for _, h := range b.heads {
		n += 8 * len(h.bits)
	}
	return n
}
