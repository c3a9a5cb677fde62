package encode

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// literals adds the value as it stands in the source code, and in the debug
// output, of programming languages and of the formats that borrow their quotes.
func (s *Source) literals() {
	q := strconv.AppendQuote(nil, string(s.text))
	s.make("go", false, func(dst []byte) []byte { return append(dst, q[1:len(q)-1]...) })
	q = strconv.AppendQuoteToASCII(q[:0], string(s.text))
	s.make("go", false, func(dst []byte) []byte { return append(dst, q[1:len(q)-1]...) })
	for _, quotes := range []string{`'`, `"`, ``} {
		s.make("python", false, func(dst []byte) []byte { return appendPython(dst, s.text, quotes, false) })
		s.make("python-bytes", false, func(dst []byte) []byte { return appendPython(dst, s.text, quotes, true) })
		s.make("c", false, func(dst []byte) []byte { return appendC(dst, s.text, quotes) })
	}
	for _, quote := range []string{`'`, `"`} { // SQL, CSV, YAML, PowerShell, Pascal
		s.make("doubled", false, func(dst []byte) []byte {
			return append(dst, bytes.ReplaceAll(s.text, []byte(quote), []byte(quote+quote))...)
		})
	}
	s.make("sql", false, func(dst []byte) []byte { return appendBackslashed(dst, s.text, &sqlSpecial) })
}

// shells adds what a shell prints so that it can read it again.
func (s *Source) shells() {
	for _, quoted := range []string{`'\''`, `'"'"'`} { // set -x, export -p, shlex.quote
		s.make("shell", false, func(dst []byte) []byte {
			return append(dst, bytes.ReplaceAll(s.text, []byte(`'`), []byte(quoted))...)
		})
	}
	s.make("shell", false, func(dst []byte) []byte { return appendBackslashed(dst, s.text, &shellSpecial) })
	s.make("printf-q", false, func(dst []byte) []byte { return appendBackslashed(dst, s.text, &printfSpecial) })
	s.make("printf-q", false, func(dst []byte) []byte { return appendBackslashed(dst, s.text, &printfMore) })
}

// What is written with a backslash before it. Bash does so with a tilde and a
// number sign only at the start, and other shells with more: hence two sets.
var (
	sqlSpecial    = setOf("'\"\\")
	regexpSpecial = setOf(`\.+*?()|[]{}^$`)
	pythonSpecial = setOf("\\.+*?()|[]{}^$-&~# \t\n")
	shellSpecial  = setOf("\"\\$`")
	printfSpecial = setOf(printfQ)
	printfMore    = setOf(printfQ + "~#=:%@")
)

const printfQ = " \t!\"$&'()*,;<>?[\\]^`{|}"

// appendBackslashed appends p with a backslash before each special byte.
func appendBackslashed(dst, p []byte, special *set) []byte {
	for _, c := range p {
		if special[c] {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}

// appendPython appends p as repr prints it, as text or as bytes.
func appendPython(dst, p []byte, quotes string, raw bool) []byte {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch c := p[0]; {
		case c == '\\' || len(quotes) > 0 && c == quotes[0]:
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ' || c == 0x7f || c >= utf8.RuneSelf && (raw || r == utf8.RuneError):
			n = 1
			dst = append(dst, '\\', 'x', lowerHex[c>>4], lowerHex[c&15])
		default:
			dst = append(dst, p[:n]...)
		}
		p = p[n:]
	}
	return dst
}

// appendC appends p as the C family writes it, and bash between $' and ': what
// is not printable in octal.
func appendC(dst, p []byte, quotes string) []byte {
	for _, c := range p {
		short := bytes.IndexByte([]byte("\a\b\t\n\v\f\r"), c)
		switch {
		case c == '\\' || len(quotes) > 0 && c == quotes[0]:
			dst = append(dst, '\\', c)
		case short >= 0:
			dst = append(dst, '\\', "abtnvfr"[short])
		case c == 0x1b:
			dst = append(dst, `\E`...)
		case c < ' ' || c > '~':
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
