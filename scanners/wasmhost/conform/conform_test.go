package conform

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

const text = `{"abi":1,"name":"test","version":"1","rules":[{"id":"test-rule","keywords":["acme_"],"after":12}]}`

var cases = []manifest.Case{
	{Name: "found", Input: "a acme_1234567 b", Output: "a [REDACTED:test-rule] b"},
	{Name: "not found", Input: "a acme_x234567 b", Output: "a acme_x234567 b"},
}

// build makes a module whose ov_scan has the code, with test cases.
func build(t *testing.T, golden []manifest.Case, code ...[]byte) []byte {
	t.Helper()
	m := &asm.Module{}
	m.Memory(4, -1)
	m.Global(asm.I32, true, asm.I32Const(0)...)
	m.AddScan([]byte{asm.I32}, code...)
	if golden != nil {
		b, err := json.Marshal(golden)
		if err != nil {
			t.Fatal(err)
		}
		m.Custom(manifest.GoldenSection, b)
	}
	return m.WithManifest(text)
}

// whole reports the window as a finding if its sixth byte is a digit.
func whole() []byte {
	at := asm.Cat(asm.I32Const(asm.In+5), asm.Mem(0x2d, 0))
	return asm.Cat(asm.Get(0), asm.I32Const(6), asm.Op(0x49), asm.Block(module.If, asm.Void, asm.I32Const(0), asm.Op(module.Return)),
		asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4),
		at, asm.I32Const('0'), asm.Op(0x4f), at, asm.I32Const('9'), asm.Op(0x4d), asm.Op(0x71))
}

// TestKit: a good module passes all checks; each bad one fails the check that is
// there for it, and says why.
func TestKit(t *testing.T) {
	count := asm.Cat(asm.Idx(module.GlobalGet, 0), asm.I32Const(1), asm.Op(0x6a), asm.Idx(module.GlobalSet, 0))
	late := asm.Cat(count, asm.Idx(module.GlobalGet, 0), asm.I32Const(400), asm.Op(0x4b))
	for _, c := range []struct {
		name  string
		wasm  []byte
		check string // that fails; "" for none
		want  string // in its detail
	}{
		{"good", build(t, cases, whole()), "", ""},
		{"not WASM", []byte("text"), "manifest, imports, limits", "not a WebAssembly module"},
		{"does not validate", build(t, cases, asm.I64Const(0)), "validates, compiles, starts", "validate"},
		{"no cases", build(t, nil, whole()), "golden cases", "none"},
		{"another answer than its case", build(t, cases, asm.I32Const(0)), "golden cases", `want "a [REDACTED:test-rule] b"`},
		{"a case for nothing found only", build(t, cases[1:], whole()), "keyword reachability", `no golden case finds rule "test-rule"`},
		{"counts its calls", build(t, cases, count, asm.Idx(module.GlobalGet, 0), asm.I32Const(900), asm.Op(0x4b),
			asm.Block(module.If, asm.Void, asm.I32Const(0), asm.Op(module.Return)), whole()), "", "another answer"},
		{"remembers the window before", build(t, cases, asm.Idx(module.GlobalGet, 0), asm.Set(2),
			asm.I32Const(asm.In), asm.Mem(0x2d, 9), asm.Idx(module.GlobalSet, 0),
			asm.Get(2), asm.I32Const('a'), asm.Op(0x46), asm.Block(module.If, asm.Void, asm.I32Const(0), asm.Op(module.Return)),
			whole()), "", "another answer"},
		{"reads past the end", build(t, cases, asm.I32Const(asm.In), asm.Mem(0x2d, 13), asm.I32Const(0xff), asm.Op(0x46),
			asm.Block(module.If, asm.Void, asm.I32Const(0), asm.Op(module.Return)), whole()), "purity, over-read", "reads past the end"},
		{"traps on some window", build(t, cases, asm.I32Const(asm.In), asm.Mem(0x2d, 7), asm.I32Const('/'), asm.Op(0x46),
			asm.Block(module.If, asm.Void, asm.Op(module.Unreachable)), whole()), "", "trapped"},
		{"loops on some window", build(t, cases, asm.I32Const(asm.In), asm.Mem(0x2d, 7), asm.I32Const('+'), asm.Op(0x46),
			asm.Block(module.If, asm.Void, asm.Block(module.Loop, asm.Void, asm.Idx(module.Br, 0))), whole()), "", "out of fuel"},
		{"traps after a while", build(t, cases, late, asm.Block(module.If, asm.Void, asm.Op(module.Unreachable)), whole()), "", "trapped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Run(c.wasm, Options{Windows: 2000})
			var table bytes.Buffer
			if err := r.Print(&table); err != nil {
				t.Fatal(err)
			}
			var failed []Row
			for _, row := range r.Rows {
				if row.Failed {
					failed = append(failed, row)
				}
			}
			if c.name == "good" {
				if len(failed) > 0 || !r.Passed() || r.Name != "test" || strings.Count(table.String(), "\n") != len(r.Rows) {
					t.Errorf("\n%s", &table)
				}
				return
			}
			if len(failed) == 0 || r.Passed() || !strings.Contains(table.String(), "FAIL") {
				t.Fatalf("it passed:\n%s", &table)
			}
			if c.check != "" && failed[0].Check != c.check || !strings.Contains(failed[0].Detail, c.want) {
				t.Errorf("want %q: %q in\n%s", c.check, c.want, &table)
			}
		})
	}
}

// TestSeeds: the same seed gives the same windows, another one others.
func TestSeeds(t *testing.T) {
	wasm := build(t, cases, whole())
	found := func(seed uint64) string {
		for _, row := range Run(wasm, Options{Windows: 1000, Seed: seed}).Rows {
			if row.Check == "fuzzed windows" {
				return row.Detail
			}
		}
		return ""
	}
	if a, b := found(1), found(1); a != b || a == "" {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := found(1), found(2); a == b {
		t.Errorf("%q twice", a)
	}
}

// TestBench: every line is there.
func TestBench(t *testing.T) {
	r, err := Bench(build(t, cases, whole()))
	if err != nil || len(r.Rows) != 5 || r.Name != "test" {
		t.Fatalf("%v %v", r, err)
	}
	for name, wasm := range map[string][]byte{"not WASM": []byte("text"), "no cases": build(t, nil, whole()), "not valid": build(t, cases, asm.I64Const(0))} {
		if _, err := Bench(wasm); err == nil {
			t.Errorf("%s was measured", name)
		}
	}
}
