package leaktest

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/redact"
)

// separated are the token with something between its characters, or pieces.
func separated() []Shape {
	var all []Shape
	for _, sep := range []struct{ name, text string }{
		{"semicolons", ";"}, {"underscores", "_"}, {"bars", "|"}, {"points", "."}, {"slashes", "/"}, {"plus signs", "+"}, {"stars", " * "},
		{"equals signs", "="}, {"tildes", "~"}, {"brackets", "]["}, {"parentheses", ") ("}, {"no-break spaces", "\u00a0"}, {"zero-width spaces", "\u200b"},
		{"soft hyphens", "\u00ad"}, {"middle dots", "\u00b7"}, {"tabs", "\t"}, {"NULs", "\x00"}, {"codes", "\x1b[31m"}, {"backspaces", "\b"},
	} {
		all = append(all, viewed("between "+sep.name, "=> ", func(s string) string { return wrap(s, 1, sep.text) }, "\n"))
	}
	for _, join := range []struct{ name, text string }{
		{"JavaScript", "\" + \""}, {"Python", "' + '"}, {"PHP", "' . '"}, {"SQL", "' || '"}, {"C", "\"\n\t\""}, {"VB", "\" & _\n\""},
		{"quoted mail", "\n> "}, {"comments", "\n// "}, {"comments of C", "\n * "}, {"shell", "\"\\\n\""}, {"YAML", "\n  "}, {"LDIF", "\n "}, {"table", " │\n│ "},
	} {
		all = append(all,
			viewed("strings of eight joined in "+join.name, "x = ", func(s string) string { return wrap(s, 8, join.text) }, "\n"),
			viewed("strings of three joined in "+join.name, "x = \"", func(s string) string { return wrap(s, 3, join.text) }, "\"\n"))
	}
	return append(all,
		viewed("overstrike", "", func(s string) string {
			var b strings.Builder
			for _, c := range s {
				fmt.Fprintf(&b, "%c\b%c", c, c)
			}
			return b.String()
		}, "\n"),
		numbered("a character a line, numbered", "     1\t", 2, "%c\n%6d\t", ""),
		numbered("enumerate of Python", "0 ", 1, "%c\n%d ", ""),
		numbered("{...text} of JavaScript", "{\n  '0': '", 1, "%c',\n  '%d': '", "'\n}\n"),
		numbered("dict(enumerate()) of Python", "{0: '", 1, "%c', %d: '", "'}\n"),
		Shape{Name: "JSON of a Uint8Array", Print: func(c Canaries) string {
			var b strings.Builder
			for i, x := range []byte(c.Token) {
				fmt.Fprintf(&b, `,"%d":%d`, i, x)
			}
			return `{"` + mark(b.String()[2:]) + "}\n"
		}},
		Shape{Name: "a passphrase, spaced out", Print: func(c Canaries) string { return "\x03x \x04" + markView(wrap(c.Phrase, 1, " ")) + "\n" }},
	)
}

// numbered returns a shape in which the number of the next character, counted from
// first on, stands behind each but the last.
func numbered(name, before string, first int, format, after string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string {
		var b strings.Builder
		for i, x := range c.Token {
			s := fmt.Sprintf(format, x, first+i)
			if i == len(c.Token)-1 {
				s = fmt.Sprintf(format[:2], x)
			}
			b.WriteString(s)
		}
		return before + mark(b.String()) + after
	}}
}

