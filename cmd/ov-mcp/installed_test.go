package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/rules"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

const acmeRule = "[[rules]]\nid = \"acme\"\nkeywords = [\"acme_\"]\nregex = '''acme_[a-z0-9]{8}'''\n"

// TestInstalledIsReadAgain: what is added or removed while the server runs counts
// from the next call on, together with its locks; what cannot be verified stops
// every call until it can, and is never answered with what was before.
func TestInstalledIsReadAgain(t *testing.T) {
	home := t.TempDir()
	var told []string
	in, err := newInstalled(home, scan.Balanced, func(line string) { told = append(told, line) })
	if err != nil {
		t.Fatal(err)
	}
	first, _ := in.masks()
	if again, err := in.masks(); again != first || err != nil || len(told) != 0 {
		t.Fatalf("nothing changed, yet: same %v, %v, told %q", again == first, err, told)
	}
	dir := rules.Folder{Dir: filepath.Join(home, "scanners")}
	if _, err := dir.Add("acme.toml", []byte(acmeRule)); err != nil {
		t.Fatal(err)
	}
	more, err := in.masks()
	if err != nil || len(more.Redact.Scanners) != len(builtin.All())+1 || more.Locks.Rules == "" || len(told) != 1 {
		t.Fatalf("after a rule file was added: %v, locks %+v, told %q", err, more, told)
	}
	file, lockFile := filepath.Join(dir.Dir, "acme.toml"), filepath.Join(dir.Dir, rules.LockFile)
	good, err := os.ReadFile(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	for what, wrong := range map[string]string{"emptied": "", "another sum": strings.Repeat("0", 64) + "  acme.toml\n", "garbage": "{"} {
		if err := os.WriteFile(lockFile, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // not only the first time
			if m, err := in.masks(); err == nil {
				t.Errorf("lock %s: %d scanners were used", what, len(m.Redact.Scanners))
			}
		}
	}
	if err := os.WriteFile(lockFile, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := in.masks(); err != nil || m.Locks != more.Locks {
		t.Errorf("the lock is back: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir.Dir, lock.File), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := in.masks(); !errors.Is(err, lock.ErrLock) {
		t.Errorf("a broken lock of modules: %v", err)
	}
	if err := os.Remove(filepath.Join(dir.Dir, lock.File)); err != nil {
		t.Fatal(err)
	}
	if err := dir.Remove("acme.toml"); err != nil {
		t.Fatal(err)
	}
	if m, err := in.masks(); err != nil || len(m.Redact.Scanners) != len(builtin.All()) || len(told) != 2 {
		t.Errorf("after it was removed: %v, told %q", err, told)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the rule file is still there")
	}
}

// TestInstalledUnreadable: a lock that cannot be read is no lock that is not there.
func TestInstalledUnreadable(t *testing.T) {
	home := t.TempDir()
	in, err := newInstalled(home, scan.Balanced, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(home, "scanners", lock.File), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := in.masks(); err == nil {
		t.Error("a folder in the lock's place was taken for no lock")
	}
}

// TestInstalledHammer: calls at once see masks and locks that belong together.
func TestInstalledHammer(t *testing.T) {
	home := t.TempDir()
	in, err := newInstalled(home, scan.Balanced, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	dir := rules.Folder{Dir: filepath.Join(home, "scanners")}
	none := agent.LockDigest([]byte{}) // a lock that names no file any more
	stop := make(chan struct{})
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// Between the file and its lock a call is refused: that is no fault.
				m, err := in.masks()
				if with := err == nil && m.Locks.Rules != "" && m.Locks.Rules != none; err == nil && (len(m.Redact.Scanners) > len(builtin.All())) != with {
					t.Errorf("%d scanners and the lock %q", len(m.Redact.Scanners), m.Locks.Rules)
					return
				}
			}
		})
	}
	for range 10 {
		if _, err := dir.Add("acme.toml", []byte(acmeRule)); err != nil {
			t.Error(err)
		}
		if err := dir.Remove("acme.toml"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	calls.Wait()
}

// TestScannerAddedLater is a person who adds a scanner while an agent works.
func TestScannerAddedLater(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	run := map[string]any{"command": []string{"sh", "-c", "echo acme_01234567 $CANARY"}}
	if out := p.ok("vault_run", run)["stdout"]; out != "acme_01234567 [REDACTED:CANARY]\n" {
		t.Fatalf("before: %q", out)
	}
	opened := p.ok("vault_inject_env", map[string]any{})["session_id"]

	file := filepath.Join(t.TempDir(), "acme.toml")
	if err := os.WriteFile(file, []byte(acmeRule), 0o600); err != nil {
		t.Fatal(err)
	}
	w.ov("", w.password, "scanner", "add", file)
	r := p.ok("vault_run", map[string]any{"command": []string{"sh", "-c", "printf 'acme_%s ' 01234567; echo $CANARY"}})
	if r["stdout"] != "[REDACTED:acme] [REDACTED:CANARY]\n" {
		t.Errorf("after: %q", r["stdout"])
	}
	if told, _ := r["warnings"].([]any); len(told) != 1 || !strings.Contains(told[0].(string), "read again") {
		t.Errorf("the call was told %v", r["warnings"])
	}
	p.fails("secret_in_argument", "vault_run", run) // the new rule looks at arguments too
	p.fails("session_expired", "vault_run", map[string]any{"session_id": opened, "command": []string{"true"}})

	// Attack: the rule is taken away without the password.
	installed := filepath.Join(w.home, ".ov", "scanners")
	if err := os.Remove(filepath.Join(installed, rules.LockFile)); err != nil {
		t.Fatal(err)
	}
	free := map[string]any{"command": []string{"sh", "-c", "echo $CANARY"}}
	p.fails("scanners_unusable", "vault_run", free) // the file without its lock
	if s := p.ok("vault_status", map[string]any{}); !strings.Contains(s["next_step"].(string), "scanner") {
		t.Errorf("vault_status: %v", s)
	}
	if err := os.Remove(filepath.Join(installed, "acme.toml")); err != nil {
		t.Fatal(err)
	}
	p.fails("scanners_unusable", "vault_run", free) // both gone: the vault remembers
	w.ov("", w.password, "scanner", "trust")
	if out := p.ok("vault_run", free)["stdout"]; out != "[REDACTED:CANARY]\n" {
		t.Errorf("trusted again: %q", out)
	}
}
