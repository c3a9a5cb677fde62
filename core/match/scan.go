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

// scanFast makes four probes at a time, so that their loads overlap, and one
// branch for the four. It stops near the end of the block.
//
// The loads are unsafe, which is worth a third of the speed. They stay inside:
//   - of the block, because i+3*stride+8 <= len(p) in the loop;
//   - of the filter, because it has 1<<(64-shift) bits, so that a hash shifted
//     by shift is the number of one of them.
func (v *sieve) scanFast(c *Scratch, i int) int {
	p, s := c.b.Bytes, v.stride
	mask, mul := v.mask, multiplier
	shift, shift2 := v.shift&63, (v.shift-6)&63
	base, bloom := unsafe.Pointer(unsafe.SliceData(p)), unsafe.Pointer(unsafe.SliceData(v.bloom))
	n := uint(0)
	for last := len(p) - 8 - 3*s; i <= last; i += 4 * s {
		q := unsafe.Add(base, i)
		h0 := (load(q, 0) & mask) * mul
		h1 := (load(q, s) & mask) * mul
		h2 := (load(q, 2*s) & mask) * mul
		h3 := (load(q, 3*s) & mask) * mul
		w0 := load(bloom, int(h0>>shift>>6<<3))
		w1 := load(bloom, int(h1>>shift>>6<<3))
		w2 := load(bloom, int(h2>>shift>>6<<3))
		w3 := load(bloom, int(h3>>shift>>6<<3))
		b0 := w0 >> (h0 >> shift & 63) & (w0 >> (h0 >> shift2 & 63)) & 1
		b1 := w1 >> (h1 >> shift & 63) & (w1 >> (h1 >> shift2 & 63)) & 1
		b2 := w2 >> (h2 >> shift & 63) & (w2 >> (h2 >> shift2 & 63)) & 1
		b3 := w3 >> (h3 >> shift & 63) & (w3 >> (h3 >> shift2 & 63)) & 1
		if b0|b1|b2|b3 == 0 {
			continue
		}
		// Written whether found or not, and kept or overwritten.
		f := (*[4]candidate)(c.found[n&(batch-1):])
		f[0] = candidate{i, h0}
		f[b0] = candidate{i + s, h1}
		f[b0+b1] = candidate{i + 2*s, h2}
		f[b0+b1+b2] = candidate{i + 3*s, h3}
		if n += uint(b0 + b1 + b2 + b3); n >= batch {
			c.n = int(n)
			return i + 4*s
		}
	}
	c.n = int(n)
	return i
}

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
