package manifest

import (
	"crypto/sha256"
	"strings"

	"github.com/opaquevault/ov/core/lp"
)

// wordCount is how much of a key's hash two people compare: 96 bits, six words.
const wordCount = 6

// Words spells the fingerprint of a public key so that two people can compare
// it by voice: six words of five letters, consonants and vowels in turn, 16 bits
// each (the scheme of proquints, arXiv:0901.4016).
func Words(public []byte) string {
	const consonants, vowels = "bdfghjklmnprstvz", "aiou"
	sum := sha256.Sum256(lp.Join([]byte("ov/v1/words"), public))
	words := make([]string, wordCount)
	for i := range words {
		n := uint16(sum[2*i])<<8 | uint16(sum[2*i+1])
		words[i] = string([]byte{
			consonants[n>>12], vowels[n>>10&3], consonants[n>>6&15], vowels[n>>4&3], consonants[n&15],
		})
	}
	return strings.Join(words, "-")
}
