package wasmhost

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// bombs are modules within the limits that are as hard to compile as we know how
// to make them.
func bombs() map[string][]byte {
	many := func(n int, b []byte) []byte {
		var out []byte
		for range n {
			out = append(out, b...)
		}
		return out
	}
	with := func(funcs int, locals int, code []byte) []byte {
		m := &asm.Module{}
		group := append(module.AppendU32([]byte{1}, uint32(locals)), asm.I64)
		for range funcs {
			m.Func([]byte{asm.I32}, nil, nil)
			m.Body(asm.Cat(group, code, asm.Op(module.End))...)
		}
		return m.AddScan(nil, asm.I32Const(0)).WithManifest("")
	}
	// each block changes a local, so that every local has a value of its own at every join
	join := func(locals, blocks int) []byte {
		var code []byte
		for i := range blocks {
			l := uint32(1 + i%locals)
			code = append(code, asm.Cat(asm.Get(0), asm.Block(module.If, asm.Void, asm.Get(l), asm.I64Const(int64(i)), asm.Op(0x7c), asm.Set(l)))...)
		}
		return code
	}
	loops := func(locals, n int) []byte {
		var code []byte
		for i := range n {
			l := uint32(1 + i%locals)
			code = append(code, asm.Block(module.Loop, asm.Void, asm.Get(l), asm.I64Const(1), asm.Op(0x7c), asm.Set(l), asm.Get(0), asm.Idx(module.BrIf, 0))...)
		}
		return code
	}
	nest := func(op byte, n int) []byte {
		return asm.Cat(many(n, asm.Op(op, asm.Void)), many(n, asm.Op(module.End)))
	}
	return map[string][]byte{
		"one function of joins":    with(1, 260, join(260, 4000)),
		"many functions of joins":  with(4, 260, join(260, 4000)),
		"one function of loops":    with(1, 2000, loops(2000, 250)),
		"many functions of loops":  with(60, 130, loops(130, 250)),
		"nested loops":             with(60, 100, nest(module.Loop, meter.MaxLoops)),
		"nested blocks":            with(4, 100, nest(module.Block, meter.MaxBlocks-2)),
		"straight code to the end": with(28, 1, many(meter.MaxBody/8-2, asm.Cat(asm.Get(1), asm.I64Const(77), asm.Op(0x7c), asm.Set(1)))),
		"very many functions":      with(16000, 0, asm.Op(1)),
	}
}

// TestCompileBombs: what passes the limits compiles in bounded time and memory.
func TestCompileBombs(t *testing.T) {
	quick := map[string]bool{"one function of joins": true, "one function of loops": true, "nested loops": true, "very many functions": true}
	for name, wasm := range bombs() {
		t.Run(name, func(t *testing.T) {
			if !quick[name] && os.Getenv("ATTACK") == "" {
				t.Skip("make attack runs it")
			}
			s, err := Load(wasm, Options{})
			if err != nil {
				t.Fatal(err) // it shows nothing then
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			cpu := cpuTime()
			err = s.Compile()
			spent := cpuTime() - cpu
			runtime.ReadMemStats(&after)
			s.Close()
			t.Logf("%d bytes: %v CPU, %d MiB allocated, %v", len(wasm), spent, (after.TotalAlloc-before.TotalAlloc)>>20, err)
			if spent > time.Minute || after.TotalAlloc-before.TotalAlloc > 4<<30 {
				t.Error("that is too much")
			}
		})
	}
}
