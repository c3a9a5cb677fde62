package leaktest

import (
	"fmt"
	"html"
	"net/url"
	"strings"
	"unicode/utf16"
)

// notations are lists of numbers, and the escapes of languages, one for each
// byte or character.
func notations() []Shape {
	all := []Shape{
		viewed("hex with colons", "fingerprint ", listing("%02x", ":"), "\n"),
		viewed("BitConverter", "", listing("%02X", "-"), "\n"),
		viewed("hex with spaces", " ", listing("%02x", " "), "\n"),
		viewed("Buffer of node", "<Buffer ", listing("%02x", " "), ">\n"),
		viewed("xxd -i", "{\n  ", listing("0x%02x", ", "), "\n};\n"),
		viewed("%v of []byte", "[", listing("%d", " "), "]\n"),
		viewed("list of Python", "[", listing("%d", ", "), "]\n"),
		viewed("Buffer of JavaScript", `{"type":"Buffer","data":[`, listing("%d", ","), "]}\n"),
		viewed("octal list", " ", listing("%03o", " "), "\n"),
		viewed("blob of SQL", "X'", listing("%02X", ""), "'\n"),
		viewed("bytea of PostgreSQL", `'\x`, listing("%02x", ""), "'\n"),
	}
	for _, n := range []struct{ name, format string }{
		{"percent-encoded, all", "%%%02X"}, {"percent-encoded, all, small", "%%%02x"},
		{"percent-encoded, all, twice", "%%25%02X"}, {"percent-encoded, all, three times", "%%2525%02X"},
		{"decimal entities", "&#%d;"}, {"decimal entities with a zero", "&#0%d;"}, {"decimal entities of four", "&#%04d;"},
		{"hex entities", "&#x%x;"}, {"hex entities of four", "&#x%04X;"},
		{"\\x escapes", `\x%02x`}, {"\\x{} escapes", `\x{%x}`}, {"\\u{} escapes", `\u{%x}`}, {"%u escapes", "%%u%04X"}, {"U+ notation", "U+%04X "},
		{"octal escapes", `\%03o`}, {"octal escapes with a zero", `\0%03o`}, {"quoted-printable, all", "=%02X"},
	} {
		all = append(all, viewed(n.name, "'", listing(n.format, ""), "'\n"))
	}
	passwords := func(name, before string, write func(string) string, after string) Shape {
		return Shape{Name: name, Print: func(c Canaries) string { return before + markView(write(c.Password)) + after }}
	}
	return append(append(all, accented()...),
		Shape{Name: "key in unpadded hex entities", Print: func(c Canaries) string {
			s := list(c.Key, "&#x%x;", "")
			return "\x03" + list("-----", "&#x%x;", "") + mark(s[30:len(s)-60]) + s[len(s)-60:] + "\x04\n"
		}},
		passwords("HTML in JSON", `{"html":"<p>`, func(s string) string { return stringify(html.EscapeString(s)) }, `</p>"}`+"\n"),
		passwords("percent-encoded, wrapped", "https://h/?", func(s string) string { return wrap(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), 9, "\n  ") }, "\n"),
		passwords("quoted-printable with soft breaks", "", func(s string) string {
			return wrap(strings.NewReplacer("=", "=3D", "é", "=C3=A9").Replace(s), 20, "=\n")
		}, "\n"),
	)
}

// accented are the ways to write letters that are not ASCII.
func accented() []Shape {
	mixed := func(name, before string, write func(r rune) string, bytes bool, after string) Shape {
		return Shape{Name: name, Print: func(c Canaries) string {
			return before + markView(escapeOthers(c.Accented, write, bytes)) + after
		}}
	}
	number := func(format string) func(rune) string {
		return func(r rune) string { return fmt.Sprintf(format, r) }
	}
	return []Shape{
		mixed("ascii() of Python", "'", func(r rune) string {
			if r < 0x100 {
				return fmt.Sprintf(`\x%02x`, r)
			}
			return fmt.Sprintf(`\u%04x`, r)
		}, false, "'\n"),
		mixed("Java's properties", "k=", number(`\u%04X`), false, "\n"),
		mixed("escape_default of Rust", `"`, number(`\u{%x}`), false, "\"\n"),
		mixed("entities of the rest", "<p>", number("&#%d;"), false, "</p>\n"),
		mixed("hex entities of the rest", "<p>", number("&#x%X;"), false, "</p>\n"),
		mixed("Dumper of Perl", `$VAR1 = "`, number(`\x{%x}`), false, "\";\n"),
		mixed("$'' of bash", "+ : $'", number(`\%03o`), true, "'\n"),
		mixed("cat -v", "", func(r rune) string {
			if r &= 0x7f; r < ' ' {
				return "M-^" + string(r+0x40)
			} else if r == 0x7f {
				return "M-^?"
			}
			return "M-" + string(r)
		}, true, "\n"),
		mixed("JSON of Latin-1", `"`, number(`\u%04x`), true, "\"\n"),
		mixed("od -c of other letters", "0000000   ", number(" %03o "), true, "\n"),
		mixed("quoted-printable letters", "=?utf-8?Q?", number("=%02X"), true, "?=\n"),
		mixed("JSON, all escaped, other letters", `"`, number(`\u%04x`), false, "\"\n"),
		{Name: "every letter as \\u", Print: func(c Canaries) string {
			var b strings.Builder
			for _, u := range utf16.Encode([]rune(c.Accented)) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
			return `"` + markView(b.String()) + "\"\n"
		}},
		{Name: "Latin-1 for UTF-8", Print: func(c Canaries) string {
			var b strings.Builder
			for _, r := range c.Accented {
				if r < 0x100 {
					b.WriteByte(byte(r))
				} else {
					b.WriteByte('?')
				}
			}
			return markView(b.String()) + "\n"
		}},
		{Name: "UTF-8 for Latin-1", Print: func(c Canaries) string {
			var b strings.Builder
			for _, x := range []byte(c.Accented) {
				b.WriteRune(rune(x))
			}
			return markView(b.String()) + "\n"
		}},
	}
}

// escapeOthers writes what is not ASCII as write does, by characters or by bytes.
func escapeOthers(s string, write func(rune) string, bytes bool) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case bytes:
			for _, c := range []byte(string(r)) {
				b.WriteString(write(rune(c)))
			}
		default:
			b.WriteString(write(r))
		}
	}
	return b.String()
}
