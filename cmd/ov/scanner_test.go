package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

const token = "acme_0123456789abcdef0123456789abcdef"

// goModule builds the Go scanner by the steps that ov prints.
func goModule(t *testing.T, w *world) string {
	t.Helper()
	steps := w.must(t, "", "scanner", "new", "go", "hello-go").stdout
	command, _, _ := strings.Cut(steps, "\n")
	cmd := exec.Command("sh", "-euc", command)
	cmd.Dir = filepath.Join(w.work, "hello-go")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	path := filepath.Join(cmd.Dir, "hello-go.wasm")
	w.must(t, "", "scanner", "pack", path)
	return path
}

// TestScannersMaskRealOutput installs a module of each SDK language and runs a
// command whose output only that module can mask.
func TestScannersMaskRealOutput(t *testing.T) {
	for _, lang := range []string{"c", "rust", "assemblyscript", "go"} {
		t.Run(lang, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			defer w.leave(t)
			w.must(t, "", "vault", "init", "--kit", "kit")
			w.must(t, w.canary, "secret", "set", "CANARY", "--stdin")
			echo := []string{"run", "--", "sh", "-c", "echo before " + token + " $CANARY after; echo " + token + " >&2"}
			if got := w.must(t, "", echo...); !strings.Contains(got.stdout, token) {
				t.Fatalf("masked without the scanner: %q", got.stdout)
			}
			path, err := filepath.Abs("../../sdk/scanner/testdata/" + lang + ".wasm")
			if err != nil {
				t.Fatal(err)
			}
			if lang == "go" {
				path = goModule(t, w)
			}
			w.must(t, "", "scanner", "add", "--yes", path)
			got := w.must(t, "", echo...)
			if want := "before [REDACTED:acme-token] [REDACTED:CANARY] after\n"; got.stdout != want {
				t.Errorf("%q, want %q; stderr %q", got.stdout, want, got.stderr)
			}
			if strings.Contains(got.stderr, token) || !strings.Contains(got.stderr, "[REDACTED:acme-token]") {
				t.Errorf("stderr %q", got.stderr)
			}
			if got := w.must(t, token+"\n", "redact"); got.stdout != "[REDACTED:acme-token]\n" {
				t.Errorf("redact: %q", got.stdout)
			}
			if got := w.must(t, "", "audit", "show", "--json"); !strings.Contains(got.stdout, "acme-token") {
				t.Errorf("the audit log does not count it: %s", got.stdout)
			}
			if got := w.ov(t, "one\nx "+token+"\n", "scan", "--stdin"); got.code != 3 || !strings.HasPrefix(got.stdout, "stdin:2:3: acme-token: acme****") {
				t.Errorf("scan: %d, %q, %q", got.code, got.stdout, got.stderr)
			}
		})
	}
}

