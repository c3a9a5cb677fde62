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
	size := min(max(bits.Len(uint(grams*48-1)), 12), 22) // 2^size bits: 48 a gram or more, at most 512 KiB
	return sieve{
		gram:   gram,
		stride: stride,
		mask:   ^uint64(0) >> max(0, 64-8*gram),
		shift:  uint(64 - size),
		bloom:  make([]uint64, 1<<(size-6)),
	}
}

// hash is that of the gram at p[i:], also where fewer than 8 bytes are left.
func (v *sieve) hash(p []byte, i int) uint64 {
	if v.gram > 8 {
		return hashWide(binary.LittleEndian.Uint64(p[i:]), binary.LittleEndian.Uint64(p[i+8:]))
	}
	return v.gramAt(p, i) * multiplier
}

// hashWide is the hash of a gram of 16 bytes.
func hashWide(a, b uint64) uint64 { return (a ^ bits.RotateLeft64(b*multiplier, 32)) * multiplier }

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
