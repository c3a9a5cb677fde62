package encode

import (
	"encoding/binary"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// everyByte adds the characters as JSON escapes them, special or not. (The other
// ways to escape each byte are found in the squeezed view.)
func (s *Source) everyByte() {
	if !utf8.Valid(s.text) {
		return
	}
	for _, digits := range []string{lowerHex, upperHex} {
		s.make("json-all", false, func(dst []byte) []byte { return appendUnicode(dst, s.text, digits) })
	}
}

// alphabets adds the spellings in other alphabets and the same in another order.
func (s *Source) alphabets() {
	// The forms end before the zero that both byte orders put at other ends.
	s.make("utf16", false, func(dst []byte) []byte { return appendUTF16(dst, s.text, true) })
	if !ascii(s.text) {
		s.make("utf16", false, func(dst []byte) []byte { return appendUTF16(dst, s.text, false) })
	}
	s.mainframe()
	if s.backBits() < minBits {
		return // a word that is read backwards may be one as well
	}
	s.make("reversed", true, func(dst []byte) []byte { return appendBack(dst, s.text) }).backwards()
	s.make("rot47", false, func(dst []byte) []byte {
		for _, c := range s.text {
			if '!' <= c && c <= '~' {
				c = '!' + (c-'!'+47)%94
			}
			dst = append(dst, c)
		}
		return dst
	})
}

// mainframe adds EBCDIC, as dd and iconv write it. The code pages differ in a few
// signs; this is the one of the United States.
func (s *Source) mainframe() {
	const page = "\x40\x5a\x7f\x7b\x5b\x6c\x50\x7d\x4d\x5d\x5c\x4e\x6b\x60\x4b\x61\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\x7a\x5e\x4c\x7e\x6e\x6f" +
		"\x7c\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xba\xe0\xbb\xb0\x6d" +
		"\x79\x81\x82\x83\x84\x85\x86\x87\x88\x89\x91\x92\x93\x94\x95\x96\x97\x98\x99\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xc0\x4f\xd0\xa1"
	if slices.ContainsFunc(s.text, func(c byte) bool { return c < ' ' || c > '~' }) {
		return
	}
	s.make("ebcdic", false, func(dst []byte) []byte {
		for _, c := range s.text {
			dst = append(dst, page[c-' '])
		}
		return dst
	})
}

// appendBack appends p from its end on.
func appendBack(dst, p []byte) []byte {
	start := len(dst)
	dst = append(dst, p...)
	slices.Reverse(dst[start:])
	return dst
}

// backBits is what the text says when it is read backwards: words that it is made
// of are none then.
func (s *Source) backBits() uint32 {
	if !s.turned {
		back := appendBack(nil, s.text)
		s.back, s.turned = New(back).bits(0, len(back)), true
	}
	return s.back
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

// appendHexed appends each byte as two digits between before and after.
func appendHexed(dst, p []byte, before, after, digits string) []byte {
	for _, c := range p {
		dst = append(dst, before...)
		dst = append(dst, digits[c>>4], digits[c&15])
		dst = append(dst, after...)
	}
	return dst
}

// appendUnicode appends each character as \uXXXX, with surrogate pairs.
func appendUnicode(dst, p []byte, digits string) []byte {
	for _, r := range string(p) {
		dst = appendU(dst, r, digits)
	}
	return dst
}

// appendU appends one character as JSON escapes it.
func appendU(dst []byte, r rune, digits string) []byte {
	if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
		return appendU(appendU(dst, hi, digits), lo, digits)
	}
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// appendUTF16 appends p as UTF-16. Of text in ASCII it leaves out the zero that
// the one byte order puts first and the other last: what remains is in both.
func appendUTF16(dst, p []byte, little bool) []byte {
	if !utf8.Valid(p) {
		return dst
	}
	if ascii(p) {
		for i, c := range p {
			if i > 0 {
				dst = append(dst, 0)
			}
			dst = append(dst, c)
		}
		return dst
	}
	for _, u := range utf16.Encode([]rune(string(p))) {
		if little {
			dst = binary.LittleEndian.AppendUint16(dst, u)
		} else {
			dst = binary.BigEndian.AppendUint16(dst, u)
		}
	}
	return dst
}

func ascii(p []byte) bool {
	return !slices.ContainsFunc(p, func(c byte) bool { return c >= utf8.RuneSelf })
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c - 'A' + 'a'
	}
	return c
}

func rot13(c byte) byte {
	switch {
	case 'a' <= c && c <= 'z':
		return 'a' + (c-'a'+13)%26
	case 'A' <= c && c <= 'Z':
		return 'A' + (c-'A'+13)%26
	}
	return c
}
