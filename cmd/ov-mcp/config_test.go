package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const plainConfig = `{ "mcpServers": { // mine
  "github": {"command":"sh","args":["-c","read line; printf '{\"id\":1,\"token\":\"%s\"}\\n' \"$GITHUB_TOKEN\"; echo \"$GITHUB_TOKEN\" >&2; exit 6"],"env":{"GITHUB_TOKEN":"TOKEN","LOG":"debug"}}
}}
`

// run starts ov and returns its output and status.
func (w *world) run(stdin string, env []string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	var out, errs strings.Builder
	cmd := exec.Command(filepath.Join(w.bin, "ov"), args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = append(w.environ(), env...), strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// TestDoctor: a credential in a client's file is found, moved into the vault,
// used through wrap without being seen, and the file can be had back.
func TestDoctor(t *testing.T) {
	w := newWorld(t)
	token := "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
	file := filepath.Join(w.home, ".cursor", "mcp.json")
	config := strings.Replace(plainConfig, `"GITHUB_TOKEN":"TOKEN"`, `"GITHUB_TOKEN":"`+token+`"`, 1)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, code := w.run("", nil, "mcp", "doctor")
	if code != 1 || !strings.Contains(out, `server "github": GITHUB_TOKEN`) || strings.Contains(out, token) {
		t.Errorf("doctor: %d, %q", code, out)
	}
	if _, errs, code := w.run("", nil, "mcp", "doctor", "--fix", "--yes"); code != 0 || strings.Contains(errs, token) {
		t.Fatalf("doctor --fix: %d, %q", code, errs)
	}
	b, _ := os.ReadFile(file)
	if strings.Contains(string(b), token) || !strings.Contains(string(b), `"ov://default/development/GITHUB_TOKEN"`) || !strings.Contains(string(b), "// mine") {
		t.Errorf("the file is now %s", b)
	}
	out, errs, code := w.run("{}\n", []string{"GITHUB_TOKEN=ov://GITHUB_TOKEN"}, "mcp", "wrap", "--", "sh", "-c",
		`read line; printf '{"id":1,"token":"%s"}\n' "$GITHUB_TOKEN"; echo "$GITHUB_TOKEN" >&2; exit 6`)
	if code != 6 || out != `{"id":1,"token":"[REDACTED:GITHUB_TOKEN]"}`+"\n" || !strings.Contains(errs, "[REDACTED:GITHUB_TOKEN]") {
		t.Errorf("wrap: %d, %q, %q", code, out, errs)
	}
	if _, _, code := w.run("", nil, "mcp", "doctor", "--undo"); code != 0 {
		t.Errorf("undo: %d", code)
	}
	if b, _ := os.ReadFile(file); string(b) != config {
		t.Errorf("after undo the file is %s", b)
	}
}

// TestInstall: the entry that is written starts a server that answers.
func TestInstall(t *testing.T) {
	w := newWorld(t)
	if _, errs, code := w.run("", nil, "mcp", "install", "claude"); code != 0 {
		t.Fatalf("install: %d, %s", code, errs)
	}
	b, err := os.ReadFile(filepath.Join(w.home, ".claude.json"))
	if err != nil || !strings.Contains(string(b), filepath.Join(w.bin, "ov")) {
		t.Fatalf("%s, %v", b, err)
	}
	out, _, code := w.run(`{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n", nil, "mcp", "serve")
	if code != 0 || !strings.Contains(out, `"id":1`) {
		t.Errorf("serve: %d, %q", code, out)
	}
	for args, want := range map[string]int{"mcp install nope": 2, "mcp serve --colour": 2, "mcp wrap -- true": 2, "mcp nonsense": 2} {
		if _, errs, code := w.run("", nil, strings.Fields(args)...); code != want || !strings.HasPrefix(errs, "ov: ") {
			t.Errorf("ov %s: %d, %q, want %d", args, code, errs, want)
		}
	}
}

// TestDoctorElsewhere: a credential in an argument, a header, an address, or in
// an entry of an older form is found too; what no edit can move is left to the
// person, and the file as it is.
func TestDoctorElsewhere(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{
		".cursor/mcp.json": `{"mcpServers": {
  "args": {"command": "x", "args": ["-y", "--token", "` + token + `"]},
  "http": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ` + token + `", "X-Plain": "1"}},
  "address": {"url": "https://user:k8d7Fh2pQz9mWx4T@example.com/mcp"},
  "fine": {"command": "y", "args": ["--verbose", "serve"], "env": {"DEBUG": "1"}}}}`,
		".config/zed/settings.json":      `{"context_servers": {"old": {"command": {"path": "x", "args": [], "env": {"API_TOKEN": "` + token + `"}}}}}`,
		".config/opencode/opencode.json": `{"mcp": {"line": {"type": "local", "command": ["x", "serve"], "environment": {"API_TOKEN": "` + token + `"}}}}`,
	}
	for name, text := range files {
		path := filepath.Join(w.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, code := w.run("", nil, "mcp", "doctor")
	for _, want := range []string{`server "args": args[2], token holds`, `server "http": headers, Authorization holds`, `server "address": address, url holds`, `server "old": API_TOKEN holds`, `server "line": API_TOKEN holds`} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %s:\n%s", want, out)
		}
	}
	if code != 1 || strings.Count(out, "\n") != 5 || strings.Contains(out+errs, token) {
		t.Errorf("doctor: %d\n%s%s", code, out, errs)
	}
	_, errs, code = w.run("", nil, "mcp", "doctor", "--fix", "--yes")
	if code != 1 || strings.Count(errs, "yourself") != 5 || strings.Contains(errs, token) {
		t.Errorf("doctor --fix: %d\n%s", code, errs)
	}
	for name, text := range files {
		if b, err := os.ReadFile(filepath.Join(w.home, name)); err != nil || string(b) != text {
			t.Errorf("%s is now %s (%v)", name, b, err)
		}
	}
}
