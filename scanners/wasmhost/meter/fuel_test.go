package meter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// count is a loop that runs as often as f's first argument says.
func count(body ...[]byte) []byte {
	return asm.Block(module.Block, asm.Void, asm.Block(module.Loop, asm.Void,
		asm.Get(0), asm.Op(0x45), asm.Idx(module.BrIf, 1),
		asm.Cat(body...),
		asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.Set(0), asm.Idx(module.Br, 0)))
}

// TestCharges holds the price of a construct against its count: what n more of
// it cost is n times what one costs, and never less than one a instruction.
func TestCharges(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		want int64 // for each iteration: 12 for the loop, and the body
	}{
		{"an empty loop", nil, 12},
		{"ten instructions", asm.Cat(asm.I32Const(1), asm.Op(0x1a), asm.I32Const(1), asm.Op(0x1a),
			asm.I32Const(1), asm.Op(0x1a), asm.I32Const(1), asm.Op(0x1a), asm.I32Const(1), asm.Op(0x1a)), 22},
		{"a load", asm.Cat(asm.I32Const(1), asm.Mem(0x28, 0), asm.Op(0x1a)), 16},
		{"a division", asm.Cat(asm.I32Const(1), asm.I32Const(1), asm.Op(0x6d), asm.Op(0x1a)), 23},
		{"a fill of nothing", asm.Cat(asm.I32Const(0), asm.I32Const(0), asm.I32Const(0), asm.Sub(module.Misc, module.MemoryFill, 0)), 23},
		{"a fill of 16,000 bytes", asm.Cat(asm.I32Const(0), asm.I32Const(0), asm.I32Const(16000), asm.Sub(module.Misc, module.MemoryFill, 0)), 1023},
		{"a copy of 1,600 bytes", asm.Cat(asm.I32Const(0), asm.I32Const(0), asm.I32Const(1600), asm.Sub(module.Misc, module.MemoryCopy, 0, 0)), 123},
		{"memory that cannot grow", asm.Cat(asm.I32Const(-1), asm.Op(module.MemoryGrow, 0), asm.Op(0x1a)), 12 + 2 + 1024 + 16*4096},
		{"a host call", asm.Cat(asm.Get(0), asm.Call(0), asm.Op(0x1a)), 12 + 2 + 1024},
		{"a call: 3, and the frame of one parameter", asm.Cat(asm.Get(0), asm.Call(1), asm.Op(0x1a)), 12 + 2 + 3 + 4 + 1 + 1},
		{"both sides of an if", asm.Cat(asm.Get(0), asm.Block(module.If, asm.Void, asm.I32Const(1), asm.Op(0x1a), asm.Op(module.Else), asm.Op(1))), 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &asm.Module{}
			m.Import("env", "host", i32s, i32s)
			m.Memory(1, -1)
			m.Func(i32s, i32s, nil, asm.Get(0))
			export(m, count(c.body), asm.Get(0))
			for _, e := range engines(t) {
				g := e.load(t, rewrite(t, m.Bytes()))
				paid := func(n uint64) int64 {
					g.fuel(1 << 40)
					if o := g.call("f", 0, n, 0); o.Trap != "" {
						t.Fatal(o.Trap)
					}
					return 1<<40 - g.left()
				}
				zero, one, many := paid(0), paid(1), paid(1000)
				if one-zero != c.want || many-zero != 1000*c.want {
					t.Errorf("%s: one costs %d, a thousand %d, want %d each", e.name, one-zero, many-zero, c.want)
				}
			}
		})
	}
}

