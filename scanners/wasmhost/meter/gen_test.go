package meter_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// A gen writes random valid programs that end: loops count down, functions call
// only ones before them. Floats are seen through comparisons alone, because the
// bits of a NaN are the engine's choice.
type gen struct {
	r     *rand.Rand
	m     *asm.Module
	funcs []sig
	depth int
	loops int // counters in use
}

type sig struct {
	index   uint32
	results []byte
}

const (
	genGlobals = 2 // exported g0 i32 and g1 i64
	counters   = 4
)

// Locals of every function: 0 i32 and 1 i64 are parameters.
var genLocals = []byte{
	asm.I32, asm.I64, asm.F64, asm.V128, // 2 to 5
	asm.I32, asm.I32, asm.I32, asm.I32, // counters, 6 to 9
}

var genParams = []byte{asm.I32, asm.I64}

// program returns a module whose last function is exported as f.
func program(seed uint64) []byte {
	g := &gen{r: rand.New(rand.NewPCG(seed, 7)), m: &asm.Module{}}
	g.m.Import("env", "host", []byte{asm.I32}, []byte{asm.I32})
	g.m.Memory(1, 3)
	g.m.Table(asm.FuncRef, 8, 16)
	g.m.Global(asm.I32, true, asm.I32Const(g.r.Int32())...)
	g.m.Global(asm.I64, true, asm.I64Const(g.r.Int64())...)
	shapes := [][]byte{{}, {asm.I32}, {asm.I64}, {asm.I32, asm.I64}, {asm.F64}, {asm.I64, asm.I32, asm.I32}}
	for range 2 + g.r.IntN(4) {
		g.function(shapes[g.r.IntN(len(shapes))])
	}
	f := g.function(shapes[3])
	for i := range genGlobals {
		g.m.Export(fmt.Sprintf("g%d", i), module.KindGlobal, uint32(i))
	}
	g.m.Export("memory", module.KindMemory, 0)
	g.m.Export("f", module.KindFunc, f)
	var table []uint32
	for _, s := range g.funcs[:len(g.funcs)-1] {
		table = append(table, s.index)
	}
	g.m.Active(int32(g.r.IntN(2)), table...)
	g.m.Data(int32(g.r.IntN(100)), []byte("some data that is there at the start"))
	g.m.Data(-1, []byte("and a passive segment"))
	g.m.DataCount()
	return g.m.Bytes()
}

func (g *gen) function(results []byte) uint32 {
	g.depth, g.loops = 0, 0
	var code [][]byte
	for range 1 + g.r.IntN(6) {
		code = append(code, g.stmt(results, 0))
	}
	for _, t := range results {
		code = append(code, g.expr(t))
	}
	i := g.m.Func(genParams, results, genLocals, code...)
	g.funcs = append(g.funcs, sig{i, results})
	return i
}

func (g *gen) deep() bool {
	g.depth++
	return g.depth > 60 || g.r.IntN(4) == 0
}

// stmt leaves nothing on the stack. labels is how many blocks are around it.
func (g *gen) stmt(results []byte, labels int) []byte {
	if g.depth++; g.depth > 80 {
		return asm.Op(1)
	}
	switch g.r.IntN(12) {
	case 0:
		return asm.Cat(g.expr(asm.I64), asm.Set(1))
	case 1:
		return asm.Cat(g.expr(asm.V128), asm.Set(5))
	case 2:
		return asm.Cat(g.expr(asm.I32), asm.Idx(module.GlobalSet, 0))
	case 3:
		return asm.Cat(g.address(), g.expr(asm.I64), asm.Mem(0x37, 3))
	case 4:
		return g.loop(results, labels)
	case 5:
		return g.block(results, labels)
	case 6:
		return g.bulk()
	case 7:
		return g.leave(results)
	case 8:
		return g.table(results, labels)
	case 9:
		return asm.Cat(g.expr(asm.I32), asm.Block(module.If, asm.Void,
			g.stmt(results, labels+1), asm.Op(module.Else), g.stmt(results, labels+1)))
	case 10:
		return g.indirect()
	}
	return asm.Cat(g.expr(asm.I32), asm.Set(2))
}

