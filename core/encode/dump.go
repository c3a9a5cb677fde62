package encode

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
)

// viewDumps adds the forms in which od, xxd and hexdump print bytes, and the
// words that a little-endian machine makes of them.
func (s *Source) viewDumps() {
	s.squeeze("hex", true, func(dst []byte) []byte { return appendHexed(dst, s.text, "", "", lowerHex) })
	s.squeeze("octal-list", true, func(dst []byte) []byte { return appendOctal(dst, s.text, "") }).grouped(3)
	for shift := range 2 { // hexdump; od
		s.squeeze("hex-words", true, func(dst []byte) []byte { return appendSwapped(dst, s.text[shift:], 2) }).grouped(4)
		s.squeeze("octal-words", true, func(dst []byte) []byte { return appendOctalWords(dst, s.text[shift:]) }).grouped(6)
	}
	for shift := range 4 { // od -tx4; xxd -e. Words of eight bytes hold hex-reversed.
		s.squeeze("hex-longs", true, func(dst []byte) []byte { return appendSwapped(dst, s.text[shift:], 4) }).grouped(4)
	}
}

// viewTails adds the last row of a dump of nothing but the value, with a newline
// and without, if that is too short for a fragment: between its offset and what
// stands behind it the row is like no other. The rows of xxd and hexdump -C are the
// same in the view, and end with the characters; od -c prints where the end is.
func (s *Source) viewTails() {
	const row, least = 16, 4
	at := len(s.text) / row * row
	if at == 0 || len(s.text)-at < least {
		return
	}
	for _, end := range []string{"", "\n"} {
		tail := append(bytes.Clone(s.text[at:]), end...)
		s.squeeze("dump-tail", false, func(dst []byte) []byte {
			return append(appendHexed(appendPadded(dst, uint64(at), 16, 8), tail, "", "", lowerHex), tail...)
		})
		if len(tail) > least+1 { // else there is too little between the offsets, which all secrets share
			s.squeeze("dump-tail", false, func(dst []byte) []byte {
				return appendPadded(octal.append(appendPadded(dst, uint64(at), 8, 7), tail), uint64(at+len(tail)), 8, 7)
			})
		}
	}
}

// appendSwapped appends words of p of size bytes in hex, the last byte first.
func appendSwapped(dst, p []byte, size int) []byte {
	for ; len(p) >= size; p = p[size:] {
		for i := size - 1; i >= 0; i-- {
			dst = append(dst, lowerHex[p[i]>>4], lowerHex[p[i]&15])
		}
	}
	return dst
}

// appendOctal appends each byte in three octal digits, behind before.
func appendOctal(dst, p []byte, before string) []byte {
	for _, c := range p {
		dst = append(append(dst, before...), '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	}
	return dst
}

// appendOctalWords appends the little-endian words of p in six octal digits.
func appendOctalWords(dst, p []byte) []byte {
	for ; len(p) >= 2; p = p[2:] {
		w := uint(p[1])<<8 | uint(p[0])
		for shift := 15; shift >= 0; shift -= 3 {
			dst = append(dst, '0'+byte(w>>shift&7))
		}
	}
	return dst
}

// viewNumbers adds the bytes and the characters as numbers, as the lists, the
// escapes and the entities of many languages write them. A notation is known by
// what is left of it in the view: \x73, %u0073 and &#x73; are x73, u0073 and x73.
func (s *Source) viewNumbers() {
	s.decimals()
	hexed := func(kind, before string) {
		s.squeeze(kind, false, func(dst []byte) []byte { return appendHexed(dst, s.text, before, "", lowerHex) })
	}
	hexed("hex-list", "0x")
	hexed("x-escape", "x")
	if slices.ContainsFunc(s.text, func(c byte) bool { return c < 16 }) { // else that is the same
		s.squeeze("x-escape", false, func(dst []byte) []byte {
			for _, c := range s.text {
				dst = strconv.AppendUint(append(dst, 'x'), uint64(c), 16)
			}
			return dst
		})
	}
	if len(s.text) > maxKey {
		return
	}
	hexed("x-escape", "x00")
	hexed("percent-twice", "25")
	hexed("percent-thrice", "2525")
	s.squeeze("octal-list", false, func(dst []byte) []byte { return appendOctal(dst, s.text, "0") })
	s.squeeze("decimal-list", false, func(dst []byte) []byte {
		for _, c := range s.text {
			dst = strconv.AppendUint(append(dst, '0'), uint64(c), 10)
		}
		return dst
	})
	for _, width := range []int{3, 4} {
		s.squeeze("decimal-list", false, func(dst []byte) []byte {
			for _, c := range s.text {
				dst = appendPadded(dst, uint64(c), 10, width)
			}
			return dst
		})
	}
	s.squeeze("u-escape", false, func(dst []byte) []byte {
		for _, u := range utf16.Encode([]rune(string(s.text))) {
			dst = appendPadded(append(dst, 'u'), uint64(u), 16, 4)
		}
		return dst
	})
	s.squeeze("u-escape", false, func(dst []byte) []byte {
		for _, r := range string(s.text) {
			dst = strconv.AppendUint(append(dst, 'u'), uint64(r), 16)
		}
		return dst
	})
}

// appendPadded appends a number with zeros before it.
func appendPadded(dst []byte, n uint64, base, width int) []byte {
	least := uint64(1)
	for range width - 1 {
		if least *= uint64(base); n < least {
			dst = append(dst, '0')
		}
	}
	return strconv.AppendUint(dst, n, base)
}

// decimals adds the bytes as Go, Python and JavaScript list them.
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
