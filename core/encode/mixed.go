package encode

import (
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// viewAlphabets adds the text in other letters, and between the numbers of its
// characters.
func (s *Source) viewAlphabets() {
	s.each("atbash", func(dst []byte, c byte) []byte {
		if c = toLower(c); 'a' <= c && c <= 'z' {
			c = 'a' + 'z' - c
		}
		return append(dst, c)
	})
	for first := range 2 { // enumerate, {...text}; nl, cat -n
		s.squeeze("numbered", false, func(dst []byte) []byte {
			for i, c := range s.text {
				dst = append(s.number(dst, first, i), c)
			}
			return dst
		})
	}
	s.squeeze("numbered", false, func(dst []byte) []byte { // JSON of a Uint8Array
		for i, c := range s.text {
			dst = strconv.AppendUint(strconv.AppendInt(dst, int64(i), 10), uint64(c), 10)
		}
		return dst
	})
	s.squeeze("doubled", false, func(dst []byte) []byte { // bold, as a line printer makes it
		for _, c := range s.text {
			dst = append(dst, c, c)
		}
		return dst
	})
	s.viewMixed()
	if !s.only(&percentKeeps[percentShy]) {
		s.viewEscaped()
	}
}

// number appends the number of a character. Before the first there is none: it may
// stand where no match begins, as a label.
func (s *Source) number(dst []byte, first, i int) []byte {
	if i == 0 {
		return dst
	}
	return strconv.AppendInt(dst, int64(first+i), 10)
}

// viewEscaped adds the escapes that leave letters and digits in the view, for a
// text that holds signs: so they are found wrapped, and in a string that escapes
// their own signs.
func (s *Source) viewEscaped() {
	for i := range entityDialects[:entityTwice] {
		s.squeeze("xml", false, func(dst []byte) []byte { return appendEntities(dst, s.text, &entityDialects[i]) })
	}
	for i := range percentTwice {
		d := percent{keep: &percentKeeps[i], digits: lowerHex}
		s.squeeze("percent", false, func(dst []byte) []byte { return appendPercent(dst, s.text, &d) })
	}
	s.squeeze("quoted-printable", false, func(dst []byte) []byte { return appendQuotedPrintable(dst, s.text) })
}

// viewMixed adds the spellings that escape only what is not printable ASCII, if
// the text holds such: as they are left in the view, one for each notation.
func (s *Source) viewMixed() {
	if !slices.ContainsFunc(s.text, func(c byte) bool { return c < ' ' || c > '~' }) {
		return
	}
	for i := range notations {
		s.squeeze("mixed", false, func(dst []byte) []byte { return notations[i].append(dst, s.text) })
	}
}

// A notation is how a language writes what it does not print.
type notation struct {
	bytes    bool // each byte of UTF-8, not each character
	controls bool // a newline as n
	write    func(dst []byte, r rune) []byte
}

// octal is that of C and of od -c.
var octal = notation{true, true, func(dst []byte, r rune) []byte { return appendPadded(dst, uint64(r), 8, 3) }}

var notations = [...]notation{
	{true, true, func(dst []byte, r rune) []byte { return appendPadded(append(dst, 'x'), uint64(r), 16, 2) }}, // Python's bytes
	octal,
	{true, false, func(dst []byte, r rune) []byte { return appendPadded(dst, uint64(r), 16, 2) }}, // URLs, quoted-printable
	{true, true, appendMeta}, // cat -v
	{false, false, func(dst []byte, r rune) []byte { return strconv.AppendUint(dst, uint64(r), 10) }},              // HTML
	{false, false, func(dst []byte, r rune) []byte { return strconv.AppendUint(append(dst, 'x'), uint64(r), 16) }}, // XML, Perl
	{false, true, func(dst []byte, r rune) []byte { return strconv.AppendUint(append(dst, 'u'), uint64(r), 16) }},  // Rust, PHP
	{false, true, appendUnits},    // JSON, Java
	{false, true, appendShortest}, // Python's ascii, %+q of Go
	{true, true, func(dst []byte, r rune) []byte { return appendPadded(append(dst, 'u'), uint64(r), 16, 4) }}, // JSON of Latin-1
	{true, true, func(dst []byte, r rune) []byte { return strconv.AppendUint(dst, uint64(r), 8) }},            // Dumper of Perl
	{true, true, func(dst []byte, r rune) []byte { // od -c
		if r == 0 {
			return append(dst, '0')
		}
		return octal.write(dst, r)
	}},
	// What is no UTF-8 becomes a sign of which the view keeps nothing.
	{true, true, func(dst []byte, r rune) []byte { return control(dst, 'x', r, 2) }}, // inspect of JavaScript
	{true, true, func(dst []byte, r rune) []byte { return control(dst, 'u', r, 4) }}, // jq, JSON.stringify
}

// control appends a control character, and nothing of what is not ASCII.
func control(dst []byte, before byte, r rune, width int) []byte {
	if r >= 0x80 {
		return dst
	}
	return appendPadded(append(dst, before), uint64(r), 16, width)
}

// append appends the text in the notation. A byte that is no UTF-8 is written as
// a character of its own, as Python keeps it, or as the bytes of the text are.
func (n *notation) append(dst, p []byte) []byte {
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 && !n.bytes {
			r = 0xdc00 + rune(p[0])
		}
		short := slices.Index([]byte("\n\r\t"), p[0])
		switch {
		case ' ' <= p[0] && p[0] <= '~':
			dst = append(dst, p[0])
		case short >= 0 && n.controls:
			dst = append(dst, "nrt"[short])
		case n.bytes:
			size = 1
			dst = n.write(dst, rune(p[0]))
		default:
			dst = n.write(dst, r)
		}
		p = p[size:]
	}
	return dst
}

// appendMeta appends a byte as cat -v shows it, of which the view keeps letters:
// M-C for 0xc3, M-^I for 0x89, ^A for 0x01.
func appendMeta(dst []byte, r rune) []byte {
	if r >= 0x80 {
		dst = append(dst, 'M')
	}
	if r &= 0x7f; r < ' ' || r == 0x7f {
		r ^= 0x40
	}
	return append(dst, byte(r))
}

// appendUnits appends the UTF-16 of a character.
func appendUnits(dst []byte, r rune) []byte {
	if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
		return appendUnits(appendUnits(dst, hi), lo)
	}
	return appendPadded(append(dst, 'u'), uint64(r), 16, 4)
}

// appendShortest appends a character in two, four or eight digits.
func appendShortest(dst []byte, r rune) []byte {
	switch {
	case r < 0x100:
		return appendPadded(append(dst, 'x'), uint64(r), 16, 2)
	case r < 0x10000:
		return appendPadded(append(dst, 'u'), uint64(r), 16, 4)
	}
	return appendPadded(append(dst, 'u'), uint64(r), 16, 8)
}
