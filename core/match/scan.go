package match

import "encoding/binary"

// scan probes the gram at every stride-th byte of the block. Four probes are
// made at a time, so that their loads overlap, and share one branch.
func (t *tier) scan(c *cursor) {
	p, s := c.b.Bytes, t.stride
	mask, mul, bloom := t.mask, multiplier, t.bloom
	shift, shift2 := t.shift&63, (t.shift-6)&63
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
			t.candidate(c, i, h0)
		}
		if b1&1 != 0 {
			t.candidate(c, i+s, h1)
		}
		if b2&1 != 0 {
			t.candidate(c, i+2*s, h2)
		}
		if b3&1 != 0 {
			t.candidate(c, i+3*s, h3)
		}
	}
	for ; i+t.gram <= len(p); i += s {
		if h := t.gramAt(p, i) * mul; t.pass(h) {
			t.candidate(c, i, h)
		}
	}
}