// TestScannerVerbs goes through the life of a module that is installed, changed
// behind ov's back, and removed.
func TestScannerVerbs(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.leave(t)
	w.must(t, "", "vault", "init", "--kit", "kit")
	path, err := filepath.Abs("../../sdk/scanner/testdata/c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.must(t, "", "scanner", "list"); got.stdout != "" {
		t.Errorf("list: %q", got.stdout)
	}
	if got := w.must(t, "", "scanner", "test", "--windows", "200", path); !strings.Contains(got.stdout, "compiler against interpreter") || strings.Contains(got.stdout, "FAIL") {
		t.Errorf("test: %s", got.stdout)
	}
	if got := w.must(t, "", "scanner", "bench", path); !strings.Contains(got.stdout, "MB/s") {
		t.Errorf("bench: %s", got.stdout)
	}
	if got := w.ov(t, "", "scanner", "add", path); got.code != 1 || !strings.Contains(got.stderr, "--yes") {
		t.Errorf("add without a terminal: %d %s", got.code, got.stderr)
	}
	w.must(t, "", "scanner", "add", "--yes", path)
	if got := w.must(t, "", "scanner", "list"); !strings.Contains(got.stdout, "acme-token") {
		t.Errorf("list: %q", got.stdout)
	}
	w.must(t, "", "scanner", "verify")

	name := strings.Fields(w.must(t, "", "scanner", "list").stdout)[0]
	installed, err := filepath.Glob(filepath.Join(w.work, "home", "*", "scanners", name+".wasm"))
	if err != nil || len(installed) != 1 {
		t.Fatalf("%v %v", installed, err)
	}
	b, err := os.ReadFile(installed[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(installed[0], append(b, 0, 1, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := w.ov(t, "", "scanner", "verify"); got.code != 1 || !strings.Contains(got.stderr, "not the one that was installed") {
		t.Errorf("verify: %d %s", got.code, got.stderr)
	}
	got := w.must(t, "", "run", "--", "echo", "a", token, "z")
	if want := "a [REDACTED:scanner " + name + " failed] z\n"; got.stdout != want || !strings.Contains(got.stderr, "not the one that was installed") {
		t.Errorf("a changed module: %q, want %q; %s", got.stdout, want, got.stderr)
	}
	if got := w.must(t, "", "audit", "show", "--json"); !strings.Contains(got.stdout, "scanner "+name+" failed") {
		t.Errorf("the audit log does not tell of the failure: %s", got.stdout)
	}
	w.must(t, "", "scanner", "remove", name)
	if got := w.must(t, "", "run", "--", "echo", token); got.stdout != token+"\n" {
		t.Errorf("after remove: %q", got.stdout)
	}
	if got := w.ov(t, "", "scanner", "remove", name); got.code != 5 {
		t.Errorf("removed twice: %d %s", got.code, got.stderr)
	}
}

// TestScannerBadInput: each mistake is told, with the status of its kind.
func TestScannerBadInput(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.leave(t)
	text := w.file(t, "text.wasm", "#!/bin/sh\n")
	bad := w.file(t, "bad.toml", "name = \"x\"\nkeywrods = []\n")
	good, err := filepath.Abs("../../sdk/scanner/testdata/c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"scanner", "add", text}, 1, "not a WebAssembly module"},
		{[]string{"scanner", "add", "nowhere.wasm"}, 1, "no such file"},
		{[]string{"scanner", "add", "--yes", "--key", "AAAA", good}, 1, "signature"},
		{[]string{"scanner", "test", text}, 1, ""},
		{[]string{"scanner", "pack", "-m", bad, good}, 1, `unknown key "keywrods"`},
		{[]string{"scanner", "pack", text}, 1, ""},
		{[]string{"scanner", "bench", text}, 1, "not a WebAssembly module"},
		{[]string{"scanner", "new", "cobol", "x"}, 2, "want one of go, c, rust, assemblyscript"},
		{[]string{"scanner", "new", "c"}, 2, "1 arguments, want 2"},
		{[]string{"scanner", "ad"}, 2, "unknown command"},
	} {
		if got := w.ov(t, "", c.args...); got.code != c.code || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%v: %d, want %d: %s", c.args, got.code, c.code, got.stderr)
		}
	}
}

// TestStreamScanner: a module of stream mode sees all output of a run, behind
// the masking of values, and what it holds comes out at the end.
func TestStreamScanner(t *testing.T) {
	w := newWorld(t, t.TempDir())
	defer w.leave(t)
	w.must(t, "", "vault", "init", "--kit", "kit")
	w.must(t, w.canary, "secret", "set", "CANARY", "--stdin")
	first := asm.Cat(asm.I32Const(asm.In), asm.Mem(0x2d, 0))
	wasm := (&asm.Module{}).AddScan(nil, // all of a window that starts with S; [ traps
		first, asm.I32Const('['), asm.Op(0x46), asm.Block(module.If, asm.Void, asm.Op(module.Unreachable)),
		asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4), first, asm.I32Const('S'), asm.Op(0x46)).
		WithManifest(`{"abi":1,"name":"flow","mode":"stream","max_window":64,"rules":[{"id":"starts-with-s"}]}`)
	w.must(t, "", "scanner", "add", "--yes", w.file(t, "flow.wasm", string(wasm)))
	for _, c := range []struct{ script, stdout, stderr string }{
		{"echo Secret", "[REDACTED:starts-with-s]", ""},
		{"echo no secret; echo S >&2", "no secret\n", "[REDACTED:starts-with-s]"},
		{"echo S $CANARY", "[REDACTED:starts-with-s]", ""},
		{"echo is $CANARY", "is [REDACTED:CANARY]\n", ""},
		{"echo $CANARY", "[REDACTED:scanner flow failed]", ""},
	} {
		got := w.must(t, "", "run", "--", "sh", "-c", c.script)
		if strings.TrimSpace(got.stdout) != strings.TrimSpace(c.stdout) || !strings.Contains(got.stderr, c.stderr) {
			t.Errorf("%s: %q and %q", c.script, got.stdout, got.stderr)
		}
	}
	if got := w.must(t, "Some text", "redact"); got.stdout != "[REDACTED:starts-with-s]" {
		t.Errorf("redact: %q", got.stdout)
	}
	audit := w.must(t, "", "audit", "show", "--json").stdout
	if n := strings.Count(audit, `{"rule":"starts-with-s","n":1}`); n != 4 {
		t.Errorf("the audit log counts %d runs of 4:\n%s", n, audit)
	}
	if got := w.ov(t, "", "run", "--pty", "--", "echo", "x"); got.code != 125 || !strings.Contains(got.stderr, "needs pipes") {
		t.Errorf("on a terminal: %d %s", got.code, got.stderr)
	}
}
