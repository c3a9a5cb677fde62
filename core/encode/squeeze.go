package encode

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
)

// Separator reports whether the squeezed view of a stream leaves c out: white
// space, control characters, quotes and what else programs put between the
// pieces of a value when they wrap, dump or list it. Each is dropped on its own,
// whatever stands beside it, so that the view of a value does not depend on its
// neighbours: `\x73` becomes x73, and a form says so.
func Separator(c byte) bool { return separators[c] }

var separators = func() set {
	t := setOf(",-:\\")
	for c := range 0x28 { // up to the apostrophe: ! " # $ % & '
		t[c] = true
	}
	return t
}()

// Squeezed returns the forms of the squeezed lane. See the function of that
// name. A value that is easily guessed has none: the digits of a list of
// numbers spell any date.
func (s *Source) Squeezed() []Form {
	if s.bits(0, len(s.value)) < minBits {
		return nil
	}
	s.begin(16, 32*min(len(s.text), maxDoc)+256)
	s.squeeze("exact", true, func(dst []byte) []byte { return append(dst, s.text...) })
	if len(s.text) > maxDoc {
		for shift := range 3 {
			s.squeeze("base64", true, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawStdEncoding, shift) })
		}
		return s.end()
	}
	for shift := range 3 {
		s.squeeze("base64", true, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawStdEncoding, shift) })
		s.squeeze("base64url", true, func(dst []byte) []byte { return appendBase64(dst, s.text, base64.RawURLEncoding, shift) })
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.StdEncoding} {
			s.squeeze("base64", false, func(dst []byte) []byte { return closeBase64(dst, s.text, enc, shift) })
		}
	}
	for _, digits := range []string{lowerHex, upperHex} {
		s.squeeze("hex", true, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", digits) })
		s.squeeze("hex-list", false, func(dst []byte) []byte { return appendHexed(dst, s.text, "0x", "", digits) })
		s.squeeze("x-escape", false, func(dst []byte) []byte { return appendHexed(dst, s.text, "x", "", digits) })
	}
	s.decimals()
	s.squeeze("octal-list", false, func(dst []byte) []byte {
		for _, c := range s.text {
			dst = append(dst, '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		}
		return dst
	})
	s.squeeze("hex-words", true, func(dst []byte) []byte { return appendSwapped(dst, s.text) })
	s.squeeze("hex-words", true, func(dst []byte) []byte { return appendSwapped(dst, s.text[1:]) })
	return s.end()
}

// appendSwapped appends the 16-bit words of p as a little-endian machine prints
// them, in hexdump and in od -x.
func appendSwapped(dst, p []byte) []byte {
	for ; len(p) >= 2; p = p[2:] {
		dst = hex.AppendEncode(dst, []byte{p[1], p[0]})
	}
	return dst
}

// decimals adds the bytes as numbers, as Go, Python and JavaScript list them.
func (s *Source) decimals() {
	var at []int32
	from := s.offset(s.text)
	f := s.make("decimal-list", true, func(dst []byte) []byte {
		for i, c := range s.text {
			n := len(dst)
			dst = strconv.AppendUint(dst, uint64(c), 10)
			for range len(dst) - n {
				at = append(at, int32(from+i))
			}
		}
		at = append(at, int32(from+len(s.text)))
		return dst
	})
	if f != nil {
		f.at = at
	}
}

// squeeze adds what enc appends, without its separators. Forms of three and more
// bytes for one of the value are not worth their fragments: a dump has rows, and
// those of hex are long enough.
func (s *Source) squeeze(kind string, dense bool, enc func(dst []byte) []byte) {
	var at []int32
	from := s.offset(s.text)
	f := s.make(kind, dense, func(dst []byte) []byte {
		start := len(dst)
		dst = enc(dst)
		whole := dst[start:]
		if !slices.ContainsFunc(whole, Separator) {
			return dst
		}
		kept := dst[:start]
		at = make([]int32, 0, len(whole)+1)
		for i, c := range whole {
			if !separators[c] {
				kept = append(kept, c)
				at = append(at, int32(from+i*len(s.text)/len(whole)))
			}
		}
		at = append(at, int32(from+len(s.text)))
		return kept
	})
	if f != nil {
		f.at = at
	}
}