// orders are the token in another order, case or alphabet.
func orders() []Shape {
	std, b32 := base64.RawStdEncoding.EncodeToString, base32.StdEncoding.EncodeToString
	return []Shape{
		viewed("upper case", "", strings.ToUpper, "\n"),
		viewed("lower case", "", strings.ToLower, "\n"),
		viewed("every other letter", "", func(s string) string {
			b := []byte(strings.ToLower(s))
			for i := 0; i < len(b); i += 2 {
				b[i] = strings.ToUpper(s)[i]
			}
			return string(b)
		}, "\n"),
		viewed("rot13", "", rot13, "\n"),
		{Name: "a key in rot13", Print: func(c Canaries) string { return markView(rot13(strings.TrimSpace(c.Key))) + "\n" }},
		viewed("base64, reversed", "", func(s string) string { return reverse(std([]byte(s))) }, "\n"),
		viewed("hex, reversed bytes", "", func(s string) string { return hex.EncodeToString([]byte(reverse(s))) }, "\n"),
		viewed("reversed, spaced out", "", func(s string) string { return wrap(reverse(s), 1, " ") }, "\n"),
		viewed("small base32", "", func(s string) string { return strings.ToLower(b32([]byte(s))) }, "\n"),
		viewed("base32 in groups", "", func(s string) string { return wrap(strings.ToLower(b32([]byte(s))), 4, " ") }, "\n"),
		{Name: "base64 of the reversed token", Print: func(c Canaries) string { return upTo(std([]byte(reverse(c.Token)+"\n")), 8*len(c.Token)/6, 3) }},
		{Name: "uuencode", Lane: redact.Encoded, Print: func(c Canaries) string {
			return "begin 644 t\n@" + upTo(uuencode(c.Token), 42, 2) + "`\nend\n"
		}},
		{Name: "uuencode of a user and the token", Lane: redact.Encoded, Print: func(c Canaries) string {
			s := uuencode("user:" + c.Token)
			return "begin 644 t\nE" + s[:7] + upTo(s[7:], 42, 2) + "`\nend\n"
		}},
		{Name: "uuencode of a key", Lane: redact.Encoded | redact.Fragments, Print: func(c Canaries) string {
			var b strings.Builder
			rest := strings.TrimSpace(c.Key)
			for n := 0; len(rest) > 45; n++ {
				s := "M" + uuencode(rest[:45])
				if n > 0 { // the armour says nothing
					s = s[:1] + mark(s[1:])
				}
				b.WriteString(s + "\n")
				rest = rest[45:]
			}
			return "begin 644 k\n\x03" + b.String() + "\x04"
		}},
		{Name: "last characters of base64", Lane: redact.Encoded | redact.Fragments, Print: func(c Canaries) string { return mark(std([]byte(c.Token))[27:]) + "\x03=\x04\n" }},
		{Name: "last characters of base64 of a user and the token", Lane: redact.Encoded | redact.Fragments, Print: func(c Canaries) string {
			return mark(std([]byte("user:" + c.Token))[34:]) + "\x03=\x04\n"
		}},
		{Name: "a passphrase, reversed", Lane: redact.Encoded, Print: func(c Canaries) string { return mark(reverse(c.Phrase)) + "\n" }},
		{Name: "a passphrase in hex, dumped", Print: func(c Canaries) string { return markView(list(c.Phrase, " %02x", "")) + "\n" }},
		{Name: "a passphrase as a list", Print: func(c Canaries) string { return "[" + markView(list(c.Phrase, "%d", ", ")) + "]\n" }},
		{Name: "a passphrase in octal", Print: func(c Canaries) string { return "\x03" + markView(list(c.Phrase, " %03o", "")) + "\x04\n" }},
		{Name: "a short password, reversed", Lane: redact.Encoded, Print: func(c Canaries) string { return "is " + mark(reverse(c.Short)) + "\n" }},
		{Name: "a short password in base64", Lane: redact.Encoded, Print: func(c Canaries) string { return "is " + mark(std([]byte(c.Short))) + "\x03=\x04\n" }},
		{Name: "a short password and a newline in base64", Lane: redact.Encoded, Print: func(c Canaries) string {
			return "is " + mark(base64.StdEncoding.EncodeToString([]byte(c.Short+"\n"))) + "\n"
		}},
		{Name: "a short password in hex", Lane: redact.Encoded, Print: func(c Canaries) string { return "is " + mark(hex.EncodeToString([]byte(c.Short))) + "\n" }},
		{Name: "a short password as \\x", Print: func(c Canaries) string { return "is " + markView(list(c.Short, `\x%02x`, "")) + "\n" }},
	}
}

