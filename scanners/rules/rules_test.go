package rules

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/scantest"
)

const example = `
title = "ours"
[[rules]]
id = "acme-token"
description = "ACME"
regex = '''(?i)\bacme[_-]?token['"=:\s]{1,5}([a-z0-9]{16})(?:[\x60'"\s;]|\\[nr]|$)'''
keywords = ["acme"]
entropy = 2.5
tags = ["a"]
[[rules.allowlists]]
regexTarget = "secret"
regexes = ['''^0+''']
stopwords = ["example"]

[[rules]]
id = "Zed.Key"
prefix = "zed_"
charset = "a-z0-9"
min = 8
max = 12
tier = "balanced"

[[rules]]
id = "trailing"
regex = '''[0-9a-f]{12}-zone\d'''
keywords = ["-zone"]
`

func compile(t testing.TB, text string, level scan.Tier) *rule.Set {
	t.Helper()
	f, err := Parse("x.toml", []byte(text), true)
	if err != nil {
		t.Fatal(err)
	}
	set, err := rule.Compile([]scan.Scanner{f.Scanner}, level)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func mask(t testing.TB, set *rule.Set, parts ...[]byte) string {
	t.Helper()
	var out bytes.Buffer
	f := rule.NewFilter(&out, set, nil)
	for _, p := range parts {
		f.Write(p)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRules runs a file over streams at every cut.
func TestRules(t *testing.T) {
	set := compile(t, example, scan.Balanced)
	for _, c := range []struct{ in, want string }{
		{"acme_token=8f3k2m9x7q1w5z4b", "acme_token=[REDACTED:acme-token]"},
		{"ACME-TOKEN: '8f3k2m9x7q1w5z4b', next", "ACME-TOKEN: '[REDACTED:acme-token]', next"},
		{"(acme_token=8f3k2m9x7q1w5z4b) and", "(acme_token=[REDACTED:acme-token]) and"}, // the wider end
		{"acme_token:\n8f3k2m9x7q1w5z4b\n", "acme_token:\n[REDACTED:acme-token]\n"},     // the next line
		{"acme_token:\n\n8f3k2m9x7q1w5z4b\n", "acme_token:\n\n8f3k2m9x7q1w5z4b\n"},      // no further
		{"acme_token=aaaaaaaaaaaaaaaa", "acme_token=aaaaaaaaaaaaaaaa"},                  // entropy
		{"acme_token=0f3k2m9x7q1w5z4b", "acme_token=0f3k2m9x7q1w5z4b"},                  // allowed
		{"acme_token=8fexampleq1w5z4b", "acme_token=8fexampleq1w5z4b"},                  // a stop word
		{"acme_token=8f3k2m9x7q1w5z4b acme_token=1f3k2m9x7q1w5z4c", "acme_token=[REDACTED:acme-token] acme_token=[REDACTED:acme-token]"},
		{"zed_12345678 xzed_12345678 zed_1234567", "[REDACTED:zed.key] xzed_12345678 zed_1234567"},
		{"at a1b2c3d4e5f6-zone1 x", "at [REDACTED:trailing] x"}, // held before the keyword
		{"nothing", "nothing"},
	} {
		in := []byte(c.in)
		if got := mask(t, set, in); got != c.want {
			// A secret that starts before its keyword is held from its first figure on.
			if c.want = strings.Replace(c.want, "at [", "at a[", 1); got != c.want {
				t.Fatalf("%q\n got %q\nwant %q", c.in, got, c.want)
			}
		}
		if got := mask(t, set, slices.Collect(slices.Chunk(in, 1))...); got != c.want {
			t.Fatalf("byte by byte %q\n got %q\nwant %q", c.in, got, c.want)
		}
		for i := range in {
			if got := mask(t, set, in[:i], in[i:]); got != c.want {
				t.Fatalf("cut at %d %q\n got %q\nwant %q", i, c.in, got, c.want)
			}
		}
	}
}

// TestBadFiles: each a clear error that names the file, the rule and the reason.
func TestBadFiles(t *testing.T) {
	one := func(s string) string { return "[[rules]]\nid = \"a\"\n" + s }
	for _, c := range []struct{ text, want string }{
		{one(`regex = '''ab(c'''` + "\nkeywords = [\"abc\"]"), `bad rule file: read "x.toml": rule "a": regular expression: error parsing regexp: missing closing ): ` + "`ab(c`"},
		{one(`regex = "abc"` + "\ncolour = \"red\""), `bad rule file: read "x.toml": unknown key "rules.colour"`},
		{"[[rules]]\nregex = \"abc\"", `bad rule file: read "x.toml": rule 1 has no id`},
		{one(`regex = '''[0-9]{12}'''`), `bad rule file: read "x.toml": rule "a": no literal of 3 bytes that every match has: give it keywords`},
		{one(`regex = "abc"` + "\nkeywords = [\"a\"]"), `bad rule file: read "x.toml": rule "a": keyword "a" is too short`},
		{one(`regex = "abc"` + "\nsecretGroup = 2"), `bad rule file: read "x.toml": rule "a": secretGroup 2: the expression has 0 groups`},
		{one(`regex = "abc"` + "\ntier = \"loud\""), `bad rule file: read "x.toml": rule "a": tier "loud", want precise, balanced or strict`},
		{one(`regex = "abc"` + "\nchecksum = \"md5\""), `bad rule file: read "x.toml": rule "a": checksum "md5", want crc32-base62, crc32-hex or luhn`},
		{one(`prefix = "ab"` + "\nmin = 5"), `bad rule file: read "x.toml": rule "a": prefix "ab" is shorter than 3 bytes`},
		{one(`prefix = "abc"`), `bad rule file: read "x.toml": rule "a": min 0, max 0: want 1 to 1000 characters after the prefix`},
		{one(`prefix = "abc"` + "\nregex = \"abc\""), `bad rule file: read "x.toml": rule "a": prefix and regex exclude each other`},
		{one(`regex = "abc"`) + "\n" + one(`regex = "abc"`), `bad rule file: read "x.toml": rule "a" is there twice`},
		{"title = 3", `bad rule file: read "x.toml": `},
		{"title = \"\"", `bad rule file: read "x.toml": no rules`},
		{one(`regex = "abc"` + "\n[[rules.allowlists]]\nregexes = [\"(\"]"), `bad rule file: read "x.toml": rule "a": allowlist: regular expression: error parsing regexp: missing closing ): ` + "`(`"},
	} {
		_, err := Parse("x.toml", []byte(c.text), true)
		if !errors.Is(err, ErrFile) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// TestNotes: what is not heeded is said.
func TestNotes(t *testing.T) {
	f, err := Parse("x.toml", []byte(`
[extend]
useDefault = true
[allowlist]
regexes = ['''(?i)^true|false|null$''', '''^(?:a|b)$''']
[[rules]]
id = "files"
path = '''\.p12$'''
[[rules]]
id = "both"
regex = "abc[0-9]+"
path = "x"
[[rules.allowlists]]
commits = ["abc"]
regexes = ["abc1"]
condition = "AND"
`), true)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(f.Notes, "\n")
	for _, want := range []string{"extend is ignored", `(?i)^true|false|null$`, `rule "files" is left out`, `rule "both": path is ignored`, `rule "both": commits and paths`} {
		if !strings.Contains(said, want) {
			t.Errorf("no note says %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "(?:a|b)") || f.Len != 1 {
		t.Errorf("%d rules, notes:\n%s", f.Len, said)
	}
	set, err := rule.Compile([]scan.Scanner{f.Scanner}, scan.Precise)
	if err != nil {
		t.Fatal(err)
	}
	if got := mask(t, set, []byte("abc1 abc false")); got != "[REDACTED:both] abc false" { // the condition cannot hold
		t.Errorf("%q", got)
	}
}

// TestCrafted attacks with lines of nothing but keywords: the cost must follow
// the length of the line, not its square.
func TestCrafted(t *testing.T) {
	f, err := Parse("x.toml", []byte(example), true)
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]string{
		"one line":    strings.Repeat("acme ", 32_000),
		"short lines": strings.Repeat("acme acme acme\n", 10_000),
		"long lines":  strings.Repeat(strings.Repeat("acme_token=", 500)+"\n", 30),
		"zone":        strings.Repeat("0123456789ab-zone", 10_000),
	} {
		c := &counting{Reader: f.Scanner.(scan.Reader)}
		set, err := rule.Compile([]scan.Scanner{c}, scan.Precise)
		if err != nil {
			t.Fatal(err)
		}
		mask(t, set, []byte(in))
		if c.read > 4*len(in) {
			t.Errorf("%s: %d bytes were judged of %d", name, c.read, len(in))
		}
	}
	set := compile(t, example, scan.Precise)
	// One secret at the end of such a line is still found.
	in := strings.Repeat("acme ", 3000) + "acme_token=8f3k2m9x7q1w5z4b"
	if got := mask(t, set, []byte(in)); strings.Contains(got, "8f3k2m9x") {
		t.Error("a secret after many keywords passes")
	}
}

// counting adds up what its scanner looked at.
type counting struct {
	scan.Reader
	read int
}

func (c *counting) Read(r int, w []byte, at int, final bool) ([]scan.Span, bool, int) {
	spans, more, read := c.Reader.Read(r, w, at, final)
	if !more {
		c.read += read - at
	}
	return spans, more, read
}

func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		file, err := Parse("f.toml", []byte(text), true)
		if err != nil {
			return
		}
		if _, err := rule.Compile([]scan.Scanner{file.Scanner}, scan.Strict); err != nil {
			t.Errorf("the file is read, but its rules do not compile: %v", err)
		}
	})
}

func TestAccept(t *testing.T) {
	f, err := Parse("x.toml", []byte(example), true)
	if err != nil {
		t.Fatal(err)
	}
	scantest.Accept(t, f.Scanner, scantest.Example{Rule: "acme-token", Text: "acme_token=8f3k2m9x7q1w5z4b;", Secret: "8f3k2m9x7q1w5z4b", Clean: "acme_token=short"})
}
