package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOlderVault opens a vault that the first version wrote: its secrets, its
// history and its log are whole, and it can be written and rotated.
func TestOlderVault(t *testing.T) {
	w := newWorld(t, t.TempDir())
	t.Cleanup(func() { w.leave(t) })
	home := filepath.Join(w.env["HOME"], ".ov")
	copyTree(t, "testdata/vault-1", home)
	if err := os.WriteFile(w.env["OV_PASSWORD_FILE"], []byte("the password of 2026-11\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ov := func(want string, args ...string) {
		t.Helper()
		cmd := exec.Command(w.env["OV_PROGRAM"], args...)
		cmd.Env, cmd.Dir = w.environ(), w.work
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("ov %s: %v, want %q\n%s", strings.Join(args, " "), err, want, out)
		}
	}
	const whole = `test "$FIRST" = "a first value, 2026" && test "$PORT" = 8080 && echo "$FIRST"`
	ov("[REDACTED:FIRST]", "run", "--", "sh", "-c", whole)
	ov("old", "secret", "info", "FIRST")
	ov("1 ", "secret", "history", "shop/production/SECOND")
	ov("6 of 6 records are readable", "vault", "verify")
	ov("unbroken", "audit", "verify")
	ov("restored", "secret", "restore", "GONE")
	ov("version 3", "secret", "rollback", "shop/production/SECOND", "--to", "1")
	ov("", "vault", "rotate")
	ov("readable", "vault", "verify")
	ov("[REDACTED:FIRST]", "run", "--", "sh", "-c", whole)
	ov("unbroken", "audit", "verify")
}

// copyTree copies a fixture as a vault's folder is: closed to others.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
