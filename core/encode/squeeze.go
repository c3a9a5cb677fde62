package encode

import (
	"encoding/base64"
	"encoding/hex"
)

// Separators are the bytes that the squeezed view of a stream leaves out: what
// programs put between the pieces of a value when they wrap, dump or list it.
// Each is dropped on its own, whatever stands beside it, so that the view of a
// value does not depend on its neighbours. ANSI escape sequences go as well.
const Separators = "\r\n\t :-,\\\"'"

// Squeezed returns the forms of the squeezed lane. See the function of that name.
func (s *Source) Squeezed() []Form {
	s.begin(16, 32*len(s.text)+256)
	plain := func(dst []byte) []byte { return append(dst, s.text...) }
	s.squeeze("exact", plain)
	for shift := range 3 {
		s.squeeze("base64", func(dst []byte) []byte { return base64At(dst, s.text, base64.RawStdEncoding, shift) })
		s.squeeze("base64url", func(dst []byte) []byte { return base64At(dst, s.text, base64.RawURLEncoding, shift) })
	}
	s.squeeze("hex", func(dst []byte) []byte { return hex.AppendEncode(dst, s.text) })
	s.squeeze("hex", func(dst []byte) []byte { return appendUpper(hex.AppendEncode(dst, s.text), len(dst)) })
	return s.end()
}

// squeeze adds what enc appends, without its separators.
func (s *Source) squeeze(kind string, enc func(dst []byte) []byte) {
	s.make(kind, true, func(dst []byte) []byte {
		start := len(dst)
		dst = enc(dst)
		kept := dst[:start]
		for _, c := range dst[start:] {
			if !separator[c] {
				kept = append(kept, c)
			}
		}
		return kept
	})
}

// separator is Separators as a table.
var separator = func() (t [256]bool) {
	for i := range len(Separators) {
		t[Separators[i]] = true
	}
	return t
}()
