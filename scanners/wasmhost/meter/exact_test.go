package meter_test

import (
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// paid runs f and returns what it cost, whether or not it trapped.
func paid(t *testing.T, e engine, wasm []byte, args ...uint64) int64 {
	t.Helper()
	g := e.load(t, wasm)
	defer g.close()
	const enough = 1 << 50
	g.fuel(enough)
	g.call("f", 0, args...)
	return enough - g.left()
}

func exact(t *testing.T, wasm []byte) []byte {
	t.Helper()
	m, err := module.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	out, err := meter.RewriteExact(m, limits)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPaysForAllThatRuns: no program pays less than the sum over its
// instructions, counted one by one.
func TestPaysForAllThatRuns(t *testing.T) {
	e := engines(t)[0]
	for seed := range uint64(150) {
		wasm := program(seed)
		for _, a := range someArgs {
			ran, took := paid(t, e, exact(t, wasm), a...), paid(t, e, rewrite(t, wasm), a...)
			if took < ran {
				t.Fatalf("program %d(%v): pays %d for %d", seed, a, took, ran)
			}
		}
	}
	for name, s := range shapes {
		m := &asm.Module{}
		s.build(m)
		if ran, took := paid(t, e, exact(t, m.Bytes()), 7, 7), paid(t, e, rewrite(t, m.Bytes()), 7, 7); took < ran {
			t.Errorf("%s: pays %d for %d", name, took, ran)
		}
	}
}

// TestLargeRegions: one loop around many blocks, as Go's compiler writes a
// function, pays for the blocks that run and little more.
func TestLargeRegions(t *testing.T) {
	const blocks = 100
	work := func() []byte { return repeat(20, asm.Cat(asm.Get(2), asm.I32Const(3), asm.Op(0x6a), asm.Set(2))) }
	table := module.AppendU32([]byte{module.BrTable}, blocks-1)
	for i := range blocks {
		table = module.AppendU32(table, uint32(i))
	}
	code := asm.Cat(asm.Get(3), table)
	for i := range blocks { // block i: work, then go to block 0 again until the count is down
		code = asm.Cat(asm.Block(module.Block, asm.Void, code), work(),
			asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.Tee(0), asm.Op(0x45),
			asm.Idx(module.BrIf, uint32(blocks-i)), asm.Idx(module.Br, uint32(blocks-i-1)))
	}
	m := &asm.Module{}
	export(m, asm.Block(module.Block, asm.Void, asm.Block(module.Loop, asm.Void, code)), asm.Get(2))
	e := engines(t)[0]
	ran, took := paid(t, e, exact(t, m.Bytes()), 1000, 0), paid(t, e, rewrite(t, m.Bytes()), 1000, 0)
	if took < ran || took > ran+ran/10 {
		t.Errorf("pays %d for %d", took, ran)
	}
}
