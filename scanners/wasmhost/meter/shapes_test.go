package meter_test

import (
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

var (
	i32s = []byte{asm.I32}
	pair = []byte{asm.I32, asm.I64}
)

// shapes are modules with one thing each that the meter must leave intact. They
// export f(i32, i64) -> i32, and some globals.
var shapes = map[string]struct {
	globals int
	build   func(m *asm.Module)
}{
	"nothing but a function": {0, func(m *asm.Module) { export(m, asm.Get(0)) }},
	"imports before functions": {0, func(m *asm.Module) {
		h := m.Import("env", "host", i32s, i32s)
		inner := m.Func(i32s, i32s, nil, asm.Get(0), asm.Call(h), asm.Call(h))
		export(m, asm.Get(0), asm.Call(inner))
	}},
	"exported globals, mutable and not": {3, func(m *asm.Module) {
		m.Global(asm.I32, true, asm.I32Const(5)...)
		m.Global(asm.I64, false, asm.I64Const(-7)...)
		m.Global(asm.I64, true, asm.I64Const(9)...)
		for i, name := range []string{"g0", "g1", "g2"} {
			m.Export(name, module.KindGlobal, uint32(i))
		}
		export(m, asm.Get(0), asm.Idx(module.GlobalSet, 0), asm.Get(1), asm.Idx(module.GlobalGet, 1), asm.Op(0x7c),
			asm.Idx(module.GlobalSet, 2), asm.Idx(module.GlobalGet, 0))
	}},
	"globals that hold functions": {0, func(m *asm.Module) {
		a := m.Func(nil, i32s, nil, asm.I32Const(11))
		m.Table(asm.FuncRef, 2, -1)
		m.Global(asm.FuncRef, false, asm.Idx(module.RefFunc, a)...)
		m.Elem(3, 0, 1, byte(a)) // declared
		export(m, asm.I32Const(1), asm.Idx(module.GlobalGet, 0), asm.Idx(0x26, 0),
			asm.I32Const(1), []byte{module.CallIndirect, byte(m.Type(nil, i32s)), 0})
	}},
	"element segments of all eight kinds": {0, func(m *asm.Module) {
		a := byte(m.Func(nil, i32s, nil, asm.I32Const(1)))
		b := byte(m.Func(nil, i32s, nil, asm.I32Const(20)))
		m.Table(asm.FuncRef, 16, 32)
		m.Elem(0, 0x41, 0, 0x0b, 1, a)                                    // active
		m.Elem(1, 0, 2, b, a)                                             // passive
		m.Elem(2, 0, 0x41, 2, 0x0b, 0, 1, b)                              // active, with a table
		m.Elem(3, 0, 1, a)                                                // declared
		m.Elem(4, 0x41, 3, 0x0b, 1, 0xd2, a, 0x0b)                        // active, expressions
		m.Elem(5, asm.FuncRef, 2, 0xd2, b, 0x0b, 0xd0, asm.FuncRef, 0x0b) // passive, expressions
		m.Elem(6, 0, 0x41, 4, 0x0b, asm.FuncRef, 1, 0xd2, b, 0x0b)        // active, table, expressions
		m.Elem(7, asm.FuncRef, 1, 0xd2, a, 0x0b)                          // declared, expressions
		init := func(seg byte, at int32) []byte {
			return asm.Cat(asm.I32Const(at), asm.I32Const(0), asm.I32Const(2), asm.Sub(module.Misc, module.TableInit, seg, 0))
		}
		export(m, init(1, 6), init(5, 8), asm.Sub(module.Misc, 13, 5), asm.Get(0), asm.I32Const(15), asm.Op(0x71),
			[]byte{module.CallIndirect, byte(m.Type(nil, i32s)), 0})
	}},
	"data segments, counted": {0, func(m *asm.Module) {
		m.Memory(1, -1)
		m.Data(3, []byte("active"))
		m.Data(-1, []byte("passive"))
		m.DataCount()
		export(m, asm.I32Const(40), asm.I32Const(1), asm.I32Const(4), asm.Sub(module.Misc, module.MemoryInit, 1, 0),
			asm.Sub(module.Misc, 9, 1), asm.Get(0), asm.I32Const(63), asm.Op(0x71), asm.Mem(0x28, 0))
	}},
	"custom sections": {0, func(m *asm.Module) {
		m.Custom("name", []byte{0, 3, 2, 'm', 'm', 1, 4, 1, 0, 1, 'f'})
		m.Custom("producers", []byte("not what it should be"))
		export(m, asm.Get(0))
	}},
	"many results, by every way out": {0, func(m *asm.Module) {
		three := []byte{asm.I32, asm.I64, asm.I32}
		leaf := m.Func(pair, three, nil, asm.Get(0), asm.Get(1), asm.Get(0),
			asm.Get(0), asm.Idx(module.BrIf, 0), asm.Op(module.Return))
		outer := m.Func(pair, three, nil, asm.Get(0), asm.Get(1), asm.Call(leaf),
			asm.Get(0), asm.I32Const(7), asm.Op(0x46), asm.Idx(module.BrIf, 0), // br_if to the function
			asm.Get(0), asm.Op(0x45), asm.Block(module.If, asm.Void, asm.I32Const(1), asm.I64Const(2), asm.I32Const(3), asm.Op(module.Return)),
			asm.Get(0), []byte{module.BrTable, 1, 0, 0})
		export(m, asm.Get(0), asm.Get(1), asm.Call(outer), asm.Set(0), asm.Op(0xa7), asm.Op(0x6a), asm.Get(0), asm.Op(0x6a))
	}},
	"a loop with parameters and results": {0, func(m *asm.Module) {
		t := m.Type([]byte{asm.I32, asm.I32}, i32s)
		export(m, asm.Get(0), asm.I32Const(9), asm.Op(module.Loop), module.AppendInt(nil, int64(t)),
			asm.I32Const(1), asm.Op(0x6b), asm.Tee(0), asm.Op(0x6a), asm.Get(0), asm.Get(0), asm.I32Const(0), asm.Op(0x4a),
			asm.Idx(module.BrIf, 0), asm.Op(0x6a), asm.Op(module.End))
	}},
	"nested loops, each with its own count": {0, func(m *asm.Module) {
		export(m, asm.I32Const(5), asm.Set(2), asm.Block(module.Loop, asm.Void,
			asm.I32Const(4), asm.Set(3), asm.Block(module.Loop, asm.Void,
				asm.Get(0), asm.Get(3), asm.Op(0x6a), asm.Set(0),
				asm.Get(3), asm.I32Const(1), asm.Op(0x6b), asm.Tee(3), asm.Idx(module.BrIf, 0)),
			asm.Get(2), asm.I32Const(1), asm.Op(0x6b), asm.Tee(2), asm.Idx(module.BrIf, 0)), asm.Get(0))
	}},
	"tables of references": {0, func(m *asm.Module) {
		m.Table(asm.ExtRef, 2, -1)
		m.Table(asm.FuncRef, 1, 5)
		m.Elem(3, 0, 1, 0)
		export(m, asm.Op(0xd0, asm.ExtRef), asm.Get(0), asm.I32Const(15), asm.Op(0x71), asm.Sub(module.Misc, module.TableGrow, 0),
			asm.Idx(module.RefFunc, 0), asm.Get(0), asm.I32Const(7), asm.Op(0x71), asm.Sub(module.Misc, module.TableGrow, 1), asm.Op(0x6a),
			asm.I32Const(0), asm.Op(0xd0, asm.ExtRef), asm.I32Const(2), asm.Sub(module.Misc, module.TableFill, 0),
			asm.I32Const(0), asm.Idx(0x25, 1), asm.Op(0xd1), asm.Op(0x6a), asm.Sub(module.Misc, 16, 1), asm.Op(0x6a))
	}},
	"sign extension, saturation, vectors": {0, func(m *asm.Module) {
		m.Memory(1, 2)
		export(m, asm.Get(0), asm.Op(0xc0), asm.Get(0), asm.Op(0xc1), asm.Op(0x6a), asm.Get(1), asm.Op(0xc4), asm.Op(0xa7), asm.Op(0x6a),
			asm.Get(1), asm.Op(0xb9), asm.Sub(module.Misc, 2), asm.Op(0x6a),
			asm.Sub(module.SIMD, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), asm.Get(0), asm.Sub(module.SIMD, 28, 2),
			asm.I32Const(8), asm.Op(0x20, 0), asm.Sub(module.SIMD, 17), asm.Sub(module.SIMD, 91, 3, 0, 1),
			asm.I32Const(0), asm.Sub(module.SIMD, 92, 2, 8), asm.Sub(module.SIMD, 174), asm.Sub(module.SIMD, 27, 1), asm.Op(0x6a))
	}},
	"numbers written longer than they need": {2, func(m *asm.Module) {
		m.Global(asm.I32, true, 0x41, 0x85, 0x80, 0x00)
		m.Global(asm.I64, true, 0x42, 0x85, 0x80, 0x80, 0x00)
		m.Export("g0", module.KindGlobal, 0)
		m.Export("g1", module.KindGlobal, 1)
		export(m)
		m.Body(0x81, 0x80, 0x00, 0x82, 0x80, 0x00, asm.I32, // one group of two locals
			0x20, 0x80, 0x80, 0x00, 0x22, 0x83, 0x00, 0x24, 0x80, 0x00,
			0x03, 0x40, 0x20, 0x83, 0x80, 0x00, 0x41, 0x81, 0x00, 0x6b, 0x22, 0x03, 0x41, 0x00, 0x4a, 0x0d, 0x80, 0x00, 0x0b,
			0x23, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b)
	}},
	"select with a type, and dead code": {0, func(m *asm.Module) {
		inner := m.Func(i32s, i32s, nil, asm.Get(0), asm.Get(0), asm.Get(0), asm.Op(0x1c, 1, asm.I32), asm.Op(module.Return),
			asm.Op(module.Return), asm.Block(module.Loop, asm.Void, asm.Idx(module.Br, 0)), asm.I32Const(1))
		export(m, asm.Get(0), asm.Call(inner), asm.Op(module.Return), asm.Op(module.Unreachable))
	}},
	"a thousand locals of each type": {0, func(m *asm.Module) {
		export(m)
		m.Body(5, 0xe8, 0x07, asm.I32, 100, asm.I64, 100, asm.F32, 100, asm.F64, 100, asm.V128,
			0x41, 7, 0x21, 0xe9, 0x07, 0x20, 0xe9, 0x07, 0x20, 0, 0x6a, 0x0b)
	}},
	"recursion that ends": {0, func(m *asm.Module) {
		f := uint32(0)
		m.Func(i32s, i32s, nil, asm.Get(0), asm.I32Const(63), asm.Op(0x71), asm.Tee(0), asm.Op(0x45),
			asm.Block(module.If, asm.Void, asm.I32Const(1), asm.Op(module.Return)),
			asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.Call(f), asm.Get(0), asm.Op(0x6a))
		export(m, asm.Get(0), asm.Call(f), asm.Get(0), asm.I32Const(3), asm.Op(0x6a), asm.Call(f), asm.Op(0x6a))
	}},
}

// export adds f, with two i32 locals after its parameters.
func export(m *asm.Module, code ...[]byte) {
	f := m.Func(pair, i32s, []byte{asm.I32, asm.I32}, code...)
	m.Export("f", module.KindFunc, f)
}

func TestShapes(t *testing.T) {
	es := engines(t)
	for name, s := range shapes {
		t.Run(name, func(t *testing.T) {
			m := &asm.Module{}
			s.build(m)
			same(t, es, m.Bytes(), "f", s.globals, someArgs...)
		})
	}
}
