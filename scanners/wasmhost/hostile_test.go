package wasmhost

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

var window = []byte("acme_0123456789abcdef0123456789abcdef and what follows")

func load(t testing.TB, wasm []byte, o Options) *Scanner {
	t.Helper()
	s, err := Load(wasm, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// hostile are ov_scan functions that do not want to end, or want too much.
func hostile() map[string]struct {
	wasm []byte
	want error
} {
	type row = struct {
		wasm []byte
		want error
	}
	forever := func(code ...[]byte) []byte {
		return body(asm.Block(module.Loop, asm.Void, asm.Cat(code...), asm.Idx(module.Br, 0)), asm.I32Const(0))
	}
	with := func(f func(m *asm.Module) []byte) []byte {
		m := &asm.Module{}
		code := f(m)
		return m.AddScan(nil, code).WithManifest("")
	}
	i32s := []byte{asm.I32}
	return map[string]row{
		"infinite loop": {forever(), ErrFuel},
		"exponential recursion without a loop": {with(func(m *asm.Module) []byte {
			less := asm.Cat(asm.Get(0), asm.I32Const(1), asm.Op(0x6b), asm.Call(0))
			m.Func(i32s, i32s, nil, asm.Get(0), asm.Op(0x45), asm.Block(module.If, asm.Void, asm.I32Const(1), asm.Op(module.Return)), less, less, asm.Op(0x6a))
			return asm.Cat(asm.I32Const(60), asm.Call(0))
		}), ErrFuel},
		"deep recursion": {with(func(m *asm.Module) []byte {
			m.Func(i32s, i32s, nil, asm.Get(0), asm.Call(0), asm.I32Const(1), asm.Op(0x6a))
			return asm.Cat(asm.I32Const(1), asm.Call(0))
		}), ErrStack},
		"deep recursion with wide frames": {with(func(m *asm.Module) []byte {
			var hold, drop []byte
			for range 1500 {
				hold = append(hold, asm.Cat(asm.Get(0), asm.Mem(0x29, 0))...)
				drop = append(drop, 0x7c)
			}
			m.Memory(4, -1)
			m.Func(i32s, []byte{asm.I64}, nil, hold, asm.Get(0), asm.Call(0), drop)
			return asm.Cat(asm.I32Const(1), asm.Call(0), asm.Op(0xa7))
		}), ErrStack},
		"deep recursion with many joins": {with(func(m *asm.Module) []byte {
			const n = 300
			var turn, sum []byte
			for i := range uint32(n - 1) { // each turn of each loop gives every local a new value
				turn = append(turn, asm.Cat(asm.Get(i+1), asm.Get(i+2), asm.Set(i+1), asm.Set(i+2))...)
				sum = append(sum, asm.Cat(asm.Get(i+1), asm.Get(0), asm.Op(0x6a), asm.Set(0))...)
			}
			code := asm.Cat(asm.Get(0), asm.Call(0), asm.Set(0))
			for range 14 {
				code = asm.Block(module.Loop, asm.Void, turn, code, turn, asm.Get(1), asm.Op(0x0d, 0))
			}
			m.Func(i32s, i32s, slices.Repeat([]byte{asm.I32}, n), code, sum, asm.Get(0))
			return asm.Cat(asm.I32Const(1), asm.Call(0))
		}), ErrStack},
		"memory bomb": {forever(asm.I32Const(1), asm.Op(module.MemoryGrow, 0), asm.Op(0x1a)), ErrFuel},
		"table bomb": {with(func(m *asm.Module) []byte {
			m.Table(asm.ExtRef, 1, -1)
			return asm.Cat(asm.Block(module.Loop, asm.Void, asm.Op(0xd0, asm.ExtRef), asm.I32Const(100),
				asm.Sub(module.Misc, module.TableGrow, 0), asm.Op(0x1a), asm.Idx(module.Br, 0)), asm.I32Const(0))
		}), ErrFuel},
		"fills of all memory":    {forever(asm.I32Const(0), asm.I32Const(1), asm.I32Const(4<<16), asm.Sub(module.Misc, module.MemoryFill, 0)), ErrFuel},
		"division by zero":       {body(asm.I32Const(1), asm.I32Const(0), asm.Op(0x6d)), ErrTrap},
		"access out of bounds":   {body(asm.I32Const(-1), asm.Mem(0x28, 0)), ErrTrap},
		"unreachable":            {body(asm.Op(module.Unreachable)), ErrTrap},
		"an error of its own":    {body(asm.I32Const(-7)), ErrResult},
		"too many spans":         {body(asm.I32Const(maxSpans + 1)), ErrSpan},
		"span past the window":   {body(asm.Span(0, 30, 8, 0, 0), asm.I32Const(1)), ErrSpan},
		"span at 2^32-1":         {body(asm.Span(0, -1, 2, 0, 0), asm.I32Const(1)), ErrSpan},
		"span longer than all":   {body(asm.Span(0, 1, -1, 0, 0), asm.I32Const(1)), ErrSpan},
		"empty span":             {body(asm.Span(0, 1, 0, 0, 0), asm.I32Const(1)), ErrSpan},
		"span of no rule":        {body(asm.Span(0, 0, 5, 7, 0), asm.I32Const(1)), ErrSpan},
		"severity of nothing":    {body(asm.Span(0, 0, 5, 5<<16, 0), asm.I32Const(1)), ErrSpan},
		"confidence over 100":    {body(asm.Span(0, 0, 5, 101<<24, 0), asm.I32Const(1)), ErrSpan},
		"unknown span flag":      {body(asm.Span(0, 0, 5, 0, 2), asm.I32Const(1)), ErrSpan},
		"one good span, one bad": {body(asm.Span(0, 0, 5, 0, 0), asm.Span(1, 36, 2, 0, 0), asm.I32Const(2)), ErrSpan},
		"proc_exit": {with(func(m *asm.Module) []byte {
			f := m.Import(wasiModule, "proc_exit", i32s, nil)
			return asm.Cat(asm.I32Const(0), asm.Call(f), asm.I32Const(0))
		}), ErrTrap},
		"a loop around random_get": {with(func(m *asm.Module) []byte {
			f := m.Import(wasiModule, "random_get", []byte{asm.I32, asm.I32}, i32s)
			return asm.Cat(asm.Block(module.Loop, asm.Void, asm.I32Const(0), asm.I32Const(4<<16), asm.Call(f), asm.Op(0x1a), asm.Idx(module.Br, 0)), asm.I32Const(0))
		}), ErrFuel},
		"a loop around poll_oneoff": {with(func(m *asm.Module) []byte {
			f := m.Import(wasiModule, "poll_oneoff", []byte{asm.I32, asm.I32, asm.I32, asm.I32}, i32s)
			return asm.Cat(asm.Block(module.Loop, asm.Void, asm.I32Const(0), asm.I32Const(0), asm.I32Const(1000), asm.I32Const(0),
				asm.Call(f), asm.Op(0x1a), asm.Idx(module.Br, 0)), asm.I32Const(0))
		}), ErrFuel},
	}
}

// TestHostile: each masks its whole window under the failure's name, is cut
// within a bound, takes little of the host's memory, and the instance after it
// is a new one.
func TestHostile(t *testing.T) {
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			var got error
			s := load(t, c.wasm, Options{Report: func(f Failure) { got = f.Cause }})
			if err := s.Compile(); err != nil {
				t.Fatal(err)
			}
			before, cpu := heap(), cpuTime()
			spans, more := s.Check(0, window, 0, false)
			spent := cpuTime() - cpu
			grown := heap() - before
			want := []scan.Span{{Start: 0, End: 37, Rule: 1}}
			if more || fmt.Sprint(spans) != fmt.Sprint(want) {
				t.Errorf("spans %v, more %v; want %v", spans, more, want)
			}
			if !errors.Is(got, c.want) {
				t.Errorf("cause %v, want %v", got, c.want)
			}
			if strings.ContainsAny(got.Error(), "\n\x1b") {
				t.Errorf("cause has control characters: %q", got)
			}
			if s.hot.Load() != nil || len(s.idle) != 0 {
				t.Error("the instance is used again")
			}
			if spent > time.Second { // the figure is logged; this only catches what is not cut
				t.Errorf("cut after %v", spent)
			}
			if grown > 4<<20 {
				t.Errorf("the host's heap grew by %d KiB", grown>>10)
			}
			t.Logf("%v CPU, %d KiB: %v", spent, grown>>10, got)
		})
	}
}

// heap is all that was ever allocated, so that a peak counts. The memory of guests
// is not in it: it has its own cap.
func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.TotalAlloc)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
