package module_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

func header(rest ...byte) []byte { return append([]byte("\x00asm\x01\x00\x00\x00"), rest...) }

func code(ops ...byte) []byte {
	m := &asm.Module{}
	m.Func(nil, nil, nil, ops)
	return m.Bytes()
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want string
		is   error
	}{
		{"nothing", nil, "not a WebAssembly module", module.ErrNotWASM},
		{"an ELF file", []byte("\x7fELF\x02\x01\x01\x00"), "not a WebAssembly module", module.ErrNotWASM},
		{"another version", []byte("\x00asm\x02\x00\x00\x00"), "binary version 02000000", module.ErrNotWASM},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "component", module.ErrNotWASM},
		{"too large", header(make([]byte, module.MaxSize)...), "larger than", nil},
		{"half a section", header(1, 10, 1), "truncated", nil},
		{"a length without end", header(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80), "longer than 32 bits", nil},
		{"a length of 33 bits", header(1, 0xff, 0xff, 0xff, 0xff, 0x1f), "longer than 32 bits", nil},
		{"sections out of order", header(3, 1, 0, 1, 1, 0), "out of order", nil},
		{"a section twice", header(1, 1, 0, 1, 1, 0), "out of order", nil},
		{"an unknown section", header(14, 0), "unknown section", nil},
		{"bytes after a section's items", header(1, 2, 0, 0), "left over", nil},
		{"more items than bytes", header(1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f), "truncated", nil},
		{"a function without a body", header(1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0), "1 functions are declared, 0 have a body", nil},
		{"a custom section whose name is cut", header(0, 2, 9, 'a'), "truncated", nil},
		{"tags", header(13, 1, 0), "exceptions", module.ErrFeature},
		{"shared memory", header(5, 4, 1, 3, 1, 1), "threads", module.ErrFeature},
		{"memory of 64 bits", header(5, 3, 1, 4, 1), "limits of kind", module.ErrFeature},
		{"a structure type", header(1, 4, 1, 0x5f, 0, 0), "garbage collection", module.ErrFeature},
	} {
		_, err := module.Parse(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		ops  []byte
		want string
	}{
		"atomics":            {[]byte{0xfe, 0}, "threads"},
		"tail call":          {[]byte{0x12, 0}, "tail calls"},
		"indirect tail call": {[]byte{0x13, 0, 0}, "tail calls"},
		"call_ref":           {[]byte{0x14, 0}, "garbage collection"},
		"struct.new":         {[]byte{0xfb, 0, 0}, "garbage collection"},
		"try":                {[]byte{0x06, 0x40}, "exceptions"},
		"throw":              {[]byte{0x08, 0}, "exceptions"},
		"try_table":          {[]byte{0x1f, 0x40, 0}, "exceptions"},
		"relaxed SIMD":       {[]byte{0xfd, 0x80, 0x02}, "relaxed SIMD"},
		"nothing known":      {[]byte{0x27}, "unknown instruction 0x27"},
		"nothing known, two": {[]byte{0xfc, 99}, "unknown instruction 0xfc 99"},
		"cut short":          {[]byte{0x41}, ""},
	} {
		m, err := module.Parse(code(c.ops...))
		if err != nil {
			t.Fatal(err)
		}
		d := module.Decode(m.Bodies[0].Code[:len(c.ops)])
		for d.Next() {
		}
		if err := d.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestDecodeWalks(t *testing.T) {
	body := asm.Cat(asm.I32Const(-5), asm.I64Const(1<<62), []byte{0x43, 1, 2, 3, 4}, []byte{0x44, 1, 2, 3, 4, 5, 6, 7, 8},
		asm.Mem(0x28, 1<<30), []byte{module.BrTable, 2, 0, 1, 0}, []byte{0x1c, 1, 0x7f}, asm.Sub(0xfd, 13), make([]byte, 16))
	want := []byte{0x41, 0x42, 0x43, 0x44, 0x28, module.BrTable, 0x1c, 0xfd}
	var got []byte
	end := 0
	d := module.Decode(body)
	for d.Next() {
		if d.Instr.Start != end {
			t.Errorf("instruction %#x starts at %d, the one before ended at %d", d.Instr.Op, d.Instr.Start, end)
		}
		end = d.Instr.End
		got = append(got, d.Instr.Op)
	}
	if string(got) != string(want) || d.Err() != nil || end != len(body) {
		t.Errorf("% x, err %v, end %d of %d; want % x", got, d.Err(), end, len(body), want)
	}
}

func TestNumbers(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, 64, -64, -65, 127, 128, 1<<31 - 1, -1 << 31, 1 << 40, -1 << 63, 1<<63 - 1} {
		d := module.Decode(append([]byte{module.I64Const}, module.AppendInt(nil, v)...))
		if !d.Next() || d.Next() || d.Err() != nil {
			t.Errorf("%d does not come back: %v", v, d.Err())
		}
	}
	for _, v := range []uint32{0, 1, 127, 128, 1 << 14, 1<<32 - 1} {
		d := module.Decode(append([]byte{module.Br}, module.AppendU32(nil, v)...))
		if !d.Next() || d.Instr.Index != v {
			t.Errorf("%d came back as %d", v, d.Instr.Index)
		}
	}
}

func TestLookups(t *testing.T) {
	m := &asm.Module{}
	m.Import("a", "b", []byte{asm.I64}, nil)
	f := m.Func([]byte{asm.I32}, []byte{asm.I32}, nil, asm.Get(0))
	m.Export("f", module.KindFunc, f)
	m.Custom("x", []byte("one"))
	m.Custom("x", []byte("two"))
	p, err := module.Parse(m.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := p.Export("f"); !ok || e.Index != 1 {
		t.Errorf("export f: %v %v", e, ok)
	}
	if _, ok := p.Export("g"); ok {
		t.Error("export g exists")
	}
	for i, want := range []string{"\x7e", "\x7f"} {
		if ft, ok := p.FuncType(uint32(i)); !ok || string(ft.Params) != want {
			t.Errorf("function %d: %v %v", i, ft, ok)
		}
	}
	if _, ok := p.FuncType(2); ok {
		t.Error("there is a third function")
	}
	if c := p.Custom("x"); len(c) != 2 || string(c[1]) != "two" {
		t.Errorf("custom sections %q", c)
	}
	if p.ImportedFuncs() != 1 || p.ImportedGlobals() != 0 {
		t.Error("imports are counted wrongly")
	}
}

// FuzzParse: any bytes give an error or a module whose bodies can be walked.
func FuzzParse(f *testing.F) {
	f.Add(code(0x41, 1, 0x1a))
	f.Add(header(5, 3, 1, 0, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := module.Parse(b)
		if err != nil {
			return
		}
		for _, body := range m.Bodies {
			for d := module.Decode(body.Code); d.Next(); {
				if d.Instr.End <= d.Instr.Start || d.Instr.End > len(body.Code) {
					t.Fatalf("instruction [%d, %d) of %d", d.Instr.Start, d.Instr.End, len(body.Code))
				}
			}
		}
	})
}
