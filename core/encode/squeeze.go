package encode

import "encoding/base64"

// Squeezed returns the forms of the squeezed lane. See the function of that
// name. Of a value that is easily guessed only long encodings are looked for:
// the digits of a list of numbers spell any date.
func (s *Source) Squeezed() []Form {
	if len(s.text) < minWord {
		return nil
	}
	s.begin(96, 160*min(len(s.text), maxKey)+48*min(len(s.text), maxDoc)+256)
	weak := s.bits(0, len(s.value)) < minBits
	if weak {
		s.least = minWeak
		defer func() { s.least = 0 }()
	}
	if !weak || s.sentence() {
		s.squeeze("exact", true, func(dst []byte) []byte { return append(dst, s.text...) })
	}
	s.viewBase64()
	if len(s.text) > maxDoc {
		return s.end()
	}
	s.viewBase32()
	s.viewDumps()
	s.viewNumbers()
	s.viewBackwards()
	s.viewLines()
	s.squeeze("rot13", false, func(dst []byte) []byte {
		for _, c := range s.text {
			dst = append(dst, rot13(c))
		}
		return dst
	})
	if len(s.text) <= maxKey {
		s.viewTails()
		s.viewTwice()
		s.viewAlphabets()
		s.viewRadix()
		s.viewCalls()
		s.viewWide()
	}
	return s.end()
}

const (
	minWeak     = 12 // bytes of a squeezed form of a value that is easily guessed
	minSentence = 20 // letters of a value that is looked for squeezed although it is nothing but words
)

// sentence reports whether the text is words, so many that they stand nowhere else
// in this order.
func (s *Source) sentence() bool {
	n := 0
	for _, c := range s.text {
		if c >= 'A' && alphanumeric(c) {
			n++
		}
	}
	return n >= minSentence
}

// viewBase64 adds base64. The form with fragments is that at the end of an
// encoded text, where the last character is the value's alone; before other text
// only the form without it stands.
func (s *Source) viewBase64() {
	for shift := range 3 {
		s.squeeze("base64", true, func(dst []byte) []byte { return closeBase64(dst, s.text, base64.RawStdEncoding, shift) })
		s.squeeze("base64", false, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawStdEncoding, shift) })
	}
}

// viewBase32 adds base32 as it ends a text or a line, in small letters or wrapped,
// and that of the value alone in the other alphabet of RFC 4648.
func (s *Source) viewBase32() {
	for shift := range 5 {
		s.squeeze("base32", false, func(dst []byte) []byte { return closeBase32(dst, s.text, rawBase32, shift) })
	}
	s.squeeze("base32hex", false, func(dst []byte) []byte {
		return trim(rawBase32Hex.AppendEncode(dst, s.text), len(dst), 0, len(s.text)*8/5)
	})
}

// viewBackwards adds the text from its end on, unless that is a word as well.
func (s *Source) viewBackwards() {
	back := appendBack(nil, s.text)
	if s.backBits() >= minBits {
		s.squeezeBack("reversed", true, func(dst []byte) []byte { return append(dst, s.text...) })
	}
	s.squeeze("hex-reversed", true, func(dst []byte) []byte { return appendHexed(dst, back, "", "", lowerHex) }).backwards()
	if len(back) > maxKey {
		return
	}
	s.squeezeBack("hex-turned", false, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", lowerHex) })
	for shift := range 3 {
		s.squeeze("reversed-base64", false, func(dst []byte) []byte { return appendBase64(dst, back, base64.RawStdEncoding, shift) })
		s.squeezeBack("base64-reversed", false, func(dst []byte) []byte { return closeBase64(dst, s.text, base64.RawStdEncoding, shift) })
	}
}

// viewLines adds what base64 makes of its own output, in one line and in the lines
// of 76 characters that it writes.
func (s *Source) viewLines() {
	once := appendBase64(nil, s.text, base64.RawStdEncoding, 0)
	for shift := range 3 {
		s.squeeze("base64-base64", false, func(dst []byte) []byte { return appendBase64(dst, once, base64.RawStdEncoding, shift) })
	}
	const line = 76
	if len(once) <= line {
		return
	}
	var lines []byte
	for ; len(once) > line; once = once[line:] {
		lines = append(append(lines, once[:line]...), '\n')
	}
	lines = append(lines, once...)
	s.squeeze("base64-base64", false, func(dst []byte) []byte { return appendBase64(dst, lines, base64.RawStdEncoding, 0) })
}

// viewTwice adds the encodings of encodings that are in use: base64 of a document
// that holds base64 (the Docker configuration in a secret of Kubernetes), of
// UTF-16 (the -EncodedCommand of PowerShell), of an escaped string, of hex; and hex
// of each.
func (s *Source) viewTwice() {
	base := func(kind string, inner []byte) {
		for shift := range 3 {
			s.squeeze(kind, false, func(dst []byte) []byte { return appendBase64(dst, inner, base64.RawStdEncoding, shift) })
		}
	}
	hexed := func(kind string, inner []byte, digits string) {
		s.squeeze(kind, false, func(dst []byte) []byte { return appendHexed(dst, inner, "", "", digits) })
	}
	wide := appendUTF16(nil, s.text, true)
	quoted := appendJSON(nil, s.text, &jsonPlain)
	for shift := range 3 {
		once := appendBase64(nil, s.text, base64.RawStdEncoding, shift)
		if shift > 0 {
			base("base64-base64", once)
		}
		hexed("hex-base64", once, lowerHex)
	}
	base("base64-utf16", wide)
	hexed("hex-utf16", wide, lowerHex)
	if len(quoted) != len(s.text) {
		base("base64-json", quoted)
	}
	base("base64-hex", appendHexed(nil, s.text, "", "", lowerHex))
	for _, digits := range []string{lowerHex, upperHex} {
		hexed("hex-hex", appendHexed(nil, s.text, "", "", digits), lowerHex)
	}
}
