package audit

import "crypto/sha256"

// mth is RFC 6962, section 2.1, word by word.
func mth(d [][macSize]byte) [32]byte {
	if len(d) == 1 {
		return sha256.Sum256(append([]byte{0}, d[0][:]...))
	}
	k := 1
	for 2*k < len(d) {
		k *= 2
	}
	l, r := mth(d[:k]), mth(d[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}
