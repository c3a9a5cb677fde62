package lock_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// wasm is a scanner that takes its whole window for a finding.
func wasm(name string) []byte {
	m := (&asm.Module{}).AddScan(nil, asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4), asm.I32Const(1))
	return m.WithManifest(strings.Replace(asm.Manifest, `"test"`, `"`+name+`"`, 1))
}

func add(t *testing.T, s *lock.Store, b []byte, sig lock.Signed) lock.Entry {
	t.Helper()
	e, err := s.Add(b, sig)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// mask runs the installed scanners over a text.
func mask(t *testing.T, s *lock.Store, text string, o wasmhost.Options) string {
	t.Helper()
	installed, err := s.Scanners(func(string) wasmhost.Options { return o })
	if err != nil {
		t.Fatal(err)
	}
	var all []scan.Scanner
	for _, sc := range installed {
		t.Cleanup(func() { sc.Close() })
		all = append(all, sc)
	}
	set, err := rule.Compile(all, scan.Precise)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := rule.NewFilter(&out, set, nil)
	f.Write([]byte(text))
	f.Close()
	return out.String()
}

const text = "x acme_0123456789abcdef0123456789abcdef y"

func TestAddListRemove(t *testing.T) {
	s := &lock.Store{Dir: filepath.Join(t.TempDir(), "scanners")}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Fatalf("a folder that is not there: %v %v", all, err)
	}
	for _, name := range []string{"m", "z", "a"} {
		add(t, s, wasm(name), lock.Signed{})
	}
	add(t, s, wasm("m"), lock.Signed{}) // again
	all, err := s.List()
	if err != nil || len(all) != 3 || all[0].Name != "a" || all[1].Name != "m" || all[2].Name != "z" {
		t.Fatalf("%v %v", all, err)
	}
	for _, e := range all {
		if b, err := s.Verify(e); err != nil || !bytes.Equal(b, wasm(e.Name)) {
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	if got := mask(t, s, text, wasmhost.Options{}); got != "x [REDACTED:test-rule] y" {
		t.Errorf("%q", got)
	}
	if err := s.Remove("m"); err != nil {
		t.Error(err)
	}
	if err := s.Remove("m"); !errors.Is(err, lock.ErrNone) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "m.wasm")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if fi, err := os.Stat(filepath.Join(s.Dir, lock.File)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("lock file: %v %v", fi, err)
	}
}

// TestChangedFile: a module that changed after it was installed is not run; what
// it would have seen is masked, and the reason is reported.
func TestChangedFile(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"one byte":  func(p string) error { b := wasm("test"); b[len(b)-1] ^= 1; return os.WriteFile(p, b, 0o600) },
		"emptied":   func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"another":   func(p string) error { return os.WriteFile(p, wasm("other"), 0o600) },
		"very long": func(p string) error { return os.WriteFile(p, make([]byte, 8<<20), 0o600) },
		"gone":      os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			s := &lock.Store{Dir: t.TempDir()}
			e := add(t, s, wasm("test"), lock.Signed{})
			if err := change(filepath.Join(s.Dir, "test.wasm")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Verify(e); !errors.Is(err, lock.ErrChanged) && name != "gone" || err == nil {
				t.Errorf("verify: %v", err)
			}
			var cause error
			got := mask(t, s, text, wasmhost.Options{Report: func(f wasmhost.Failure) { cause = f.Cause }})
			if got != "x [REDACTED:scanner test failed] y" || cause == nil {
				t.Errorf("%q, %v", got, cause)
			}
			if got := mask(t, s, "no keyword in here", wasmhost.Options{}); got != "no keyword in here" {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestLockedManifest: the lock's copy of the manifest must be the module's.
func TestLockedManifest(t *testing.T) {
	s := &lock.Store{Dir: t.TempDir()}
	add(t, s, wasm("test"), lock.Signed{})
	edit(t, s, `"id": "test-rule"`, `"id": "harmless"`)
	if got := mask(t, s, text, wasmhost.Options{}); got != "x [REDACTED:scanner test failed] y" {
		t.Errorf("%q", got)
	}
}

func edit(t *testing.T, s *lock.Store, old, new string) {
	t.Helper()
	path := filepath.Join(s.Dir, lock.File)
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), old) {
		t.Fatalf("%s: %v, or %q is not in it", path, err, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBadLock(t *testing.T) {
	for name, c := range map[string][2]string{
		"version":     {`"version": 1`, `"version": 2`},
		"unknown key": {`"version": 1`, `"versoin": 1`},
		"not JSON":    {`{`, `<`},
		"climbs out":  {`"name": "test"`, `"name": "../../x"`},
		"two names":   {`"name": "test"`, `"name": "other"`},
		"no keyword":  {`"acme_"`, `""`},
	} {
		s := &lock.Store{Dir: t.TempDir()}
		add(t, s, wasm("test"), lock.Signed{})
		edit(t, s, c[0], c[1])
		if _, err := s.List(); !errors.Is(err, lock.ErrLock) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Add(wasm("new"), lock.Signed{}); !errors.Is(err, lock.ErrLock) {
			t.Errorf("%s: adding to it: %v", name, err)
		}
	}
}

func TestPin(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	pub2, key2, _ := ed25519.GenerateKey(nil)
	name := func(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }
	s := &lock.Store{Dir: t.TempDir()}
	b := wasm("test")
	refuse := func(why string, b []byte, sig lock.Signed) {
		t.Helper()
		if _, err := s.Add(b, sig); !errors.Is(err, lock.ErrSignature) {
			t.Errorf("%s: %v", why, err)
		}
	}
	refuse("no signature", b, lock.Signed{Key: name(pub)})
	refuse("another key's", b, lock.Signed{name(pub), ed25519.Sign(key2, b)})
	refuse("a key that is none", b, lock.Signed{"AAAA", ed25519.Sign(key, b)})
	add(t, s, b, lock.Signed{name(pub), []byte(base64.StdEncoding.EncodeToString(ed25519.Sign(key, b)) + "\n")})
	refuse("an update without a signature", b, lock.Signed{})
	refuse("an update with another key", b, lock.Signed{name(pub2), ed25519.Sign(key2, b)})
	refuse("an update signed over other bytes", append(b, 0, 1, 0), lock.Signed{"", ed25519.Sign(key, b)})
	if e := add(t, s, b, lock.Signed{"", ed25519.Sign(key, b)}); e.Key != name(pub) {
		t.Errorf("the pin is %q", e.Key)
	}
}

// TestAttest: the seam for a signature over the lock file.
func TestAttest(t *testing.T) {
	var last []byte
	s := &lock.Store{Dir: t.TempDir(), Record: func(b []byte) error { last = b; return nil },
		Attest: func(b []byte) error {
			if !bytes.Equal(b, last) {
				return errors.New("not the recorded one")
			}
			return nil
		}}
	add(t, s, wasm("test"), lock.Signed{})
	edit(t, s, `"size"`, `  "size"`)
	if _, err := s.Scanners(func(string) wasmhost.Options { return wasmhost.Options{} }); !errors.Is(err, lock.ErrLock) {
		t.Errorf("an edited lock: %v", err)
	}
	if err := os.Remove(filepath.Join(s.Dir, lock.File)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(); !errors.Is(err, lock.ErrLock) {
		t.Errorf("a lock that went away: %v", err)
	}
	s.Record = func([]byte) error { return errors.New("locked") }
	last = nil
	if _, err := s.Add(wasm("test"), lock.Signed{}); err == nil {
		t.Error("added without a record")
	}
}

func TestAddRefuses(t *testing.T) {
	s := &lock.Store{Dir: t.TempDir()}
	traps := (&asm.Module{}).AddScan(nil, asm.I64Const(1)).WithManifest("")
	for name, b := range map[string][]byte{"no module": []byte("text"), "code that does not validate": traps} {
		if _, err := s.Add(b, lock.Signed{}); err == nil {
			t.Errorf("%s was added", name)
		}
	}
	if all, err := filepath.Glob(filepath.Join(s.Dir, "*.wasm")); err != nil || len(all) != 0 {
		t.Errorf("left behind: %v %v", all, err)
	}
}

// TestAddAtOnce: of modules that are added at the same time none is lost.
func TestAddAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s := &lock.Store{Dir: dir}
			if _, err := s.Add(wasm(string(rune('a'+i))), lock.Signed{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all, err := (&lock.Store{Dir: dir}).List(); err != nil || len(all) != 8 {
		t.Errorf("%d of 8 are there: %v", len(all), err)
	}
}
