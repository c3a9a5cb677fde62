package lp

import (
	"bytes"
	"testing"
)

// Other lists give other bytes, and the parts come back.
func TestJoin(t *testing.T) {
	seen := map[string][]string{}
	for _, list := range [][]string{{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"\x00\x00\x00\x01a"}, {"a", "b", "c"}, {"ab", "c"}, {"a", "bc"}} {
		var parts [][]byte
		for _, p := range list {
			parts = append(parts, []byte(p))
		}
		got := Join(parts...)
		if other, ok := seen[string(got)]; ok {
			t.Errorf("%q and %q give the same", list, other)
		}
		seen[string(got)] = list
		r := NewReader(got)
		for i := range list {
			if p := r.Field(); string(p) != list[i] {
				t.Errorf("%q: part %d is %q", list, i, p)
			}
		}
		if !r.Done() {
			t.Errorf("%q: something is left", list)
		}
	}
	want := []byte{0, 0, 0, 2, 'a', 'b', 0, 0, 0, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	if got := Join([]byte("ab"), nil, U64(0x0102030405060708)); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestReader(t *testing.T) {
	r := NewReader([]byte{1, 0, 0, 0, 2})
	if r.U8() != 1 || r.U32() != 2 || !r.Done() {
		t.Error("fields")
	}
	for what, read := range map[string]func(*Reader){
		"u8": func(r *Reader) { r.U8(); r.U8() }, "u32": func(r *Reader) { r.U32() }, "u64": func(r *Reader) { r.U64() },
		"take": func(r *Reader) { r.Take(3) }, "negative": func(r *Reader) { r.Take(-1) }, "lp": func(r *Reader) { r.Field() },
		"count": func(r *Reader) { r.Count(1) }, "fixed": func(r *Reader) { r.Fixed(make([]byte, 1)) }, "lpU64": func(r *Reader) { r.FieldU64() },
	} {
		r := new(NewReader([]byte{9}))
		read(r)
		if r.Done() || !r.Bad() {
			t.Errorf("%s past the end: not noticed", what)
		}
		if r.U8() != 0 || r.U32() != 0 || r.U64() != 0 || r.Field() != nil || r.Count(0) != 0 {
			t.Errorf("%s: something was read after it", what)
		}
	}
	huge := NewReader([]byte{0xff, 0xff, 0xff, 0xff, 1, 2, 3})
	if huge.Field() != nil || huge.Done() {
		t.Error("a length beyond the input")
	}
	many := NewReader([]byte{0x40, 0, 0, 0, 1, 2, 3})
	if many.Count(64) != 0 || !many.Bad() { // times 64 it would not fit 32 bits
		t.Error("a count beyond the input")
	}
	// A field that was taken cannot be appended into the next one.
	r = NewReader([]byte{1, 2, 3})
	first := r.Take(1)
	_ = append(first, 99)
	if r.U8() != 2 {
		t.Error("append wrote into the input")
	}
}