// runaways never end by themselves, or take all there is.
func runaways() map[string]*asm.Module {
	all := map[string]*asm.Module{}
	add := func(name string, build func(m *asm.Module)) {
		m := &asm.Module{}
		m.Import("env", "host", i32s, i32s)
		m.Memory(1, -1)
		m.Table(asm.ExtRef, 1, -1)
		build(m)
		all[name] = m
	}
	forever := func(body ...[]byte) []byte {
		return asm.Cat(asm.Block(module.Loop, asm.Void, asm.Cat(body...), asm.Idx(module.Br, 0)), asm.I32Const(0))
	}
	add("infinite loop", func(m *asm.Module) { export(m, forever()) })
	add("loop around memory.grow", func(m *asm.Module) {
		export(m, forever(asm.I32Const(1), asm.Op(module.MemoryGrow, 0), asm.Op(0x1a)))
	})
	add("loop around large fills", func(m *asm.Module) {
		export(m, forever(asm.I32Const(0), asm.I32Const(1), asm.I32Const(65536), asm.Sub(module.Misc, module.MemoryFill, 0)))
	})
	add("loop around table.grow", func(m *asm.Module) {
		export(m, forever(asm.Op(0xd0, asm.ExtRef), asm.I32Const(1000), asm.Sub(module.Misc, module.TableGrow, 0), asm.Op(0x1a)))
	})
	add("loop around table.fill", func(m *asm.Module) {
		export(m, asm.Op(0xd0, asm.ExtRef), asm.I32Const(1000), asm.Sub(module.Misc, module.TableGrow, 0), asm.Op(0x1a),
			forever(asm.I32Const(0), asm.Op(0xd0, asm.ExtRef), asm.I32Const(1000), asm.Sub(module.Misc, module.TableFill, 0)))
	})
	add("loop around a host call", func(m *asm.Module) { export(m, forever(asm.I32Const(1), asm.Call(0), asm.Op(0x1a))) })
	add("exponential recursion, no loop", func(m *asm.Module) {
		// f(n) calls f(n-1) twice, forty deep
		g := m.Func(i32s, i32s, nil, asm.Get(0), asm.Op(0x45), asm.Block(module.If, asm.Void, asm.I32Const(1), asm.Op(module.Return)),
			asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.Call(1), asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.Call(1), asm.Op(0x6a))
		export(m, asm.I32Const(40), asm.Call(g))
	})
	add("exponential through a table, no loop", func(m *asm.Module) {
		m.Table(asm.FuncRef, 1, 1)
		t := byte(m.Type(i32s, i32s))
		next := asm.Cat(asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.I32Const(0), asm.Op(module.CallIndirect, t, 1))
		g := m.Func(i32s, i32s, nil, asm.Get(0), asm.Op(0x45), asm.Block(module.If, asm.Void, asm.I32Const(1), asm.Op(module.Return)),
			next, next, asm.Op(0x6a))
		m.Elem(2, 1, 0x41, 0, 0x0b, 0, 1, byte(g))
		export(m, asm.I32Const(40), asm.Call(g))
	})
	add("straight line of fills behind a call tree", func(m *asm.Module) {
		var fills [][]byte
		for range 200 {
			fills = append(fills, asm.I32Const(0), asm.I32Const(1), asm.I32Const(65536), asm.Sub(module.Misc, module.MemoryFill, 0))
		}
		g := m.Func(i32s, i32s, nil, asm.Cat(fills...), asm.Get(0))
		var calls [][]byte
		for range 1000 {
			calls = append(calls, asm.I32Const(0), asm.Call(g), asm.Op(0x1a))
		}
		export(m, asm.Cat(calls...), asm.I32Const(0))
	})
	return all
}

// TestRunaways: each is cut, by fuel.
func TestRunaways(t *testing.T) {
	for name, m := range runaways() {
		t.Run(name, func(t *testing.T) {
			for _, e := range engines(t) {
				g := e.load(t, rewrite(t, m.Bytes()))
				g.fuel(1e7)
				start := time.Now()
				o := g.call("f", 0, 1, 1)
				if !strings.Contains(o.Trap, "unreachable") || g.left() >= 0 {
					t.Errorf("%s: %q with %d units left", e.name, o.Trap, g.left())
				}
				t.Logf("%s: cut after %v", e.name, time.Since(start))
			}
		})
	}
}

// TestStack: recursion is cut by the stack that it takes, however wide its
// frames, with fuel for much more.
func TestStack(t *testing.T) {
	slim := &asm.Module{}
	slim.Func(i32s, i32s, nil, asm.Get(0), asm.Call(0), asm.I32Const(1), asm.Op(0x6a))
	slim.Export("f", module.KindFunc, 0)
	wide := &asm.Module{}
	wide.Func(i32s, i32s, nil)
	values, drops := []byte{}, []byte{}
	for range 500 { // as many vectors as a frame can be made to hold
		values = append(values, asm.Cat(asm.Get(0), asm.Sub(module.SIMD, 17), asm.Get(0), asm.Sub(module.SIMD, 17), asm.Sub(module.SIMD, 174))...)
		drops = append(drops, asm.Sub(module.SIMD, 81)...)
	}
	wide.Body(asm.Cat([]byte{0}, values, asm.Get(0), asm.Call(0), asm.Sub(module.SIMD, 17), drops,
		asm.Sub(module.SIMD, 27, 0), asm.Op(module.End))...)
	wide.Export("f", module.KindFunc, 0)
	indirect := &asm.Module{}
	indirect.Table(asm.FuncRef, 1, 1)
	indirect.Func(i32s, i32s, nil, asm.Get(0), asm.I32Const(0), asm.Op(module.CallIndirect, 0, 0), asm.I32Const(1), asm.Op(0x6a))
	indirect.Active(0, 0)
	indirect.Export("f", module.KindFunc, 0)
	for name, m := range map[string]*asm.Module{"slim frames": slim, "wide frames": wide, "through a table": indirect} {
		e := engines(t)[0] // the interpreter has a limit of its own
		g := e.load(t, rewrite(t, m.Bytes()))
		g.fuel(1 << 40)
		if o := g.call("f", 0, 1); !strings.Contains(o.Trap, "unreachable") || g.stack() >= 0 {
			t.Errorf("%s: %q with %d bytes of stack left", name, o.Trap, g.stack())
		}
		if g.left() < 1<<39 {
			t.Errorf("%s: fuel was cut, not the stack", name)
		}
	}
}

