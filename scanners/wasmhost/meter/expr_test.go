package meter_test

import (
	"encoding/binary"
	"math"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// expr leaves one value of a type on the stack.
func (g *gen) expr(t byte) []byte {
	if g.deep() {
		return g.atom(t)
	}
	switch g.r.IntN(6) {
	case 0:
		return g.choice(t)
	case 1:
		if c := g.call(t); c != nil {
			return c
		}
	}
	switch t {
	case asm.I32:
		return g.int32()
	case asm.I64:
		return g.int64()
	case asm.F64:
		return g.float()
	}
	return g.vector()
}

func (g *gen) atom(t byte) []byte {
	pick := g.r.IntN(2) == 0
	switch {
	case t == asm.I32 && pick:
		return asm.I32Const(g.r.Int32() >> g.r.IntN(32))
	case t == asm.I32:
		return asm.Get(uint32(2 * g.r.IntN(2)))
	case t == asm.I64 && pick:
		return asm.I64Const(g.r.Int64() >> g.r.IntN(64))
	case t == asm.I64:
		return asm.Get(uint32(1 + 2*g.r.IntN(2)))
	case t == asm.F64 && pick:
		return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(g.r.NormFloat64()))
	case t == asm.F64:
		return asm.Get(4)
	case pick:
		return asm.Cat(g.atom(asm.I32), asm.Sub(module.SIMD, 17))
	}
	return asm.Get(5)
}

// choice is a value by way of control flow: if, a branch with a value, select.
func (g *gen) choice(t byte) []byte {
	a, b := g.expr(t), g.expr(t)
	switch g.r.IntN(4) {
	case 0:
		return asm.Cat(g.expr(asm.I32), asm.Block(module.If, t, a, asm.Op(module.Else), b))
	case 1:
		return asm.Block(module.Block, t, a, g.expr(asm.I32), asm.Idx(module.BrIf, 0), asm.Op(0x1a), b)
	case 2:
		return asm.Cat(a, b, g.expr(asm.I32), asm.Op(0x1c, 1, t))
	}
	return asm.Block(module.Block, t, a, asm.Idx(module.Br, 0), b, asm.Op(0x1a)) // dead code at its end
}

// call calls a function before this one and keeps one of its results.
func (g *gen) call(t byte) []byte {
	if t == asm.I32 && g.r.IntN(6) == 0 {
		return asm.Cat(g.expr(asm.I32), asm.Call(0))
	}
	for range 3 {
		if len(g.funcs) == 0 {
			return nil
		}
		f := g.funcs[g.r.IntN(len(g.funcs))]
		if len(f.results) == 0 || f.results[0] != t {
			continue
		}
		c := asm.Cat(g.expr(asm.I32), g.expr(asm.I64), asm.Call(f.index))
		for range f.results[1:] {
			c = append(c, 0x1a)
		}
		return c
	}
	return nil
}

func (g *gen) int32() []byte {
	switch g.r.IntN(8) {
	case 0:
		return asm.Cat(g.expr(asm.I64), g.expr(asm.I64), asm.Op(byte(0x51+g.r.IntN(10))))
	case 1:
		return asm.Cat(g.expr(asm.F64), g.expr(asm.F64), asm.Op(byte(0x61+g.r.IntN(6))))
	case 2:
		return asm.Cat(g.address(), asm.Mem(byte([]int{0x28, 0x2c, 0x2d, 0x2e, 0x2f}[g.r.IntN(5)]), uint32(g.r.IntN(64))))
	case 3:
		return asm.Cat(g.expr(asm.V128), asm.Sub(module.SIMD, []uint32{83, 100}[g.r.IntN(2)]))
	case 4:
		return asm.Cat(g.expr(asm.I32), asm.Op([]byte{0x45, 0x67, 0x68, 0x69, 0xc0, 0xc1}[g.r.IntN(6)]))
	case 5:
		return [][]byte{asm.Op(0x3f, 0), asm.Idx(module.GlobalGet, 0), asm.Cat(g.expr(asm.I32), asm.Tee(2)),
			asm.Cat(g.expr(asm.F64), asm.Sub(module.Misc, 2))}[g.r.IntN(4)]
	}
	return asm.Cat(g.expr(asm.I32), g.expr(asm.I32), asm.Op(byte(0x6a+g.r.IntN(15))))
}

func (g *gen) int64() []byte {
	switch g.r.IntN(6) {
	case 0:
		return asm.Cat(g.expr(asm.I32), asm.Op(byte(0xac+g.r.IntN(2))))
	case 1:
		return asm.Cat(g.address(), asm.Mem(byte(0x30+g.r.IntN(6)), uint32(g.r.IntN(64))))
	case 2:
		return asm.Cat(g.expr(asm.I64), asm.Op([]byte{0x79, 0x7a, 0x7b, 0xc2, 0xc3, 0xc4}[g.r.IntN(6)]))
	case 3:
		return asm.Cat(g.expr(asm.V128), asm.Sub(module.SIMD, 29, byte(g.r.IntN(2))))
	}
	return asm.Cat(g.expr(asm.I64), g.expr(asm.I64), asm.Op(byte(0x7c+g.r.IntN(15))))
}

func (g *gen) float() []byte {
	switch g.r.IntN(3) {
	case 0:
		return asm.Cat(g.expr(asm.I32), asm.Op(0xb7))
	case 1:
		return asm.Cat(g.expr(asm.F64), asm.Op(byte(0x99+g.r.IntN(7))))
	}
	return asm.Cat(g.expr(asm.F64), g.expr(asm.F64), asm.Op(byte(0xa0+g.r.IntN(6))))
}

func (g *gen) vector() []byte {
	switch g.r.IntN(4) {
	case 0:
		return asm.Cat(g.address(), asm.Sub(module.SIMD, 0, 0, byte(g.r.IntN(64))))
	case 1:
		return asm.Cat(g.expr(asm.I64), asm.Sub(module.SIMD, 18))
	case 2:
		return asm.Cat(g.expr(asm.V128), g.expr(asm.V128), asm.Sub(module.SIMD, 13),
			[]byte{0, 17, 2, 19, 4, 21, 6, 23, 8, 25, 10, 27, 12, 29, 14, 31})
	}
	return asm.Cat(g.expr(asm.V128), g.expr(asm.V128), asm.Sub(module.SIMD, []uint32{35, 78, 81, 110, 174}[g.r.IntN(5)]))
}
