package encode

import (
	"bytes"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"unicode/utf8"
)

// bases adds the encodings that turn bytes into letters.
func (s *Source) bases() {
	for shift := range 3 {
		whole := (shift+len(s.text))%3 == 0 // else the form that closes has the fragments: they end with one more character
		s.make("base64", whole, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawStdEncoding, shift) })
		s.make("base64url", whole, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawURLEncoding, shift) })
	}
	for shift := range 5 {
		s.make("base32", true, func(dst []byte) []byte { return appendBase32(dst, s.text, shift) })
	}
	s.closings()
	for shift := range 3 {
		s.make("percent-base64", false, func(dst []byte) []byte {
			b := appendBase64(nil, s.text, base64.RawStdEncoding, shift)
			return appendPercent(dst, b, &percentStrict)
		})
	}
	for shift := range 3 {
		s.make("uuencode", true, func(dst []byte) []byte {
			return uuencoded(appendBase64(dst, s.text, base64.RawStdEncoding, shift), len(dst))
		})
	}
	if len(s.text) >= minHex {
		s.make("hex", true, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", lowerHex) })
		s.make("hex", true, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", upperHex) })
	}
	whole := s.text[:len(s.text)/4*4] // the rest of a group depends on what follows
	s.make("ascii85", false, func(dst []byte) []byte { return appendASCII85(dst, whole) })
	s.make("base85", false, func(dst []byte) []byte { return appendBase85(dst, whole, gitBase85) })
	s.make("z85", false, func(dst []byte) []byte { return appendBase85(dst, whole, zeroMQ) })
}

// closings adds the base64 and base32 of a value that the encoded text ends with,
// with padding and without: then the last character holds bits of the value
// alone. The forms without padding also stand where the next byte begins with
// zeros, as a line's end does. echo ends what it passes to base64 with one: that
// form takes the rest of the text as well, so that nothing looks like a leak.
func (s *Source) closings() {
	line := append(bytes.Clone(s.text), '\n')
	for shift := range 3 {
		if (shift+len(s.text))%3 != 0 {
			for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.StdEncoding} {
				s.make("base64", enc == base64.RawStdEncoding, func(dst []byte) []byte { return closeBase64(dst, s.text, enc, shift) })
			}
			for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding} {
				s.make("base64url", enc == base64.RawURLEncoding, func(dst []byte) []byte { return closeBase64(dst, s.text, enc, shift) })
			}
		}
		s.make("base64", false, func(dst []byte) []byte { return closeBase64(dst, line, base64.StdEncoding, shift) })
	}
	for shift := range 5 {
		s.make("base32", false, func(dst []byte) []byte { return closeBase32(dst, s.text, base32.StdEncoding, shift) })
	}
}

var (
	rawBase32    = base32.StdEncoding.WithPadding(base32.NoPadding)
	rawBase32Hex = base32.HexEncoding.WithPadding(base32.NoPadding)
)

// archive adds the encodings in which a long value travels: all of the others
// would be needles of many times its size.
func (s *Source) archive() {
	for shift := range 3 {
		s.make("base64", false, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawStdEncoding, shift) })
	}
	s.make("hex", false, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", lowerHex) })
	s.make("json", false, func(dst []byte) []byte { return appendJSON(dst, s.text, &jsonPlain) })
	s.make("json", false, func(dst []byte) []byte { return appendJSON(dst, s.text, &jsonDialects[1]) })
}

// decoded adds the other spellings of a key that is kept as hex or base64: a
// program reads the bytes that it stands for, and prints those.
func (s *Source) decoded() {
	raw, kind := decode(s.text)
	if len(raw) < minForm {
		return
	}
	if !utf8.Valid(raw) || New(raw).telling() {
		// Not its first spaces: one of twelve sets of 50 keys would hold back the end of every prompt for them.
		if printed := bytes.TrimLeft(raw, " \t\r\n"); len(printed) >= minForm {
			s.make("decoded", false, func(dst []byte) []byte { return append(dst, printed...) })
		}
	}
	if kind == "hex" {
		for shift := range 3 {
			s.make("decoded-base64", false, func(dst []byte) []byte { return appendBase64(dst, raw, base64.RawStdEncoding, shift) })
			s.make("decoded-base64url", false, func(dst []byte) []byte { return appendBase64(dst, raw, base64.RawURLEncoding, shift) })
		}
	}
	for _, digits := range []string{lowerHex, upperHex} {
		s.make("decoded-hex", false, func(dst []byte) []byte { return appendHexed(dst, raw, "", "", digits) })
	}
}

