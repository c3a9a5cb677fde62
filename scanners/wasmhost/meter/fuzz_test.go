package meter_test

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// FuzzRewrite takes any bytes. What the engine accepts must be accepted metered
// as well, with every index where it was; nothing may panic.
func FuzzRewrite(f *testing.F) {
	for _, s := range shapes {
		m := &asm.Module{}
		s.build(m)
		f.Add(m.Bytes())
	}
	for seed := range uint64(20) {
		f.Add(program(seed))
	}
	es := engines(f)
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := module.Parse(wasm)
		if err != nil {
			return
		}
		out, err := meter.Rewrite(m, limits)
		c, invalid := es[1].r.CompileModule(ctx, wasm)
		if invalid != nil {
			return // the host stops here; what matters is that nothing broke
		}
		defer c.Close(ctx)
		if err != nil {
			return // over a limit
		}
		for _, e := range es {
			c, err := e.r.CompileModule(ctx, out)
			if err != nil {
				t.Fatalf("%s takes the module, but not its metered copy: %v", e.name, err)
			}
			c.Close(ctx)
		}
		intact(t, m, out)
	})
}

// intact compares what indices mean before and after.
func intact(t *testing.T, m *module.Module, out []byte) {
	t.Helper()
	n, err := module.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Funcs) != len(m.Funcs) || len(n.Globals) != len(m.Globals)+2 || len(n.Tables) != len(m.Tables) ||
		len(n.Memories) != len(m.Memories) || len(n.Exports) != len(m.Exports)+2 {
		t.Fatal("a section has another number of items")
	}
	for i, e := range m.Exports {
		if n.Exports[i] != e {
			t.Errorf("export %v became %v", e, n.Exports[i])
		}
	}
	for i, g := range m.Globals {
		if n.Globals[i] != g {
			t.Errorf("global %d: %v became %v", i, g, n.Globals[i])
		}
	}
	for i := range m.Funcs {
		if n.Funcs[i] != m.Funcs[i] {
			t.Errorf("function %d changed its type", i)
		}
	}
	for _, id := range []byte{module.Imports, module.Functions, module.Elements, module.DataCount, module.Data} {
		if !bytes.Equal(sectionOf(m, id), sectionOf(n, id)) {
			t.Errorf("section %d changed", id)
		}
	}
}

func sectionOf(m *module.Module, id byte) []byte {
	for _, s := range m.Sections {
		if s.ID == id {
			return s.Body
		}
	}
	return nil
}

// FuzzPrograms runs random programs as TestRandomPrograms does.
func FuzzPrograms(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint64(3))
	es := engines(f)
	f.Fuzz(func(t *testing.T, seed, a, b uint64) {
		same(t, es, program(seed), "f", genGlobals, []uint64{a & math.MaxUint32, b})
	})
}