// nested are encodings of encodings.
func nested() []Shape {
	std := base64.StdEncoding.EncodeToString
	// inside marks what base64 makes of an inner text between others, but for the
	// characters at its two ends that say little of it.
	inside := func(before, inner, after string) string {
		s := std([]byte(before + inner + after))
		from, to := (8*len(before)+5)/6+1, 8*(len(before)+len(inner))/6-2
		return "\x03" + s[:from] + mark(s[from:to]) + s[to:] + "\x04\n"
	}
	hexed := func(s string) string { return hex.EncodeToString([]byte(s)) }
	shapes := []Shape{
		{Name: "base64 twice", Print: func(c Canaries) string { return "token: " + inside("", std([]byte(c.Token)), "") }},
		{Name: "base64 of a key, twice, in lines", Print: func(c Canaries) string {
			s := wrap(std([]byte(wrap(std([]byte(c.Key)), 76, "\n")+"\n")), 76, "\n")
			n := len(s) - 24
			return mark(s[:n]) + "\x03" + s[n:] + "\x04\n"
		}},
		{Name: "base64 of a key, twice", Print: func(c Canaries) string {
			s := std([]byte(std([]byte(strings.TrimSpace(c.Key)))))
			return "data: " + mark(s[:len(s)-8]) + "\x03" + s[len(s)-8:] + "\x04\n"
		}},
		{Name: "powershell -EncodedCommand", Print: func(c Canaries) string {
			return "powershell -enc " + inside(wide("$t='", binary.LittleEndian), wide(c.Token, binary.LittleEndian), wide("'", binary.LittleEndian))
		}},
		{Name: "hex of base64", Print: func(c Canaries) string { return upTo(hexed(std([]byte(c.Token))), 84, 4) }},
		{Name: "base64 of hex", Print: func(c Canaries) string { return inside("", hexed(c.Token), "\n") }},
		viewed("hex of hex", "", func(s string) string { return hexed(hexed(s)) }, "\n"),
		viewed("hex of capital hex", "", func(s string) string { return hexed(strings.ToUpper(hexed(s))) }, "\n"),
		viewed("hex of UTF-16", "", func(s string) string { return strings.TrimSuffix(hexed(wide(s, binary.LittleEndian)), "00") }, "00\n"),
		viewed("dump of UTF-16", "", func(s string) string {
			return strings.TrimSuffix(list(wide(s, binary.LittleEndian), "%02x", " "), " 00")
		}, " 00\n"),
	}
	for _, user := range []string{"u", "me", "app", "user", "admin"} {
		shapes = append(shapes, Shape{Name: "Docker configuration of " + user, Print: func(c Canaries) string {
			auth := []byte(std([]byte(user + ":" + c.Token)))
			from := (8*(len(user)+1) + 5) / 6
			return ".dockerconfigjson: " + inside(`{"auths":{"r.example":{"auth":"`+string(auth[:from]), strings.TrimRight(string(auth[from:]), "="), `"}}}`)
		}})
	}
	return shapes
}

// upTo marks all of s but for what is behind a place, of which more may be masked.
func upTo(s string, place, more int) string {
	return mark(s[:place]) + "\x03" + s[place:min(place+more, len(s))] + "\x04" + s[min(place+more, len(s)):] + "\n"
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func rot13(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 'A' {
			return r
		}
		return r&^0x1f | (r&0x1f+12)%26 + 1
	}, s)
}

func rot47(s string) string {
	return strings.Map(func(r rune) rune { return '!' + (r-'!'+47)%94 }, s)
}

// uuencode is the line of s, of up to 45 bytes, without its length.
func uuencode(s string) string {
	var b strings.Builder
	for ; len(s)%3 != 0; s += "\x00" {
	}
	for ; s != ""; s = s[3:] {
		v := uint(s[0])<<16 | uint(s[1])<<8 | uint(s[2])
		for shift := 18; shift >= 0; shift -= 6 {
			b.WriteByte("`!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"[v>>shift&63])
		}
	}
	return b.String()
}
