package lock_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// big is a scanner that is large enough for its code to be kept.
func big(name string) []byte {
	m := &asm.Module{}
	m.Memory(16, -1)
	m.Data(1<<18, bytes.Repeat([]byte("data "), 60_000))
	m.AddScan(nil, asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4), asm.I32Const(1))
	return m.WithManifest(strings.Replace(asm.Manifest, `"test"`, `"`+name+`"`, 1))
}

// TestCodeIsPinned: machine code is run only as the lock names it, and only where
// somebody vouches for the lock.
func TestCodeIsPinned(t *testing.T) {
	s := &lock.Store{Dir: t.TempDir(), Vouched: true}
	e := add(t, s, big("big"), lock.Signed{})
	path := filepath.Join(s.Dir, "big.code")
	good, err := os.ReadFile(path)
	if err != nil || e.Code == "" {
		t.Fatalf("no code is kept: %v, %q", err, e.Code)
	}
	code := func(s *lock.Store) func() ([]byte, error) {
		all, err := s.Scanners(func(string) wasmhost.Options { return wasmhost.Options{} })
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].Options().Code
	}
	if b, err := code(s)(); err != nil || !bytes.Equal(b, good) {
		t.Errorf("the code is not handed on: %v", err)
	}
	if code(&lock.Store{Dir: s.Dir}) != nil {
		t.Error("nobody vouches for the lock, and code is taken from it")
	}
	for name, bad := range map[string][]byte{"changed": append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), "empty": {}} {
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := code(s)(); !errors.Is(err, lock.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if got := mask(t, s, text, wasmhost.Options{}); got != "x [REDACTED:test-rule] y" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := mask(t, s, text, wasmhost.Options{}); got != "x [REDACTED:test-rule] y" {
		t.Errorf("without its code: %q", got)
	}
	if err := s.Remove("big"); err != nil {
		t.Error(err)
	}
}

// TestCodeOfALockIsVerified: who edits the lock to name code of his own is found
// out before the lock is trusted.
func TestCodeOfALockIsVerified(t *testing.T) {
	s := &lock.Store{Dir: t.TempDir()}
	e := add(t, s, big("big"), lock.Signed{})
	if err := s.VerifyCode(e); err != nil {
		t.Errorf("fresh: %v", err)
	}
	e.Code = strings.Repeat("0", 64)
	if err := s.VerifyCode(e); !errors.Is(err, lock.ErrChanged) {
		t.Errorf("other code: %v", err)
	}
	small := add(t, s, wasm("small"), lock.Signed{})
	if err := s.VerifyCode(small); err != nil || small.Code != "" {
		t.Errorf("a small one: %v, %q", err, small.Code)
	}
	small.Code = strings.Repeat("0", 64)
	if err := s.VerifyCode(small); !errors.Is(err, lock.ErrChanged) {
		t.Errorf("code of a small one: %v", err)
	}
	// A version that is small takes the place of a large one, code and all.
	if _, err := s.Add(wasm("big"), lock.Signed{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "big.code")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the code of the version before is left: %v", err)
	}
}
