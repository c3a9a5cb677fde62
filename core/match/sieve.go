package match

import (
	"encoding/binary"
	"math/bits"
)

const (
	maxStride = 64      // at least one probe in each cache line
	maxGrams  = 1 << 19 // in a filter: more needles get shorter windows
)

// A sieve is a Bloom filter over grams and how to sample a stream for it. A gram
// clears three bits in one word: it passes if it finds them clear.
type sieve struct {
	gram   int    // length of a gram
	stride int    // from one probe to the next
	mask   uint64 // of a gram's bytes
	shift  uint   // of the hash: the rest is the number of its word
	words  []uint64
}

func newSieve(gram, stride, grams int) sieve { return sieveOf(gram, stride, shiftFor(grams)) }

// shiftFor returns the shift of a sieve for so many grams: 32 bits for each or
// more, at most 512 KiB.
func shiftFor(grams int) uint {
	return uint(64 + 6 - min(max(bits.Len(uint(grams*32-1)), 12), 22))
}

// sieveOf returns an empty sieve of a given size.
func sieveOf(gram, stride int, shift uint) sieve {
	v := sieve{
		gram:   gram,
		stride: stride,
		mask:   ^uint64(0) >> max(0, 64-8*gram),
		shift:  shift,
		words:  make([]uint64, 1<<(64-shift)),
	}
	for i := range v.words {
		v.words[i] = ^uint64(0)
	}
	return v
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

func (v *sieve) set(h uint64) { v.words[h>>v.shift] &^= patterns[h>>39&511] }

func (v *sieve) has(h uint64) bool { return v.words[h>>v.shift]&patterns[h>>39&511] == 0 }

// patterns are the bits that a gram clears in its word, by bits of its hash that do
// not choose the word.
var patterns = func() (t [512]uint64) {
	for i := range t {
		for h := uint64(i + 1); bits.OnesCount64(t[i]) < 3; h *= 0x9e3779b97f4a7c15 {
			t[i] |= 1 << (h >> 58)
			h |= 1
			h += 2
		}
	}
	return t
}()

// tag is a part of the hash that the sieve does not use alone.
func tag(h uint64) uint32 { return uint32(h >> 8) }
