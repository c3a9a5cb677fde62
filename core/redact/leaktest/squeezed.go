package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/redact"
)

// wrap breaks s into lines of n characters.
func wrap(s string, n int, end string) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n] + end)
		s = s[n:]
	}
	return b.String() + s
}

// list prints the bytes of s in a format, with a separator.
func list(s, format, sep string) string {
	all := make([]string, len(s))
	for i, c := range []byte(s) {
		all[i] = fmt.Sprintf(format, c)
	}
	return strings.Join(all, sep)
}

func squeezed() []Shape {
	listed := func(name, before, format, sep, after string) Shape {
		return token(name, before, func(s string) string { return list(s, format, sep) }, after)
	}
	wrapped := func(name string, encode func([]byte) string, n int, end string) Shape {
		return Shape{Name: name, Print: func(c Canaries) string { return mark(wrap(encode([]byte(c.Token)), n, end)) + "\n" }}
	}
	same := func(b []byte) string { return string(b) }
	std := func(b []byte) string { return base64.StdEncoding.EncodeToString(b)[:len(b)*8/6] } // the rest is shared with what follows
	return []Shape{
		wrapped("wrapped at 20", same, 20, "\n"),
		wrapped("wrapped at 10 with CRLF", same, 10, "\r\n"),
		wrapped("wrapped and indented", same, 12, "\n        "),
		wrapped("continued with backslashes", same, 9, "\\\n"),
		wrapped("a character a line", same, 1, "\n"),
		wrapped("spaced out", same, 1, " "),
		wrapped("in groups of four", same, 4, "-"),
		wrapped("a colour code in it", same, 17, "\x1b[0m\x1b[01;31m"),
		wrapped("colour codes all over", same, 3, "\x1b[38;5;196m"),
		wrapped("string concatenation lines", same, 11, "\"\n  \""),
		wrapped("list of characters", same, 1, "', '"),
		wrapped("base64 wrapped at 20", std, 20, "\n"),
		wrapped("base64 in YAML", std, 16, "\n      "),
		wrapped("xxd -p, wrapped", hex.EncodeToString, 30, "\n"),
		{Name: "base64 of a key, wrapped at 76", Print: func(c Canaries) string {
			s := base64.StdEncoding.EncodeToString([]byte(c.Key))
			s = wrap(s, 76, "\n")
			n := strings.Index(s, "\n") + 1 // the armour before it says nothing
			end := len(s) - 60
			return "\x03" + s[:n] + mark(s[n:end]) + s[end:] + "\x04\n"
		}},
		listed("hex with colons", "fingerprint ", "%02x", ":", "\n"),
		listed("hex with dashes", "", "%02X", "-", "\n"),
		listed("hex with spaces", " ", "%02x", " ", "\n"),
		listed("0x list", "{ ", "0x%02x", ", ", " };\n"),
		listed("%v of []byte", "[", "%d", " ", "]\n"),
		listed("list of Python", "[", "%d", ", ", "]\n"),
		listed("Buffer of JavaScript", `{"type":"Buffer","data":[`, "%d", ",", "]}\n"),
		listed("octal list", " ", "%03o", " ", "\n"),
		listed("od -c", "  ", "%c", "   ", "\n"),
		{Name: "C string in lines", Print: func(c Canaries) string {
			return "\"\x03\\\x04" + mark(list(c.Token, "\\x%02x", "\"\n\"")[1:]) + "\"\n"
		}},
		{Name: "od -An -tx1", Print: func(c Canaries) string {
			return "\x03 " + mark(list(c.Token[:16], "%02x", " ")+"\n "+list(c.Token[16:], "%02x", " ")) + "\x04\n"
		}},
		{Name: "od -An -x", Print: func(c Canaries) string {
			var b strings.Builder
			for i := 0; i < len(c.Token); i += 2 {
				fmt.Fprintf(&b, "%02x%02x ", c.Token[i+1], c.Token[i])
			}
			return " " + mark(strings.TrimSpace(b.String())) + "\n"
		}},
		{Name: "hexdump -C", Lane: redact.Fragments, Print: func(c Canaries) string {
			return "\x03" + hexdump(c.Token) + "\x04"
		}},
		{Name: "xxd", Lane: redact.Fragments, Print: func(c Canaries) string {
			var b strings.Builder
			for i := 0; i < len(c.Token); i += 16 {
				row := c.Token[i : i+16]
				fmt.Fprintf(&b, "%08x: %s  %s\n", i, mark(wrap(hex.EncodeToString([]byte(row)), 4, " ")), mark(row))
			}
			return "\x03" + b.String() + "\x04"
		}},
	}
}

// hexdump is hexdump -C of s, whose length is a multiple of 16.
func hexdump(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 16 {
		row := s[i : i+16]
		fmt.Fprintf(&b, "%08x  %s  |%s|\n", i, mark(list(row[:8], "%02x", " ")+"  "+list(row[8:], "%02x", " ")), mark(row))
	}
	return b.String()
}
