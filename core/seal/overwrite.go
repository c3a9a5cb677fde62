package seal

import "golang.org/x/crypto/blake2b"

// hashStates is how many dead hash states Overwrite writes over, at the most.
const hashStates = 512

// Overwrite takes the memory of dead hash states into use again and fills it:
// Argon2's first hash keeps the last 128 bytes that it read, the password among
// them, until something else is put there. Call it after a garbage collection.
func Overwrite() {
	var nothing [blake2b.BlockSize]byte
	all := make([]any, 0, hashStates)
	for range hashStates {
		h, err := blake2b.New512(nil)
		if err != nil {
			return // without a key it never fails
		}
		h.Write(nothing[:])
		all = append(all, h)
	}
	clear(all)
}
