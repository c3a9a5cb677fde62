package wasmhost

import (
	"errors"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// aging makes a guest that answers n windows and then does what code says.
func aging(n int32, code ...[]byte) []byte {
	m := &asm.Module{}
	age := m.Global(asm.I32, true, asm.I32Const(0)...)
	older := asm.Cat(asm.Idx(module.GlobalGet, age), asm.I32Const(1), asm.Op(0x6a), asm.Idx(module.GlobalSet, age))
	old := asm.Cat(asm.Idx(module.GlobalGet, age), asm.I32Const(n), asm.Op(0x4a), asm.Block(module.If, asm.Void, code...))
	return m.AddScan(nil, asm.Cat(older, old, asm.Span(0, 0, 5, 0, 0), asm.I32Const(1))).WithManifest("")
}

// TestWorn: a guest that has answered many windows and then fails for want of
// fuel or memory is replaced, and its window asked again. Nothing is said of it.
func TestWorn(t *testing.T) {
	loop := asm.Block(module.Loop, asm.Void, asm.Idx(module.Br, 0))
	for name, code := range map[string][]byte{"out of fuel": loop, "out of memory": asm.Op(module.Unreachable)} {
		s := load(t, aging(wornCalls, code), Options{Report: func(f Failure) { t.Errorf("%s: failure %v", name, f.Cause) }})
		for i := range 3 * wornCalls {
			spans, more := s.Check(0, window, 0, false)
			if more || len(spans) != 1 || spans[0].Rule != 0 || spans[0].End != 5 {
				t.Fatalf("%s: window %d: %v, more %v", name, i, spans, more)
			}
		}
		if c := s.Counts(); c.Renewed != 2 || c.Failures != 0 || c.Calls != 3*wornCalls {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestNotWorn: one that fails earlier is a failure, and so is what a new guest
// fails on too.
func TestNotWorn(t *testing.T) {
	for name, c := range map[string]struct {
		wasm []byte
		want error
	}{
		"young":           {aging(wornCalls/2, asm.Op(module.Unreachable)), ErrTrap},
		"an error it has": {aging(wornCalls, asm.I32Const(-1), asm.Op(module.Return)), ErrResult},
	} {
		var causes []error
		s := load(t, c.wasm, Options{Report: func(f Failure) { causes = append(causes, f.Cause) }})
		for range wornCalls + 1 {
			s.Check(0, window, 0, false)
		}
		if len(causes) != 1 || !errors.Is(causes[0], c.want) || s.Counts().Renewed != 0 {
			t.Errorf("%s: causes %v, %+v", name, causes, s.Counts())
		}
	}
	// Shown a window that no guest can take, an old one is replaced once, no more.
	var causes int
	s := load(t, body(asm.Get(0), asm.I32Const(20), asm.Op(0x4a), asm.Block(module.If, asm.Void, asm.Op(module.Unreachable)), asm.I32Const(0)), Options{Report: func(Failure) { causes++ }})
	for range wornCalls {
		s.Check(0, window[:10], 0, true)
	}
	if spans, _ := s.Check(0, window, 0, false); len(spans) != 1 || spans[0].Rule != s.failed || causes != 1 || s.Counts().Renewed != 1 {
		t.Errorf("%v, %d failures, %+v", spans, causes, s.Counts())
	}
}