// loop runs its body a few times, by a counter of its own.
func (g *gen) loop(results []byte, labels int) []byte {
	if g.loops == counters {
		return asm.Op(1)
	}
	c := uint32(6 + g.loops)
	g.loops++
	body := g.stmt(results, labels+2)
	if g.r.IntN(2) == 0 {
		body = asm.Cat(body, g.stmt(results, labels+2))
	}
	if g.r.IntN(3) == 0 { // out of it, early
		body = asm.Cat(body, g.expr(asm.I32), asm.Idx(module.BrIf, 1))
	}
	g.loops--
	return asm.Cat(asm.I32Const(int32(g.r.IntN(6))), asm.Set(c),
		asm.Block(module.Block, asm.Void, asm.Block(module.Loop, asm.Void,
			asm.Get(c), asm.Op(0x45), asm.Idx(module.BrIf, 1),
			asm.Get(c), asm.I32Const(1), asm.Op(0x6b), asm.Set(c),
			body, asm.Idx(module.Br, 0))))
}

func (g *gen) block(results []byte, labels int) []byte {
	return asm.Block(module.Block, asm.Void,
		g.stmt(results, labels+1), g.expr(asm.I32), asm.Idx(module.BrIf, 0), g.stmt(results, labels+1))
}

// leave returns from the middle, now and then.
func (g *gen) leave(results []byte) []byte {
	var values []byte
	for _, t := range results {
		values = append(values, g.expr(t)...)
	}
	return asm.Cat(g.expr(asm.I32), asm.I32Const(7), asm.Op(0x71, 0x45), // one in eight
		asm.Block(module.If, asm.Void, values, asm.Op(module.Return)))
}

// table branches by a number: out of one of two blocks, or of the function when
// that returns nothing.
func (g *gen) table(results []byte, labels int) []byte {
	out := uint32(1)
	if len(results) == 0 {
		out = uint32(labels + 2)
	}
	br := module.AppendU32([]byte{module.BrTable, 2, 0, 1}, out)
	return asm.Block(module.Block, asm.Void, asm.Block(module.Block, asm.Void,
		g.expr(asm.I32), br), g.stmt(results, labels+1))
}

// bulk works on memory, mostly within its bounds.
func (g *gen) bulk() []byte {
	length := asm.Cat(g.expr(asm.I32), asm.I32Const(1023), asm.Op(0x71))
	switch g.r.IntN(5) {
	case 0:
		return asm.Cat(g.address(), g.expr(asm.I32), length, asm.Sub(module.Misc, module.MemoryFill, 0))
	case 1:
		return asm.Cat(g.address(), g.address(), length, asm.Sub(module.Misc, module.MemoryCopy, 0, 0))
	case 2:
		return asm.Cat(g.address(), asm.I32Const(int32(g.r.IntN(8))), asm.I32Const(int32(g.r.IntN(15))),
			asm.Sub(module.Misc, module.MemoryInit, 1, 0))
	case 3:
		return asm.Cat(g.expr(asm.I32), asm.I32Const(1), asm.Op(0x71), asm.Op(module.MemoryGrow, 0), asm.Set(2))
	}
	return asm.Cat(asm.I32Const(int32(g.r.IntN(6))), asm.I32Const(int32(g.r.IntN(6))), asm.I32Const(int32(g.r.IntN(3))),
		asm.Sub(module.Misc, module.TableCopy, 0, 0))
}

// indirect calls through the table; another type than the one there traps.
func (g *gen) indirect() []byte {
	t := g.m.Type(genParams, nil)
	return asm.Cat(g.expr(asm.I32), g.expr(asm.I64), asm.I32Const(int32(g.r.IntN(4))),
		module.AppendU32([]byte{module.CallIndirect}, t), []byte{0})
}

func (g *gen) address() []byte {
	return asm.Cat(g.expr(asm.I32), asm.I32Const(0x7fff), asm.Op(0x71))
}
