package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Attack: the lock files of installed scanners are deleted, edited, or put back
// as they were. No command starts, whatever the scanners would have found.
func TestAttackScannerLockFiles(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.leave(t)
	path, err := filepath.Abs("../../sdk/scanner/testdata/c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	rules := w.file(t, "acme.toml", "[[rules]]\nid = \"tick\"\nkeywords = [\"tick_\"]\nregex = '''tick_[a-z0-9]{8}'''\n")
	if got := w.must(t, "", "scanner", "add", rules); !strings.Contains(got.stderr, "no vault yet") {
		t.Errorf("without a vault: %s", got.stderr)
	}
	w.must(t, "", "vault", "init", "--kit", "kit")
	w.must(t, w.canary, "secret", "set", "CANARY", "--stdin")
	echo := []string{"run", "--", "sh", "-c", "echo " + token + " tick_0123abcd"}
	if got := w.must(t, "", echo...); !strings.Contains(got.stdout, "[REDACTED:tick]") {
		t.Fatalf("the rule file is not in use: %q", got.stdout)
	}
	w.must(t, "", "scanner", "add", "--yes", path)
	masked := "[REDACTED:acme-token] [REDACTED:tick]\n"
	if got := w.must(t, "", echo...); got.stdout != masked {
		t.Fatalf("%q, want %q", got.stdout, masked)
	}
	if got := w.must(t, "", "scanner", "verify"); !strings.Contains(got.stderr, "recorded in the vault") {
		t.Errorf("verify: %s", got.stderr)
	}
	dir := filepath.Dir(w.find(t, "scanners.lock"))
	for _, name := range []string{"scanners.lock", "rules.lock"} {
		file := filepath.Join(dir, name)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, damage := range map[string]func() error{
			"deleted": func() error { return os.Remove(file) },
			"edited":  func() error { return os.WriteFile(file, append(content, '\n'), 0o600) },
		} {
			if what == "edited" && name == "rules.lock" {
				continue // its own format refuses an empty line before that
			}
			if name == "rules.lock" {
				os.Rename(filepath.Join(dir, "acme.toml"), filepath.Join(dir, "acme.gone"))
			}
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{echo, {"redact"}} {
				got := w.ov(t, "x\n", args...)
				if got.stdout != "" || got.code == 0 || !strings.Contains(got.stderr, "not the recorded ones: "+name) || !strings.Contains(got.stderr, "ov scanner trust") {
					t.Errorf("%s %s, %s: %d %q %s", name, what, args[0], got.code, got.stdout, got.stderr)
				}
				if args[0] == "run" && got.code != 125 {
					t.Errorf("run exits %d", got.code)
				}
			}
			if got := w.ov(t, "", "scanner", "verify"); got.code == 0 {
				t.Errorf("%s %s: verify says nothing", name, what)
			}
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			os.Rename(filepath.Join(dir, "acme.gone"), filepath.Join(dir, "acme.toml"))
			if got := w.must(t, "", echo...); got.stdout != masked {
				t.Errorf("mended: %q", got.stdout)
			}
		}
	}
	// Neither change is made without the password, and an old lock is noticed.
	old, err := os.ReadFile(filepath.Join(dir, "scanners.lock"))
	if err != nil {
		t.Fatal(err)
	}
	password := w.env["OV_PASSWORD_FILE"]
	w.must(t, "", "unlock")
	delete(w.env, "OV_PASSWORD_FILE")
	for _, args := range [][]string{{"scanner", "remove", "hello-c"}, {"scanner", "remove", "acme.toml"}, {"scanner", "add", "--yes", path}, {"scanner", "trust"}} {
		if args[1] == "add" {
			continue // the same file: nothing to record
		}
		if got := w.ov(t, "", args...); got.code == 0 {
			t.Errorf("%q without the password: %s", args, got.stderr)
		}
	}
	if got := w.must(t, "", echo...); got.stdout != masked {
		t.Errorf("after refused changes: %q", got.stdout)
	}
	w.env["OV_PASSWORD_FILE"] = password
	w.must(t, "", "scanner", "remove", strings.Fields(w.must(t, "", "scanner", "list").stdout)[0])
	if err := os.WriteFile(filepath.Join(dir, "scanners.lock"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.ov(t, "", echo...); got.code != 125 {
		t.Errorf("an older lock: %d %s", got.code, got.stderr)
	}
	if got := w.ov(t, "", "scanner", "trust"); got.code == 0 || !strings.Contains(got.stderr, "no such file") {
		t.Errorf("trust with a module that is gone: %d %s", got.code, got.stderr)
	}
	if err := os.Remove(filepath.Join(dir, "scanners.lock")); err != nil {
		t.Fatal(err)
	}
	w.must(t, "", "scanner", "trust")
	if got := w.must(t, "", echo...); got.stdout != token+" [REDACTED:tick]\n" {
		t.Errorf("after trust: %q", got.stdout)
	}
}

// find returns the one file of this name below the world's home.
func (w *world) find(t *testing.T, name string) string {
	t.Helper()
	var found string
	filepath.WalkDir(filepath.Join(w.work, "home"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			found = path
		}
		return nil
	})
	if found == "" {
		t.Fatalf("no %s", name)
	}
	return found
}
