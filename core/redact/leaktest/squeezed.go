package leaktest

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
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

func squeezed() []Shape {
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
	}
}
