package match

import (
	"encoding/binary"
	"unsafe"
)

// A candidate is a gram that passed the sieve: found at i, with hash h.
type candidate struct {
	i int
	h uint64
}

// batch is how many candidates are gathered before they are looked at: together,
// so that the loads for one overlap with those for the next.
const batch = 64

// scan probes the gram at every stride-th byte of the block from i on. It
// returns when the batch is full, with the place to go on from, or at the end.
func (v *sieve) scan(c *Scratch, i int) int {
	c.n = 0
	if v.gram > 8 {
		i = v.scanWide(c, i)
	} else {
		i = v.scanFast(c, i)
	}
	p := c.b.Bytes
	for ; i+v.gram <= len(p) && c.n < batch; i += v.stride {
		if h := v.hash(p, i); v.has(h) {
			c.found[c.n] = candidate{i, h}
			c.n++
		}
	}
	return i
}

// scanFast makes four probes at a time, and looks closer where one passes. In a
// flood, where that is soon again, it goes on without a branch to mispredict. It
// stops near the end of the block.
//
// The loads are unsafe, which is worth a third of the speed. They stay inside:
//   - of the block, because i+3*stride+8 <= len(p) in the loop, and end is not
//     beyond the last such i+3*stride;
//   - of the filter, because it has 1<<(64-shift) words, so that a hash shifted by
//     shift is the number of one of them.
func (v *sieve) scanFast(c *Scratch, i int) int {
	p, s := c.b.Bytes, v.stride
	mask, mul, shift := v.mask, multiplier, v.shift&63
	base, words := unsafe.Pointer(unsafe.SliceData(p)), unsafe.Pointer(unsafe.SliceData(v.words))
	// lacks is zero if the gram at q passes.
	lacks := func(q unsafe.Pointer) uint64 {
		h := (load(q, 0) & mask) * mul
		return patterns[h>>39&511] & load(words, int(h>>shift<<3))
	}
	n, near := 0, 0
	for last := len(p) - 8 - 3*s; i <= last; i += 4 * s {
		q := unsafe.Add(base, i)
		if lacks(q) != 0 && lacks(unsafe.Add(q, s)) != 0 && lacks(unsafe.Add(q, 2*s)) != 0 && lacks(unsafe.Add(q, 3*s)) != 0 {
			continue
		}
		end := i + 3*s
		if i < near {
			end = min(i+(flood-1)*s, last+3*s)
		}
		near = end + flood*s
		// Written whether it passes or not, and kept or overwritten.
		k := i
		for ; k <= end; k += s {
			h := (load(base, k) & mask) * mul
			c.found[n&(len(c.found)-1)] = candidate{k, h}
			x := patterns[h>>39&511] & load(words, int(h>>shift<<3))
			n += int(^x & (x - 1) >> 63) // 1 if x is 0
		}
		if i = k - 4*s; n >= batch {
			c.n = n
			return k
		}
	}
	c.n = n
	return i
}

// flood is how many probes are made at once where many pass.
const flood = 32

// load reads 8 bytes, wherever they are. On a big-endian machine the bytes are
// those of another word, which only has to be the same each time.
func load(p unsafe.Pointer, i int) uint64 { return *(*uint64)(unsafe.Add(p, i)) }

// scanWide is scan for grams of 16 bytes: they are rare among the sets and far
// apart in the stream.
func (v *sieve) scanWide(c *Scratch, i int) int {
	p, s := c.b.Bytes, v.stride
	for ; i+16 <= len(p); i += s {
		h := hashWide(binary.LittleEndian.Uint64(p[i:]), binary.LittleEndian.Uint64(p[i+8:]))
		if !v.has(h) {
			continue
		}
		c.found[c.n] = candidate{i, h}
		if c.n++; c.n == batch {
			return i + s
		}
	}
	return i
}
