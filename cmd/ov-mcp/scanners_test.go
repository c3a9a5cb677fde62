package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/rules"
	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// TestInstalledScanners: what is installed masks here as it does in ov run; what
// cannot be run keeps the server from starting.
func TestInstalledScanners(t *testing.T) {
	home := t.TempDir()
	if o, _, err := masking(home, scan.Balanced); err != nil || len(o.Scanners) != len(builtin.All()) {
		t.Fatalf("without any: %d scanners, %v", len(o.Scanners), err)
	}
	store := &lock.Store{Dir: filepath.Join(home, "scanners")}
	wasm, err := os.ReadFile("../../sdk/scanner/testdata/c.wasm")
	if err == nil {
		_, err = store.Add(wasm, lock.Signed{})
	}
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := masking(home, scan.Balanced)
	if err != nil {
		t.Fatal(err)
	}
	set, err := redact.Compile(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := redact.NewWriter(&out, set, nil)
	w.Write([]byte("a acme_0123456789abcdef0123456789abcdef z"))
	if err := w.Close(); err != nil || out.String() != "a [REDACTED:acme-token] z" {
		t.Errorf("%q, %v", out.String(), err)
	}
	stream := (&asm.Module{}).AddScan(nil, asm.I32Const(0)).WithManifest(`{"abi":1,"name":"s","mode":"stream","rules":[{"id":"r"}]}`)
	if _, err := store.Add(stream, lock.Signed{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := masking(home, scan.Balanced); err == nil || !strings.Contains(err.Error(), "stream mode") {
		t.Errorf("a stream scanner: %v", err)
	}
	if err := os.WriteFile(filepath.Join(store.Dir, lock.File), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := masking(home, scan.Balanced); !errors.Is(err, lock.ErrLock) {
		t.Errorf("a broken lock: %v", err)
	}
}

// What was added to mask something is heeded here as it is by ov run, and stops
// the server when it is not what was added.
func TestRuleFiles(t *testing.T) {
	home := t.TempDir()
	dir := rules.Folder{Dir: filepath.Join(home, "scanners")}
	if _, err := dir.Add("acme.toml", []byte("[[rules]]\nid = \"acme\"\nkeywords = [\"acme_\"]\nregex = '''acme_[a-z0-9]{8}'''\n")); err != nil {
		t.Fatal(err)
	}
	o, _, err := masking(home, scan.Balanced)
	if err != nil || len(o.Scanners) != len(builtin.All())+1 {
		t.Fatalf("with a rule file: %d scanners, %v", len(o.Scanners), err)
	}
	if err := os.Remove(filepath.Join(home, "scanners", "acme.toml")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := masking(home, scan.Balanced); !errors.Is(err, rules.ErrChanged) {
		t.Errorf("a rule file that is gone: %v", err)
	}
}
