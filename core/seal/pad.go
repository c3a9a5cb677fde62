package seal

import (
	"encoding/binary"

	"github.com/opaquevault/ov/core/lp"
)

// Smallest padded sizes: what a store can tell about a length is its bucket.
const (
	padName  = 64
	padValue = 64
	padMeta  = 256
	padList  = 256
)

// pad returns 4 bytes of length, b, and zeros up to the next bucket: smallest,
// or a power of two times it.
func pad(b []byte, smallest int) []byte {
	size := smallest
	for size < 4+len(b) {
		size *= 2
	}
	out := make([]byte, 4, size)
	binary.BigEndian.PutUint32(out, uint32(len(b)))
	return append(out, b...)[:size]
}

// unpad returns what pad was given, sharing its memory.
func unpad(b []byte) ([]byte, error) {
	r := lp.NewReader(b)
	out := r.Field()
	if r.Bad() {
		return nil, ErrOpen
	}
	for _, c := range r.Rest() {
		if c != 0 {
			return nil, ErrOpen
		}
	}
	return out, nil
}
