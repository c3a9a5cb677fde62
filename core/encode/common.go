package encode

import (
	"bytes"
	"encoding/base64"
)

// Common returns the forms of the exact lane and those of the encoded lane that
// every program prints: base64, also of the value alone, hex, and the escapes of
// JSON, URLs, XML and shells. It is for values that turn up while a program runs, when there is no
// time for all of them.
func (s *Source) Common() []Form {
	exact := s.Exact()
	s.begin(len(exact)+24, 16*min(len(s.text), maxDoc)+256)
	s.forms = append(s.forms, exact...)
	for shift := range 3 {
		s.make("base64", true, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawStdEncoding, shift) })
		s.make("base64url", true, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawURLEncoding, shift) })
	}
	line := append(bytes.Clone(s.text), '\n')
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.StdEncoding, base64.RawURLEncoding, base64.URLEncoding} {
		s.make("base64", false, func(dst []byte) []byte { return closeBase64(dst, s.text, enc, 0) })
	}
	s.make("base64", false, func(dst []byte) []byte { return closeBase64(dst, line, base64.StdEncoding, 0) })
	if len(s.text) >= minHex {
		s.make("hex", true, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", lowerHex) })
		s.make("hex", true, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", upperHex) })
	}
	if len(s.text) <= maxDoc {
		s.escapes()
	}
	return s.end()
}
