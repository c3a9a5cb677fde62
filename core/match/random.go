package match

import "math/rand/v2"

// multiplier hashes grams: odd, and different in each process, so that the
// program whose output is scanned cannot build collisions.
var multiplier = randomOdd()

// randomOdd draws from the runtime's ChaCha8, which the kernel seeds: nobody
// outside foretells it, and unlike crypto/rand it costs nothing before main.
func randomOdd() uint64 {
	// The golden ratio's bits on top keep a poor draw from hashing badly.
	return rand.Uint64()>>8 ^ 0x9e3779b97f4a7c15 | 1
}
