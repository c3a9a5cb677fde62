package encode

import "encoding/base64"

// short adds the spellings of a value of a few characters that stand as words of
// their own: to look for them inside others would mask ordinary text. Digits alone
// have none: those of a PIN turn up in any dump.
func (s *Source) short() {
	if len(s.text) >= minForm || s.only(&digits) {
		return
	}
	word := func(kind string, enc func(dst []byte) []byte) {
		s.words = true
		s.make(kind, false, enc)
		s.words = false
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		word("base64", func(dst []byte) []byte { return enc.AppendEncode(dst, s.text) })
	}
	for _, hexDigits := range []string{lowerHex, upperHex} {
		word("hex", func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", hexDigits) })
	}
	if s.backBits() >= minBack {
		word("reversed", func(dst []byte) []byte { return appendBack(dst, s.text) })
	}
}

// minBack is what a short value must say when it is read backwards, in eighths of
// a bit: a word of four letters, also one that is in no dictionary, says less.
const minBack = 8 * 19

var digits = setOf("0123456789")
