package seal

import "encoding/binary"

// LP joins parts, each behind its length as 4 big-endian bytes, so that no two
// lists of parts give the same bytes.
func LP(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = appendLP(out, p)
	}
	return out
}

func appendLP(b, part []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// A reader takes fields off the front of b. After the first field that is not
// there every read gives zeros, and done reports false.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// lp takes a length-prefixed field.
func (r *reader) lp() []byte {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.take(int(n))
}

// fixed takes a length-prefixed field that must fill dst.
func (r *reader) fixed(dst []byte) {
	b := r.lp()
	if len(b) != len(dst) {
		r.bad = true
		return
	}
	copy(dst, b)
}

// count takes a number of items of at least size bytes each, and refuses one
// that the rest of the input cannot hold.
func (r *reader) count(size int) int {
	n := r.u32()
	if uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n)
}

// done reports whether every field was there and nothing follows.
func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }
