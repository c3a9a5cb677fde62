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
	{"od", "od", `printf %s "$TOKEN" | od`},
	{"od -b", "od", `printf %s "$TOKEN" | od -b`},
	{"od -x", "od", `printf %s "$TOKEN" | od -x`},
	{"od -tx4", "od", `printf %s "$TOKEN" | od -tx4`},
	{"od -tx8", "od", `printf %s "$TOKEN" | od -tx8`},
	{"od -a", "od", `printf %s "$TOKEN" | od -a`},
	{"od -An -tu1", "od", `printf %s "$TOKEN" | od -An -tu1 -w32`},
	{"od of more than the token", "od", `printf 'K=%s\n' "$TOKEN" | od | head -2`},
	{"od -tx4 of more than the token", "od", `printf 'PW=%s\n' "$TOKEN" | od -tx4 | head -3`},
	{"xxd of forty characters", "xxd", `printf %s "$GITHUB" | xxd | tail -1`},
	{"xxd of forty characters and a newline", "xxd", `echo "$GITHUB" | xxd | tail -1 | sed 's/\.$//'`},
	{"hexdump -C of forty characters", "hexdump", `printf %s "$GITHUB" | hexdump -C | tail -2 | head -1`},
	{"od -c of forty characters and a newline", "od", `echo "$GITHUB" | od -c | tail -2`},
	{"hexdump", "hexdump", `printf %s "$TOKEN" | hexdump`},
	{"xxd -e", "xxd", `printf %s "$TOKEN" | xxd -e`},
	{"between points", "sed", `printf %s "$TOKEN" | sed 's/./&./g; s/.$//'`},
	{"between bars", "sed", `printf %s "$TOKEN" | sed 's/./&|/g; s/.$//'`},
	{"between parentheses", "sed", `printf %s "$TOKEN" | sed 's/./&) (/g; s/...$//'`},
	{"a character a line, numbered", "nl", `printf %s "$TOKEN" | fold -w1 | nl`},
	{"enumerate of Python", "python3", `python3 -c 'import os; [print(*x) for x in enumerate(os.environ["TOKEN"])]'`},
	{"strings of eight joined in quoted mail", "fold", `printf 'x = %s' "$TOKEN" | sed 's/^x = //' | fold -w8 | sed '2,$ s/^/> /; 1 s/^/x = /'`},
	{"base64, reversed", "rev", `printf %s "$TOKEN" | base64 -w0 | tr -d = | rev`},
	{"base64 of the reversed token", "rev", `printf '%s\n' "$TOKEN" | rev | base64 -w0 | tr -d =`},
	{"reversed, spaced out", "rev", `printf '%s\n' "$TOKEN" | rev | sed 's/./& /g'`},
	{"small base32", "base32", `printf %s "$TOKEN" | base32 -w0 | tr A-Z a-z`},
	{"lower case", "tr", `printf %s "$TOKEN" | tr A-Z a-z`},
	{"uuencode", "perl", `perl -e 'print pack("u", $ENV{TOKEN})'`},
	{"last characters of base64", "base64", `printf %s "$TOKEN" | base64 -w0 | tail -c 17`},
	{"Docker configuration of app", "base64", `auth=$(printf 'app:%s' "$TOKEN" | base64 -w0); printf '{"auths":{"r.example":{"auth":"%s"}}}' "$auth" | base64 -w0`},
	{"hex of hex", "xxd", `printf %s "$TOKEN" | xxd -p -c 64 | tr -d '\n' | xxd -p -c 200`},
	{"base64 of hex", "xxd", `printf %s "$TOKEN" | xxd -p -c 64 | base64 -w0`},
	{"hex of UTF-16", "xxd", `printf %s "$TOKEN" | iconv -t UTF-16LE | xxd -p -c 200`},
	{"hex of base64", "xxd", `printf %s "$TOKEN" | base64 -w0 | xxd -p -c 200`},
	{"Latin-1 for UTF-8", "iconv", `printf %s "$ACCENTED" | iconv -t LATIN1`},
	{"UTF-8 for Latin-1", "iconv", `printf %s "$ACCENTED" | iconv -f LATIN1`},
	{"a passphrase, reversed", "rev", `printf '%s\n' "$PHRASE" | rev`},
	{"a passphrase in octal", "od", `printf %s "$PHRASE" | od -An -to1 -w64`},
	{"Buffer of node", "node", `node -p 'Buffer.from(process.env.TOKEN)'`},
	{"ascii() of Python", "python3", `python3 -c 'import os; print(ascii(os.environ["ACCENTED"]))'`},
	{"JSON, all escaped, other letters", "python3", `python3 -c 'import os,json; print(json.dumps(os.environ["ACCENTED"]))'`},
	{"entities of the rest", "python3", `python3 -c 'import os; print(os.environ["ACCENTED"].encode("ascii", "xmlcharrefreplace").decode())'`},
	{"Dumper of Perl", "perl", `perl -CA -MData::Dumper -e '$Data::Dumper::Useqq=1; print Dumper($ARGV[0])' "$ACCENTED"`},
	{"cat -v", "cat", `printf '%s\n' "$ACCENTED" | cat -v`},
	{"HTML in JSON", "python3", `python3 -c 'import os,json,html; print(json.dumps(html.escape(os.environ["PASSWORD"]).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"), ensure_ascii=False).strip("\""))'`},
	{"overstrike", "sed", `printf %s "$TOKEN" | sed 's/./&\x08&/g'`},
	{"base64 of a key, twice, in lines", "base64", `printf '%s\n' "$KEY" | base64 | base64`},
	{"base64 of a key, twice", "base64", `printf '%s' "$KEY" | base64 -w0 | base64 -w0`},
	{"$'' of bash", "bash", `LC_ALL=C bash -c 'printf %q "$ACCENTED"'`},
	{"octal list", "od", `printf %s "$TOKEN" | od -An -to1 -w32`},
	{"binary digits", "basenc", `printf %s "$TOKEN" | basenc --base2msbf -w0`},
	{"binary digits with spaces", "xxd", `printf %s "$TOKEN" | xxd -b -c 32 | cut -c11-297`},
	{"bin of Python", "python3", `python3 -c 'import os; print([bin(b) for b in os.environ["TOKEN"].encode()])'`},
	{"chr in Python", "python3", `python3 -c 'import os; print("+".join("chr(%d)" % ord(c) for c in os.environ["TOKEN"]))'`},
	{"characters beside their numbers", "python3", `python3 -c 'import os; [print(c, ord(c)) for c in os.environ["TOKEN"]]'`},
	{"the token as one number", "python3", `python3 -c 'import os; print(int.from_bytes(os.environ["TOKEN"].encode(), "big"))'`},
	{"the token and a newline as one number", "bc", `echo "ibase=16; $(printf '%s\n' "$TOKEN" | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F)" | BC_LINE_LENGTH=0 bc`},
	{"base32hex", "basenc", `printf '%s\n' "$TOKEN" | basenc --base32hex -w0`},
	{"z85", "basenc", `printf %s "$TOKEN" | basenc --z85 -w0`},
	{"uuencode in lines", "perl", `perl -e 'print pack("u", "the token of this " . $ENV{TOKEN})'`},
	{"EBCDIC", "dd", `printf 'ab%s\n' "$TOKEN" | dd conv=ebcdic status=none`},
	{"hex, reversed digits", "rev", `printf %s "$TOKEN" | od -An -v -tx1 | tr -d ' \n' | rev`},
	{"repr of UTF-16", "python3", `python3 -c 'import os; print(os.environ["TOKEN"].encode("utf-16"))'`},
	{"od -c of UTF-16", "od", `printf %s "$TOKEN" | sed 's/./&\x00/g' | od -An -c -w64 | sed 's/  .0$//'`},
	{"xxd behind text", "xxd", `printf 'password=%s\n' "$TOKEN" | xxd`},
	{"xxd -c 8 -g 1 behind text", "xxd", `printf 'k=%s\n' "$TOKEN" | xxd -c 8 -g 1`},
	{"xxd -c 10 behind text", "xxd", `printf 'pw is %s\n' "$TOKEN" | xxd -c 10`},
	{"xxd -b behind text", "xxd", `printf 'TOKEN=%s\n' "$TOKEN" | xxd -b`},
	{"xxd -b", "xxd", `printf '%s\n' "$TOKEN" | xxd -b`},
	{"hexdump -C behind text", "hexdump", `printf 'password=%s\n' "$TOKEN" | hexdump -C | sed '$ d'`},
	{"od -tx1z behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od -tx1z | sed '$ d'`},
	{"od -c behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od -c | sed '$ d'`},
	{"od -b behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od -b | sed '$ d'`},
	{"od -tu1 behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od -tu1 | sed '$ d'`},
	{"od -x behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od -x | sed '$ d'`},
	{"od -tx4 behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od -tx4 | sed '$ d'`},
	{"od behind text", "od", `printf 'pass=%s\n' "$TOKEN" | od | sed '$ d'`},
	{"{...text} of JavaScript", "node", `node -e 'console.log(require("util").inspect({...process.env.TOKEN}, {compact: false, maxArrayLength: null, sorted: false}))'`},
	{"dict(enumerate()) of Python", "python3", `python3 -c 'import os; print(dict(enumerate(os.environ["TOKEN"])))'`},
	{"JSON of a Uint8Array", "node", `node -p 'JSON.stringify(new TextEncoder().encode(process.env.TOKEN))'`},
	{"a key in rot13", "tr", `printf %s "$KEY" | tr A-Za-z N-ZA-Mn-za-m`},
	{"uuencode of a key", "perl", `perl -e 'print pack("u", $ENV{KEY})' | head -4`},
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
var standard = []string{"base64", "base32", "od", "fold", "tr", "cut", "tail", "sed", "nl"}

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
		cmd.Env = append(os.Environ(), "TOKEN="+c.Token, "PASSWORD="+c.Password, "KEY="+strings.TrimSpace(c.Key), "GITHUB="+c.GitHub, "ACCENTED="+c.Accented, "PHRASE="+c.Phrase, "LC_ALL=C.UTF-8", "PYTHONIOENCODING=utf-8")
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
	if tried < 30 {
		t.Errorf("only %d programs were tried", tried)
	}
}
