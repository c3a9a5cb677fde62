package encode

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// No spelling of a key begins with what a prompt, or a line, ends with: it would
// be held back until more came.
func TestNoFormBeginsWithSpace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(value string) {
		src := New([]byte(value))
		for _, forms := range [][]Form{src.Exact(), src.Encoded()} {
			for _, f := range forms {
				switch f.Bytes[0] {
				case ' ', '\t', '\r', '\n':
					t.Errorf("%q: %s begins with %q", value, f.Kind, f.Bytes[:1])
				}
			}
		}
	}
	for range 300 {
		key := make([]byte, 24)
		for i := range key {
			key[i] = byte(r.Uint32())
		}
		for n := range key { // as many of its first bytes as spaces
			if n > 0 {
				key[n-1] = " \t\r\n"[n%4]
			}
			if n < 4 {
				check(base64.StdEncoding.EncodeToString(key))
				check(hex.EncodeToString(key))
			}
		}
	}
}
