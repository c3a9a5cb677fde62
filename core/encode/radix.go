package encode

import (
	"bytes"
	"math/big"
	"strconv"
)

// maxNumber is how long a value may be that programs take for one number.
const maxNumber = 128

// viewRadix adds the text as binary digits and as one number in another base.
func (s *Source) viewRadix() {
	s.squeeze("binary", false, func(dst []byte) []byte { return appendBinary(dst, s.text) })
	for _, before := range []string{"", "0b"} { // %b of Go; bin of Python
		s.each("binary-list", func(dst []byte, c byte) []byte { return strconv.AppendUint(append(dst, before...), uint64(c), 2) })
	}
	if len(s.text) > maxNumber {
		return
	}
	for _, p := range [][]byte{s.text, append(bytes.Clone(s.text), '\n')} {
		n := new(big.Int).SetBytes(p)
		s.squeeze("number", false, func(dst []byte) []byte { return n.Append(dst, 10) })
		s.squeeze("base58", false, func(dst []byte) []byte { return appendBase58(dst, n) })
	}
}

// each adds the form in which write appends what stands for each byte.
func (s *Source) each(kind string, write func(dst []byte, c byte) []byte) {
	s.squeeze(kind, false, func(dst []byte) []byte {
		for _, c := range s.text {
			dst = write(dst, c)
		}
		return dst
	})
}

// appendBinary appends each byte in eight digits.
func appendBinary(dst, p []byte) []byte {
	for _, c := range p {
		for bit := 7; bit >= 0; bit-- {
			dst = append(dst, '0'+c>>bit&1)
		}
	}
	return dst
}

// appendBase58 appends a number in the digits of Bitcoin: no 0, O, I and l.
func appendBase58(dst []byte, n *big.Int) []byte {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	start := len(dst)
	dst = n.Append(dst, len(alphabet))
	for i, c := range dst[start:] {
		dst[start+i] = alphabet[digitOf(c)]
	}
	return dst
}

// digitOf is the value of a digit as math/big writes it: 0 to 9, a to z, A to Z.
func digitOf(c byte) int {
	switch {
	case c >= 'a':
		return int(c-'a') + 10
	case c >= 'A':
		return int(c-'A') + 36
	}
	return int(c - '0')
}
