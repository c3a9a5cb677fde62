// Package lp joins byte strings so that no two lists of them give the same
// bytes, and takes them apart again. Every signature, hash and stored format
// of ov is over LP: each part behind its length as 4 big-endian bytes.
package lp

import "encoding/binary"

// Join returns LP(parts...).
func Join(parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = Append(out, p)
	}
	return out
}

// Append appends LP(part) to b.
func Append(b, part []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// U64 returns n as 8 big-endian bytes.
func U64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// A Reader takes fields off the front of its input. After the first field that
// is not there every read gives zeros, and Done reports false. What it returns
// lies in the input.
type Reader struct {
	b   []byte
	bad bool
}

// NewReader returns a reader of b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Take takes n bytes.
func (r *Reader) Take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

// U8 takes one byte.
func (r *Reader) U8() uint8 {
	if b := r.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// U32 takes 4 big-endian bytes.
func (r *Reader) U32() uint32 {
	if b := r.Take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 takes 8 big-endian bytes.
func (r *Reader) U64() uint64 {
	if b := r.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Field takes a length-prefixed field.
func (r *Reader) Field() []byte {
	n := r.U32()
	if uint64(n) > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	return r.Take(int(n))
}

// Fixed takes a length-prefixed field that must fill dst.
func (r *Reader) Fixed(dst []byte) {
	b := r.Field()
	if len(b) != len(dst) {
		r.bad = true
		return
	}
	copy(dst, b)
}

// FieldU64 takes a length-prefixed field of 8 big-endian bytes.
func (r *Reader) FieldU64() uint64 {
	var b [8]byte
	r.Fixed(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// Count takes a number of items of at least size bytes each, and refuses one
// that the rest of the input cannot hold.
func (r *Reader) Count(size int) int {
	n := r.U32()
	if uint64(n)*uint64(size) > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n)
}

// Rest returns what has not been taken.
func (r *Reader) Rest() []byte { return r.b }

// Bad reports whether a field was not there.
func (r *Reader) Bad() bool { return r.bad }

// Done reports whether every field was there and nothing follows.
func (r *Reader) Done() bool { return !r.bad && len(r.b) == 0 }
