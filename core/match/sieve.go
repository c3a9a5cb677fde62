package match

import (
	"encoding/binary"
	"math/bits"
)

const (
	maxStride = 64      // at least one probe in each cache line
	maxGrams  = 1 << 19 // in a filter: more needles get shorter windows
)

// A sieve is a Bloom filter over grams, with two bits in one word, and how to
// sample a stream for it.
type sieve struct {
	gram   int    // length of a gram
	stride int    // from one probe to the next
	mask   uint64 // of a gram's bytes
	shift  uint   // of the hash: the rest is the bit in bloom
	bloom  []uint64
}

func newSieve(gram, stride, grams int) sieve {
	size := min(max(bits.Len(uint(grams*96-1)), 12), 22) // 2^size bits: 96 a gram, at most 512 KiB
	return sieve{
		gram:   gram,
		stride: stride,
		mask:   ^uint64(0) >> (64 - 8*gram),
		shift:  uint(64 - size),
		bloom:  make([]uint64, 1<<(size-6)),
	}
}

// hash is that of the gram at p[i:], also where fewer than 8 bytes are left.
func (v *sieve) hash(p []byte, i int) uint64 { return v.gramAt(p, i) * multiplier }

func (v *sieve) gramAt(p []byte, i int) uint64 {
	if i+8 <= len(p) {
		return binary.LittleEndian.Uint64(p[i:]) & v.mask
	}
	var w [8]byte
	copy(w[:], p[i:])
	return binary.LittleEndian.Uint64(w[:]) & v.mask
}

func (v *sieve) set(h uint64) {
	bit := h >> v.shift
	v.bloom[bit>>6] |= 1<<(bit&63) | 1<<(h>>(v.shift-6)&63)
}

func (v *sieve) has(h uint64) bool {
	bit := h >> v.shift
	w := v.bloom[bit>>6]
	return w>>(bit&63)&(w>>(h>>(v.shift-6)&63))&1 != 0
}

// tag is a part of the hash that the sieve does not use alone.
func tag(h uint64) uint32 { return uint32(h >> 8) }

// An asker looks at a gram that passed: found at i, with hash h.
type asker interface {
	candidate(c *Scratch, i int, h uint64)
}

// scan probes the gram at every stride-th byte of the block. Four probes are
// made at a time, so that their loads overlap, and share one branch.
func (v *sieve) scan(c *Scratch, a asker) {
	p, s := c.b.Bytes, v.stride
	mask, mul, bloom := v.mask, multiplier, v.bloom
	shift, shift2 := v.shift&63, (v.shift-6)&63
	i := 0
	for last := len(p) - 8 - 3*s; i <= last; i += 4 * s {
		h0 := (binary.LittleEndian.Uint64(p[i:]) & mask) * mul
		h1 := (binary.LittleEndian.Uint64(p[i+s:]) & mask) * mul
		h2 := (binary.LittleEndian.Uint64(p[i+2*s:]) & mask) * mul
		h3 := (binary.LittleEndian.Uint64(p[i+3*s:]) & mask) * mul
		w0 := bloom[h0>>shift>>6]
		w1 := bloom[h1>>shift>>6]
		w2 := bloom[h2>>shift>>6]
		w3 := bloom[h3>>shift>>6]
		b0 := w0 >> (h0 >> shift & 63) & (w0 >> (h0 >> shift2 & 63))
		b1 := w1 >> (h1 >> shift & 63) & (w1 >> (h1 >> shift2 & 63))
		b2 := w2 >> (h2 >> shift & 63) & (w2 >> (h2 >> shift2 & 63))
		b3 := w3 >> (h3 >> shift & 63) & (w3 >> (h3 >> shift2 & 63))
		if (b0|b1|b2|b3)&1 == 0 {
			continue
		}
		if b0&1 != 0 {
			a.candidate(c, i, h0)
		}
		if b1&1 != 0 {
			a.candidate(c, i+s, h1)
		}
		if b2&1 != 0 {
			a.candidate(c, i+2*s, h2)
		}
		if b3&1 != 0 {
			a.candidate(c, i+3*s, h3)
		}
	}
	for ; i+v.gram <= len(p); i += s {
		if h := v.hash(p, i); v.has(h) {
			a.candidate(c, i, h)
		}
	}
}
