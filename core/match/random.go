package match

import (
	"crypto/rand"
	"encoding/binary"
)

// multiplier hashes grams: odd, and different in each process, so that the
// program whose output is scanned cannot build collisions.
var multiplier = randomOdd()

func randomOdd() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails: crypto/rand crashes the process instead
	// The golden ratio's bits on top keep a poor draw from hashing badly.
	return binary.LittleEndian.Uint64(b[:])>>8 ^ 0x9e3779b97f4a7c15 | 1
}
