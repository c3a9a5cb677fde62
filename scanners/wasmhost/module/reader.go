package module

import (
	"errors"
	"fmt"
)

var errShort = errors.New("truncated")

// A reader walks over bytes. The first error sticks, and after it every read
// returns zero, so that callers check once.
type reader struct {
	b   []byte
	off int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = fmt.Errorf("offset %d: %w", r.off, err)
	}
	r.off = len(r.b)
}

func (r *reader) more() bool { return r.err == nil && r.off < len(r.b) }

func (r *reader) byte() byte {
	if r.off >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	r.off++
	return r.b[r.off-1]
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b)-r.off {
		r.fail(errShort)
		return nil
	}
	r.off += n
	return r.b[r.off-n : r.off : r.off]
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			break
		}
		if shift == 28 {
			r.fail(errors.New("integer is longer than 32 bits"))
			return 0
		}
	}
	if v > 1<<32-1 {
		r.fail(errors.New("integer is longer than 32 bits"))
		return 0
	}
	return uint32(v)
}

// signed reads a signed LEB128 of at most the given number of bits.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; ; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c < 0x80 {
			if shift+7 < 64 && c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
		if shift+7 >= bits {
			r.fail(fmt.Errorf("integer is longer than %d bits", bits))
			return 0
		}
	}
}

// count reads the length of a vector whose items take at least min bytes each,
// so that a lie about it allocates nothing.
func (r *reader) count(min int) int {
	n := r.u32()
	if uint64(n)*uint64(min) > uint64(len(r.b)-r.off) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

func (r *reader) name() string { return string(r.take(int(r.u32()))) }

// AppendU32 appends v as an unsigned LEB128.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// AppendInt appends v as a signed LEB128.
func AppendInt(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// AppendName appends s with its length before it.
func AppendName(b []byte, s string) []byte {
	return append(AppendU32(b, uint32(len(s))), s...)
}
