package leaktest

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// programs are commands that print a shape of the table. The first word of tool
// says what the command needs beside the shell.
var programs = []struct{ shape, tool, command string }{
	{"base64", "base64", `printf %s "$TOKEN" | base64 -w0`},
	{"basic authorization", "base64", `printf 'user:%s' "$TOKEN" | base64 -w0`},
	{"base64 with text after", "base64", `printf '%s\nLANG=C\n' "$TOKEN" | base64 -w0`},
	{"base64 wrapped at 20", "base64", `printf %s "$TOKEN" | base64 -w20 | tr -d = | sed '$ s/.$//'`},
	{"base64 twice", "base64", `printf %s "$TOKEN" | base64 -w0 | base64 -w0`},
	{"base64 of a key, wrapped at 76", "base64", `printf '%s\n' "$KEY" | base64`},
	{"base32", "base32", `printf %s "$TOKEN" | base32 -w0`},
	{"hex", "xxd", `printf %s "$TOKEN" | xxd -p -c 64`},
	{"capital hex", "xxd", `printf %s "$TOKEN" | xxd -u -p -c 64`},
	{"xxd -p, wrapped", "xxd", `printf %s "$TOKEN" | xxd -p -c 15`},
	{"xxd", "xxd", `printf %s "$TOKEN" | xxd`},
	{"hexdump -C", "hexdump", `printf %s "$TOKEN" | hexdump -C | head -2`},
	{"od -An -tx1", "od", `printf %s "$TOKEN" | od -An -tx1`},
	{"od -An -x", "od", `printf %s "$TOKEN" | od -An -x -w32`},
	{"od -c", "od", `printf %s "$TOKEN" | od -An -c -w32`},
	{"octal list", "od", `printf %s "$TOKEN" | od -An -to1 -w32`},
	{"wrapped at 20", "fold", `printf %s "$TOKEN" | fold -w20`},
	{"a character a line", "fold", `printf %s "$TOKEN" | fold -w1`},
	{"reversed", "rev", `printf %s "$TOKEN" | rev`},
	{"rot13", "tr", `printf %s "$TOKEN" | tr A-Za-z N-ZA-Mn-za-m`},
	{"upper case", "tr", `printf %s "$TOKEN" | tr a-z A-Z`},
	{"cut -c1-20", "cut", `printf '%s\n' "$TOKEN" | cut -c1-20`},
	{"tail -c 16", "tail", `printf %s "$TOKEN" | tail -c 16`},
	{"JSON.stringify", "jq", `jq -n --arg p "$PASSWORD" '$p'`},
	{"JSON in JSON", "jq", `jq -n --arg p "$PASSWORD" '$p|tojson' | sed 's/^"\\"//; s/\\""$//'`},
	{"json.dumps of Python", "python3", `python3 -c 'import json,os; print(json.dumps(os.environ["PASSWORD"]))'`},
	{"repr of Python", "python3", `python3 -c 'import os; print(repr(os.environ["PASSWORD"]))'`},
	{"repr of bytes", "python3", `python3 -c 'import os; print(os.environ["PASSWORD"].encode())'`},
	{"html.escape of Python", "python3", `python3 -c 'import os,html; print(html.escape(os.environ["PASSWORD"]))'`},
	{"shlex.quote", "python3", `python3 -c 'import os,shlex; print(shlex.quote(os.environ["PASSWORD"]))'`},
	{"percent-encoded, all", "python3", `python3 -c 'import os; print("".join("%%%02X" % b for b in os.environ["TOKEN"].encode()))'`},
	{"list of Python", "python3", `python3 -c 'import os; print(list(os.environ["TOKEN"].encode()))'`},
	{"list of characters", "python3", `python3 -c 'import os; print(", ".join(map(repr, os.environ["TOKEN"])).strip("\x27"))'`},
	{"ascii85", "python3", `python3 -c 'import os,base64; print(base64.a85encode(os.environ["TOKEN"].encode()).decode())'`},
	{"encodeURIComponent", "node", `node -p 'encodeURIComponent(process.env.PASSWORD)'`},
	{"Buffer of JavaScript", "node", `node -p 'JSON.stringify(Buffer.from(process.env.TOKEN))'`},
	{"hex with spaces", "node", `node -p 'Buffer.from(process.env.TOKEN).inspect().slice(8,-1)'`},
	{"printf %q", "bash", `bash -c 'LC_ALL=C.UTF-8 printf %q "$PASSWORD"'`},
	{"export -p", "bash", `bash -c 'declare -xp TOKEN' | sed 's/.*=//'`},
	{"shell quotes", "bash", `bash -c 'set -x; : "$PASSWORD"' 2>&1 | sed "s/^+ : //"`},
	{"base64 of JSON", "openssl", `printf '{"token":"%s"}' "$TOKEN" | openssl base64 -A`},
}

// standard are the tools that every machine with a shell has.
var standard = []string{"base64", "base32", "od", "fold", "tr", "cut", "tail"}

// TestPrograms: what the programs print is what the table says that they print.
// Tools that are not part of every system are tried where they are installed.
func TestPrograms(t *testing.T) {
	c := canaries()
	texts := map[string]string{}
	for _, s := range Shapes() {
		texts[s.Name] = string(Parse(s.Print(c)).Text)
	}
	tried := 0
	for _, p := range programs {
		if _, err := exec.LookPath(p.tool); errors.Is(err, exec.ErrNotFound) && !slices.Contains(standard, p.tool) {
			continue
		}
		cmd := exec.Command("sh", "-c", p.command)
		cmd.Env = append(os.Environ(), "TOKEN="+c.Token, "PASSWORD="+c.Password, "KEY="+strings.TrimSpace(c.Key), "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8")
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", p.command, err)
			continue
		}
		tried++
		got := strings.TrimSpace(string(out))
		if text, ok := texts[p.shape]; !ok {
			t.Errorf("%s: no shape %q", p.command, p.shape)
		} else if len(got) < 12 || !strings.Contains(text, got) {
			t.Errorf("%s prints\n%q, the shape %q is\n%q", p.command, got, p.shape, text)
		}
	}
	if tried < 15 {
		t.Errorf("only %d programs were tried", tried)
	}
}
