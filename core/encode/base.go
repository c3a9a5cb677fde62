package encode

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
)

// base64At appends the base64 of p as it stands shift bytes after a multiple
// of three, without the characters at both ends that depend on its neighbours.
// It returns the part of p that the rest spells.
func base64At(dst, p []byte, enc *base64.Encoding, shift int) []byte {
	var pad [2]byte
	start := len(dst)
	dst = enc.AppendEncode(dst, append(pad[:shift:shift], p...))
	first := (8*shift + 5) / 6
	last := (shift + len(p)) * 8 / 6
	return append(dst[:start], dst[start+first:start+last]...)
}

// base32At does for base32 and five bytes what base64At does.
func base32At(dst, p []byte, shift int) []byte {
	var pad [4]byte
	start := len(dst)
	dst = base32.StdEncoding.AppendEncode(dst, append(pad[:shift:shift], p...))
	first := (8*shift + 4) / 5
	last := (shift + len(p)) * 8 / 5
	return append(dst[:start], dst[start+first:start+last]...)
}

// bases adds the forms of the base64 family.
func (s *Source) bases() {
	for shift := range 3 {
		s.make("base64", true, func(dst []byte) []byte { return base64At(dst, s.text, base64.RawStdEncoding, shift) })
		s.make("base64url", true, func(dst []byte) []byte { return base64At(dst, s.text, base64.RawURLEncoding, shift) })
	}
	for shift := range 5 {
		s.make("base32", true, func(dst []byte) []byte { return base32At(dst, s.text, shift) })
	}
	s.make("hex", true, func(dst []byte) []byte { return hex.AppendEncode(dst, s.text) })
	s.make("hex", true, func(dst []byte) []byte { return appendUpper(hex.AppendEncode(dst, s.text), len(dst)) })
}

// make adds the form of the whole text that enc appends.
func (s *Source) make(kind string, dense bool, enc func(dst []byte) []byte) {
	start := len(s.arena)
	s.arena = enc(s.arena)
	p := s.arena[start:len(s.arena):len(s.arena)]
	n := len(s.forms)
	from := s.offset(s.text)
	s.add(Form{Kind: kind, Bytes: p, Dense: dense, from: from, to: from + len(s.text)})
	if len(s.forms) == n {
		s.arena = s.arena[:start]
	}
}

// appendUpper turns p[from:] to upper case.
func appendUpper(p []byte, from int) []byte {
	for i, c := range p[from:] {
		if 'a' <= c && c <= 'z' {
			p[from+i] = c - 'a' + 'A'
		}
	}
	return p
}
