package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/rules"
)

// The guides to scanners are run as they stand: docs/scanners.md and
// docs/writing-a-scanner.md.

// guide returns a file of docs.
func guide(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the indented blocks of a guide.
func blocks(text string) []string {
	var all []string
	in := false
	for line := range strings.Lines(text) {
		code, ok := strings.CutPrefix(line, "    ")
		switch {
		case ok && !in:
			all, in = append(all, code), true
		case ok:
			all[len(all)-1] += code
		case in && strings.TrimSpace(line) == "":
			all[len(all)-1] += "\n"
		default:
			in = false
		}
	}
	return all
}

// guided is a world in which the commands of a guide have something to work on.
func guided(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, t.TempDir())
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	tools := w.dir(t, "tools")
	for name, script := range map[string]string{
		"aws":          `printf 'AWS_SESSION_TOKEN=IQoJb3JpZ2luX2Vj'; printf aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY3zA5bC7dE9fG1hJ2kL4mN6pQ8rS0tU; echo`,
		"some-command": `echo "out $CANARY ghp_16C7e42F292c6912E7710c838347Ae178B4a"; echo "err ghp_16C7e42F292c6912E7710c838347Ae178B4a" >&2`,
	} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.env["PATH"] = bin + ":" + tools + ":" + os.Getenv("PATH")
	w.file(t, ".env", "GITHUB_TOKEN=ghp_16C7e42F292c6912E7710c838347Ae178B4a\n")
	w.dir(t, ".cursor")
	w.file(t, ".cursor/mcp.json", `{"mcpServers": {"x": {"env": {"GITHUB_TOKEN": "ghp_16C7e42F292c6912E7710c838347Ae178B4a"}}}}`)
	w.must(t, "", "vault", "init", "--kit", "kit")
	w.must(t, w.canary, "secret", "set", "CANARY", "--stdin")
	w.shell(t, `rm kit && git init -q . && git add .env && git -c user.name=x -c user.email=x@example.com commit -qm x`)
	return w
}

