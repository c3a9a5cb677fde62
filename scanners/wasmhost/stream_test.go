package wasmhost

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

const streamManifest = `{"abi":1,"name":"flow","version":"1","mode":"stream","max_window":12,` +
	`"rules":[{"id":"key","until":"END"},{"id":"box","until":"]"}]}`

// flow is a stream scanner: <dddddddddd> is a finding of 12 bytes, [ opens one of
// rule box, ! traps.
func flow() []byte {
	m := &asm.Module{}
	at := func(offset uint32) []byte {
		return asm.Cat(asm.I32Const(asm.In), asm.Get(2), asm.Op(0x6a), asm.Mem(0x2d, offset))
	}
	is := func(offset uint32, c byte) []byte { return asm.Cat(at(offset), asm.I32Const(int32(c)), asm.Op(0x46)) }
	span := func(length, rule, flags int32) []byte {
		return asm.Block(module.If, asm.Void,
			asm.Get(3), asm.Get(2), asm.Mem(0x36, asm.Out), asm.Get(3), asm.I32Const(length), asm.Mem(0x36, asm.Out+4),
			asm.Get(3), asm.I32Const(rule), asm.Mem(0x36, asm.Out+8), asm.Get(3), asm.I32Const(flags), asm.Mem(0x36, asm.Out+12),
			asm.Get(3), asm.I32Const(16), asm.Op(0x6a), asm.Set(3))
	}
	fits := asm.Cat(asm.Get(2), asm.I32Const(12), asm.Op(0x6a), asm.Get(0), asm.Op(0x4d))
	return m.AddScan([]byte{asm.I32, asm.I32},
		asm.Block(module.Block, asm.Void, asm.Block(module.Loop, asm.Void,
			asm.Get(2), asm.Get(0), asm.Op(0x4f), asm.Idx(module.BrIf, 1),
			is(0, '!'), asm.Block(module.If, asm.Void, asm.Op(module.Unreachable)),
			is(0, '<'), is(11, '>'), asm.Op(0x71), fits, asm.Op(0x71), span(12, 0, 0),
			is(0, '['), span(1, 1, 1),
			asm.Get(2), asm.I32Const(1), asm.Op(0x6a), asm.Set(2), asm.Idx(module.Br, 0))),
		asm.Get(3), asm.I32Const(4), asm.Op(0x76)).WithManifest(streamManifest)
}

func stream(t *testing.T, s *Scanner, text string, n int) (string, error) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, s)
	if err != nil {
		t.Fatal(err)
	}
	for len(text) > 0 {
		k := min(n, len(text))
		if _, err := w.Write([]byte(text[:k])); err != nil {
			return out.String(), err
		}
		text = text[k:]
	}
	err = w.Close()
	if _, again := w.Write([]byte("x")); again == nil {
		t.Error("a closed writer takes bytes")
	}
	return out.String(), err
}

// TestStream: the same output however the stream is cut.
func TestStream(t *testing.T) {
	long := strings.Repeat("0123456789 <abcdefghij> ", 6000) // more than two buffers
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"no finding", "some output < and > of this and that", "some output < and > of this and that"},
		{"one", "a <0123456789> b", "a [REDACTED:key] b"},
		{"at the start and the end", "<0123456789>..<0123456789>", "[REDACTED:key]..[REDACTED:key]"},
		{"overlapping", "<<<<<<<<<<<>>>>>>>>>>>", "[REDACTED:key]"},
		{"side by side", "<0123456789><0123456789>x", "[REDACTED:key]x"},
		{"cut off by the end", "a <012345678", "a <012345678"},
		{"open, to its end", "a [" + strings.Repeat("b", 500) + "] c", "a [REDACTED:box]] c"},
		{"open, with one inside", "a [12 <0123456789> 34] c", "a [REDACTED:box]] c"},
		{"open, to the end of all", "a [" + strings.Repeat("b", 50), "a [REDACTED:box]"},
		{"long", long, strings.ReplaceAll(long, "<abcdefghij>", "[REDACTED:key]")},
	} {
		s := load(t, flow(), Options{})
		for _, n := range []int{1, 2, 3, 5, 11, 12, 13, 100, 1 << 14, 1 << 20} {
			if len(c.in) > 1000 && n < 100 {
				continue
			}
			if got, err := stream(t, s, c.in, n); got != c.want || err != nil {
				t.Errorf("%s, by %d bytes: %v\n%.300q\nwant\n%.300q", c.name, n, err, got, c.want)
			}
		}
	}
}

// TestStreamCounts: each marker is counted once, however the stream was cut.
func TestStreamCounts(t *testing.T) {
	for _, n := range []int{1, 3, 1 << 14} {
		w, err := NewWriter(io.Discard, load(t, flow(), Options{}))
		if err != nil {
			t.Fatal(err)
		}
		for part := range slices.Chunk([]byte("<0123456789> a <0123456789>< [box] <0123456789"), n) {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := w.Found(); len(got) != 2 || got["key"] != 2 || got["box"] != 1 {
			t.Errorf("by %d bytes: %v", n, got)
		}
	}
}

// TestStreamOpenHasACap: 64 KiB after its start an open finding ends.
func TestStreamOpenHasACap(t *testing.T) {
	in := "[" + strings.Repeat("b", 1<<16) + "after it"
	got, err := stream(t, load(t, flow(), Options{}), in, 999)
	if want := "[REDACTED:box]after it"; got != want || err != nil {
		t.Errorf("%v %q, want %q", err, got[:min(len(got), 50)], want)
	}
}

// TestStreamFails: a failure masks all that is undecided; the third blocks.
func TestStreamFails(t *testing.T) {
	s := load(t, flow(), Options{})
	got, err := stream(t, s, "before ! after, and then much more of it ", 100)
	if want := "[REDACTED:scanner flow failed]"; got != want || err != nil {
		t.Errorf("%v %q, want %q", err, got, want)
	}
	if c := s.Counts(); c.Failures != 1 || c.Quarantined {
		t.Errorf("one failure is counted as %+v", c)
	}
	got, err = stream(t, s, strings.Repeat("!", 3)+strings.Repeat("secret", 50), 1)
	if !errors.Is(err, ErrQuarantined) || strings.Contains(got, "secret") {
		t.Errorf("%v %q", err, got)
	}
	if got, err = stream(t, s, "nothing passes", 100); !errors.Is(err, ErrQuarantined) || got != "" {
		t.Errorf("%v %q", err, got)
	}
	open := load(t, flow(), Options{FailOpen: true})
	if got, err := stream(t, open, "!!!! all passes", 1); got != "!!!! all passes" || err != nil {
		t.Errorf("%v %q", err, got)
	}
}

func TestStreamModeIsItsOwn(t *testing.T) {
	if s := load(t, flow(), Options{}); s.Rules() != nil {
		t.Error("a stream scanner has rules for the keyword engine")
	}
	if _, err := NewWriter(&bytes.Buffer{}, load(t, finder(), Options{})); err == nil {
		t.Error("a window scanner runs as a stream")
	}
}
