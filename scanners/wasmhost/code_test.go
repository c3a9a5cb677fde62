package wasmhost

import (
	"bytes"
	"errors"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
)

// large is the finder with enough data in it to be worth keeping.
func large(t testing.TB) []byte {
	t.Helper()
	m := &asm.Module{}
	m.Memory(16, -1)
	m.Data(1<<18, bytes.Repeat([]byte("data "), codeMin/5+1))
	m.AddScan(nil, asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4), asm.I32Const(1))
	return m.WithManifest("")
}

// compiled returns the code of a module.
func compiled(t testing.TB, wasm []byte) []byte {
	t.Helper()
	s := load(t, wasm, Options{Keep: true})
	if err := s.Compile(); err != nil {
		t.Fatal(err)
	}
	return s.Code()
}

// used runs a module with code at hand and reports whether it was used: then the
// engine asked for nothing to be kept.
func used(t testing.TB, wasm []byte, code func() ([]byte, error)) bool {
	t.Helper()
	s := load(t, wasm, Options{Code: code})
	if got := mask(t, "a "+digits+" z", 5, s); got != "a [REDACTED:test-rule] z" {
		t.Fatalf("%q", got)
	}
	return s.program.kept != nil
}

// TestCode: code that was kept is what runs, and is the same each time.
func TestCode(t *testing.T) {
	wasm := large(t)
	code := compiled(t, wasm)
	if len(code) < codeMin {
		t.Fatalf("%d bytes of code", len(code))
	}
	if !bytes.Equal(compiled(t, wasm), code) {
		t.Error("compiled twice, it is not the same")
	}
	if !used(t, wasm, func() ([]byte, error) { return code, nil }) {
		t.Error("it is not used")
	}
	// The engine did not compile: its own cache is as it was handed in.
	s := load(t, wasm, Options{Code: func() ([]byte, error) { return code, nil }, Keep: true})
	if err := s.Compile(); err != nil || !bytes.Equal(s.Code(), code) {
		t.Errorf("used, it has changed: %v", err)
	}
}

// TestBadCode: what is not the code of this module, whole, is not used, and the
// module is compiled.
func TestBadCode(t *testing.T) {
	wasm := large(t)
	code := compiled(t, wasm)
	head := len(codeVersion)
	other := bytes.Replace(wasm, []byte("data data"), []byte("data dato"), 1)
	for name, bad := range map[string][]byte{
		"nothing": nil, "no version": flip(code, 3), "of another module": compiled(t, other), "other memory": flip(code, head+32),
		"only a head": code[:head+36], "a length too long": flip(code, head+36+7), "cut short": code[:len(code)-1], "cut in a key": code[:len(code)-len(code)/2],
	} {
		if used(t, wasm, func() ([]byte, error) { return bad, nil }) {
			t.Errorf("%s: it is used", name)
		}
	}
	if used(t, wasm, func() ([]byte, error) { return code, errors.New("the lock says another digest") }) {
		t.Error("code is used that nobody vouches for")
	}
	if used(t, wasm, nil) {
		t.Error("code is used that is not there")
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// TestSmallModulesAreNotKept: compiling them takes less than reading them back.
func TestSmallModulesAreNotKept(t *testing.T) {
	if code := compiled(t, finder()); code != nil {
		t.Errorf("%d bytes are kept", len(code))
	}
}

// TestEngineTakesOurCache fails when a new version of the engine has no place for
// it: nothing would be kept then, and modules in Go start slowly.
func TestEngineTakesOurCache(t *testing.T) {
	c := engineCache{}
	cache := c.open()
	if cache == nil {
		t.Fatal("wazero's compilation cache is not as it was: see engineCache.open")
	}
	cache.Close(t.Context())
}