// shell runs a line as a person would and returns what it printed, all of it, and
// its status.
func (w *world) shell(t *testing.T, line string) (string, int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env, cmd.Dir = w.environ(), w.work
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestScannersGuide runs the commands of docs/scanners.md, holds its transcript
// against what they print, and reads its rule file.
func TestScannersGuide(t *testing.T) {
	all := blocks(guide(t, "scanners.md"))
	if len(all) != 3 {
		t.Fatalf("%d blocks, want 3: commands, a transcript, a rule file", len(all))
	}
	w := guided(t)
	defer w.leave(t)
	comment := regexp.MustCompile(`\s{2,}#.*`)
	for line := range strings.Lines(all[0]) {
		line = strings.TrimSpace(comment.ReplaceAllString(line, ""))
		out, code := w.shell(t, line)
		want := 3 // found
		if !strings.HasPrefix(line, "ov scan") {
			want = 0
		}
		if code != want || strings.Contains(out, "16C7e42F") || strings.Contains(out, w.canary) {
			t.Errorf("%s: status %d, want %d:\n%s", line, code, want, out)
		}
		if strings.HasPrefix(line, "ov run") && !strings.Contains(out, "[REDACTED:aws-session-token]") {
			t.Errorf("%s: %s", line, out)
		}
	}
	report, err := os.ReadFile(filepath.Join(w.work, "report.txt"))
	if err != nil || strings.Count(string(report), "[REDACTED:github-pat]") != 2 {
		t.Errorf("report.txt: %v, %q", err, report)
	}
	transcript(t, w, all[1])
	f, err := rules.Parse("guide.toml", []byte(all[2]), true)
	if err != nil || f.Len != 2 || len(f.Notes) != 0 {
		t.Errorf("the rule file: %v, %+v", err, f)
	}
}

// transcript runs the lines that begin with a dollar and compares what follows
// them.
func transcript(t *testing.T, w *world, text string) {
	t.Helper()
	for step := range strings.SplitSeq(text, "$ ") {
		line, want, _ := strings.Cut(step, "\n")
		if line == "" {
			continue
		}
		if out, _ := w.shell(t, line); strings.TrimSpace(out) != strings.TrimSpace(want) {
			t.Errorf("$ %s\nprints\n%s\nand not\n%s", line, out, want)
		}
	}
}

// TestWritingGuide builds the function of docs/writing-a-scanner.md, looks for the
// checks that it lists, and signs a module by its commands.
func TestWritingGuide(t *testing.T) {
	text := guide(t, "writing-a-scanner.md")
	w := guided(t)
	defer w.leave(t)
	// 1. The function, in a new scanner in C.
	if _, err := exec.LookPath("clang"); err == nil {
		w.must(t, "", "scanner", "new", "c", "my-token")
		const helper = `#include "ov_scanner.h"
static int is_token(const uint8_t *b) {
    for (int i = 5; i < 37; i++) if (!((b[i] >= '0' && b[i] <= '9') || (b[i] >= 'a' && b[i] <= 'f'))) return 0;
    return b[0] == 'a' && b[1] == 'c' && b[2] == 'm' && b[3] == 'e' && b[4] == '_';
}
`
		w.file(t, "my-token/my-token.c", helper+fenced(t, text, "c"))
		if out, code := w.shell(t, "cd my-token && ./build.sh && ov scanner pack my-token.wasm && cp my-token.wasm .."); code != 0 {
			t.Fatalf("build: %s", out)
		}
	} else if os.Getenv("CI") == "true" {
		t.Error("no clang: the function of the guide is not built")
	} else {
		w.shell(t, "cp "+committed(t)+" my-token.wasm")
	}
	// 2. The kit checks what the guide says that it does.
	out, code := w.shell(t, "ov scanner test my-token.wasm")
	if code != 0 {
		t.Errorf("the kit: %s", out)
	}
	_, section, _ := strings.Cut(text, "## What the kit checks")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || strings.Contains(line, "---") || strings.Contains(line, "| check |") {
			continue
		}
		for what := range strings.SplitSeq(cells[1], ",") {
			if rows++; !strings.Contains(out, strings.TrimSpace(what)) {
				t.Errorf("the kit does not check %q:\n%s", what, out)
			}
		}
	}
	if rows < 12 {
		t.Errorf("the guide lists %d checks", rows)
	}
	signed(t, w, fenced(t, text, "sh"))
}

// signed runs the guide's commands that sign a module.
func signed(t *testing.T, w *world, script string) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Error("no openssl: the guide's signature is not made")
		}
		return
	}
	key := ""
	for line := range strings.Lines(script) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "        #")
		if strings.HasPrefix(line, "ov scanner add") {
			line = strings.Replace(line, "PUBLIC_KEY", key, 1) + " --yes"
		}
		out, code := w.shell(t, line)
		if code != 0 {
			t.Fatalf("%s: %s", line, out)
		}
		if strings.Contains(line, "base64") {
			key = strings.TrimSpace(out)
		}
	}
	if got := w.must(t, "", "run", "--", "echo", token); got.stdout != "[REDACTED:acme-token]\n" {
		t.Errorf("installed, it masks %q", got.stdout)
	}
	if out, code := w.shell(t, "rm my-token.wasm.sig && ov scanner add --yes my-token.wasm"); code == 0 || !strings.Contains(out, "signature") {
		t.Errorf("a later version is taken without a signature: %s", out)
	}
}

// fenced returns the one block of a language.
func fenced(t *testing.T, text, lang string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "```"+lang+"\n")
	code, after, closed := strings.Cut(rest, "```")
	if !ok || !closed || strings.Contains(after, "```"+lang+"\n") {
		t.Fatalf("want one block of %s", lang)
	}
	return code
}

// committed is a scanner in C that was built before.
func committed(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../sdk/scanner/testdata/c.wasm")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