// decode returns the bytes that a value stands for, if it is a key of at least
// eight bytes in hex, or of sixteen in base64 (any word of a multiple of four
// letters is base64).
func decode(text []byte) (raw []byte, kind string) {
	if len(text) >= 16 && len(text)%2 == 0 {
		if raw, err := hex.AppendDecode(nil, text); err == nil {
			return raw, "hex"
		}
	}
	trimmed := bytes.TrimRight(text, "=")
	if len(trimmed) < 22 || len(text) > maxDecoded {
		return nil, ""
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := enc.AppendDecode(nil, trimmed); err == nil {
			return raw, "base64"
		}
	}
	return nil, ""
}

const maxDecoded = 1024 // longer ones are documents, not keys

// appendBase64 appends the base64 of p as it stands shift bytes after a multiple
// of three, without the characters at both ends that depend on its neighbours.
func appendBase64(dst, p []byte, enc *base64.Encoding, shift int) []byte {
	start := len(dst)
	return trim(alignBase64(dst, p, enc, shift), start, (8*shift+5)/6, (shift+len(p))*8/6)
}

// closeBase64 does the same for p at the end of the text: nothing follows.
func closeBase64(dst, p []byte, enc *base64.Encoding, shift int) []byte {
	start := len(dst)
	dst = alignBase64(dst, p, enc, shift)
	return trim(dst, start, (8*shift+5)/6, len(dst)-start)
}

// alignBase64 appends the base64 of shift zeros and p.
func alignBase64(dst, p []byte, enc *base64.Encoding, shift int) []byte {
	head := [3]byte{} // the group that the neighbour before p shares with it
	n := 0
	if shift > 0 {
		n = copy(head[shift:], p)
		dst = enc.AppendEncode(dst, head[:shift+n])
	}
	return enc.AppendEncode(dst, p[n:])
}

// appendBase32 does for base32 and its groups of five what appendBase64 does.
func appendBase32(dst, p []byte, shift int) []byte {
	start := len(dst)
	return trim(alignBase32(dst, p, rawBase32, shift), start, (8*shift+4)/5, (shift+len(p))*8/5)
}

func closeBase32(dst, p []byte, enc *base32.Encoding, shift int) []byte {
	start := len(dst)
	dst = alignBase32(dst, p, enc, shift)
	return trim(dst, start, (8*shift+4)/5, len(dst)-start)
}

func alignBase32(dst, p []byte, enc *base32.Encoding, shift int) []byte {
	head := [5]byte{}
	n := 0
	if shift > 0 {
		n = copy(head[shift:], p)
		dst = enc.AppendEncode(dst, head[:shift+n])
	}
	return enc.AppendEncode(dst, p[n:])
}

// trim keeps the bytes first to last of dst[start:].
func trim(dst []byte, start, first, last int) []byte {
	if last <= first {
		return dst[:start]
	}
	n := copy(dst[start:], dst[start+first:start+last])
	return dst[:start+n]
}

// uuencoded turns base64 to the alphabet of uuencode, in place from start on: the
// same six bits a character, as the sixty-four characters from the space on, with
// a grave accent for the space.
func uuencoded(p []byte, start int) []byte {
	for i, c := range p[start:] {
		v := byte(63)
		switch {
		case 'A' <= c && c <= 'Z':
			v = c - 'A'
		case 'a' <= c && c <= 'z':
			v = c - 'a' + 26
		case '0' <= c && c <= '9':
			v = c - '0' + 52
		case c == '+':
			v = 62
		}
		if v == 0 {
			v = 64
		}
		p[start+i] = ' ' + v
	}
	return p
}

// appendASCII85 appends the Ascii85 of Adobe, btoa and Python's a85encode.
func appendASCII85(dst, p []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, ascii85.MaxEncodedLen(len(p)))...)
	return dst[:start+ascii85.Encode(dst[start:], p)]
}

// The alphabets of base85: that of RFC 1924, as git and Python's b85encode print
// it, and that of ZeroMQ.
const (
	gitBase85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
	zeroMQ    = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
)

// appendBase85 appends Ascii85 in another alphabet and without its short form of
// zeros.
func appendBase85(dst, p []byte, alphabet string) []byte {
	for ; len(p) >= 4; p = p[4:] {
		v := binary.BigEndian.Uint32(p)
		var group [5]byte
		for i := range group {
			group[4-i] = alphabet[v%85]
			v /= 85
		}
		dst = append(dst, group[:]...)
	}
	return dst
}

// upper turns p[from:] to upper case, in place.
func upper(p []byte, from int) []byte {
	for i, c := range p[from:] {
		if 'a' <= c && c <= 'z' {
			p[from+i] = c - 'a' + 'A'
		}
	}
	return p
}