func TestLimits(t *testing.T) {
	body := func(code ...[]byte) func(m *asm.Module) { return func(m *asm.Module) { export(m, code...) } }
	for _, c := range []struct {
		name  string
		build func(m *asm.Module)
		want  string // "" for none
	}{
		{"memory at its limit", func(m *asm.Module) { m.Memory(16, -1) }, ""},
		{"memory over it", func(m *asm.Module) { m.Memory(17, -1) }, "memory of 17 pages is larger"},
		{"a table over its limit", func(m *asm.Module) { m.Table(asm.FuncRef, 1025, -1) }, "table of 1025 elements"},
		{"a start section", func(m *asm.Module) { m.Start(m.Func(nil, nil, nil)) }, "start section"},
		{"an export of the meter's name", func(m *asm.Module) {
			m.Global(asm.I64, true, asm.I64Const(1)...)
			m.Export(meter.Fuel, module.KindGlobal, 0)
		}, "the meter's own name"},
		{"an imported global", func(m *asm.Module) { m.ImportRaw("env", "g", module.KindGlobal, asm.I64, 1) }, "is not a function"},
		{"too much code", func(m *asm.Module) { export(m, make([]byte, meter.MaxBody), asm.Get(0)) }, "bytes of code"},
		{"too many locals", func(m *asm.Module) {
			export(m)
			m.Body(1, 0xff, 0xff, 0x03, asm.I32, 0x41, 0, 0x0b)
		}, "65537 locals are more than"},
		{"locals beyond counting", func(m *asm.Module) {
			export(m)
			m.Body(2, 0xff, 0xff, 0xff, 0xff, 0x0f, asm.I32, 0xff, 0xff, 0xff, 0xff, 0x0f, asm.I32, 0x41, 0, 0x0b)
		}, "locals are more than"},
		{"too many blocks", body(asm.Cat(repeat(meter.MaxBlocks, asm.Block(module.Block, asm.Void))), asm.Get(0)), "blocks and branches"},
		{"a long branch table", body(asm.Get(0), module.AppendU32([]byte{module.BrTable}, 1<<14), make([]byte, 1<<14+1)), "blocks and branches"},
		{"a branch table that lies", body(asm.Get(0), module.AppendU32([]byte{module.BrTable}, 1<<31)), "truncated"},
		{"too many loops", body(asm.Cat(repeat(meter.MaxLoops+1, asm.Block(module.Loop, asm.Void))), asm.Get(0)), "257 loops are more than 256"},
		{"too many loops in all", func(m *asm.Module) {
			for range meter.MaxTotalLoops/meter.MaxLoops + 1 {
				m.Func(nil, nil, nil, repeat(meter.MaxLoops, asm.Block(module.Loop, asm.Void)))
			}
		}, "16640 loops are more than 16384"},
		{"locals times blocks", func(m *asm.Module) {
			export(m)
			m.Body(asm.Cat([]byte{1, 0xe8, 0x07, asm.I32}, repeat(3000, asm.Block(module.Block, asm.Void)), asm.I32Const(1), asm.Op(module.End))...)
		}, "locals times"},
		{"too many globals", func(m *asm.Module) {
			for range meter.MaxGlobals + 1 {
				m.Global(asm.I32, true, asm.I32Const(1)...)
			}
		}, "globals are more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &asm.Module{}
			c.build(m)
			p, err := module.Parse(m.Bytes())
			if err == nil {
				_, err = meter.Rewrite(p, limits)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func repeat(n int, b []byte) []byte {
	var out []byte
	for range n {
		out = append(out, b...)
	}
	return out
}
