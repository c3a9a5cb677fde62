package wasmhost

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
)

// large is the finder with enough data in it to be worth keeping.
func large(t *testing.T) []byte {
	t.Helper()
	m := &asm.Module{}
	m.Memory(16, -1)
	m.Data(1<<18, bytes.Repeat([]byte("data "), CacheMin/5+1))
	m.AddScan(nil, asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4), asm.I32Const(1))
	return m.WithManifest("")
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestCache: the second run takes the compiled code of the first, and only that.
func TestCache(t *testing.T) {
	tmp, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	c := &Cache{Dir: dir, Key: bytes.Repeat([]byte{7}, 32)}
	run := func(c *Cache) *Scanner {
		s := load(t, large(t), Options{Cache: c})
		if got := mask(t, "a "+digits+" z", 5, s); got != "a [REDACTED:test-rule] z" {
			t.Fatalf("%q", got)
		}
		s.Close()
		if left := entries(t, tmp); len(left) != 0 {
			t.Fatalf("private copies are left: %v", left)
		}
		return s
	}
	hit := func(s *Scanner) bool { return s.program.kept != nil && s.program.kept.hit != nil }
	if hit(run(c)) {
		t.Error("the first run took something from an empty cache")
	}
	files := entries(t, dir)
	if len(files) != 1 {
		t.Fatalf("kept %v", files)
	}
	if !hit(run(c)) {
		t.Error("the second run did not use the cache")
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"a bit of the code": flip(good, len(good)-100), "a bit of the MAC": flip(good, 3), "a length": flip(good, 33),
		"cut short": good[:len(good)/2], "emptied": {}, "only the MAC": good[:32],
	} {
		if err := os.WriteFile(files[0], bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if hit(run(c)) {
			t.Errorf("%s changed, and it was used", name)
		}
		if !hit(run(c)) {
			t.Errorf("%s changed, and a good entry did not take its place", name)
		}
	}
	if hit(run(&Cache{Dir: dir, Key: bytes.Repeat([]byte{8}, 32)})) {
		t.Error("another key verifies it")
	}
	if hit(run(&Cache{Dir: dir, Key: []byte("short")})) || hit(run(nil)) {
		t.Error("a cache without a key is used")
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// TestCacheNames: an entry verifies under its own name alone, so one module's
// code cannot be put in another's place.
func TestCacheNames(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), Key: bytes.Repeat([]byte{7}, 32)}
	body := (&entry{Metered: []byte("m"), Files: map[string][]byte{"f": []byte("x")}}).encode()
	a, b := filepath.Join(c.Dir, "a.ovc"), filepath.Join(c.Dir, "b.ovc")
	c.write(a, body)
	if e, err := c.read(a); err != nil || string(e.Metered) != "m" || string(e.Files["f"]) != "x" {
		t.Fatalf("%v %v", e, err)
	}
	if err := os.Rename(a, b); err != nil {
		t.Fatal(err)
	}
	if _, err := c.read(b); err == nil {
		t.Error("it verifies under another name")
	}
}

// TestSmallModulesAreNotKept: compiling them takes less than a look at a disk.
func TestSmallModulesAreNotKept(t *testing.T) {
	c := &Cache{Dir: t.TempDir(), Key: bytes.Repeat([]byte{7}, 32)}
	s := load(t, finder(), Options{Cache: c})
	if err := s.Compile(); err != nil {
		t.Fatal(err)
	}
	if files := entries(t, c.Dir); len(files) != 0 {
		t.Errorf("kept %v", files)
	}
}
