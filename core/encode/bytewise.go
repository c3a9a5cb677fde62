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
