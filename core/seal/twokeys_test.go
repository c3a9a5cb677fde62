package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"testing"
)

// twoKeys returns nonce ‖ ciphertext ‖ tag that AES-256-GCM accepts under both
// k1 and k2: three blocks of which the last is solved for, since GHASH is
// linear in it.
func twoKeys(t *testing.T, k1, k2, aad []byte) []byte {
	t.Helper()
	nonce := NewKey(12)
	ct := append(NewKey(32), make([]byte, 16)...)
	h1, e1 := gcmParts(t, k1, nonce)
	h2, e2 := gcmParts(t, k2, nonce)
	// tag_i = e_i ^ G_i(ct without the last block) ^ last*h_i^2; equal tags give
	// last * (h1^2 ^ h2^2) = e1 ^ e2 ^ G_1 ^ G_2.
	right := e1.xor(e2).xor(ghash(h1, aad, ct)).xor(ghash(h2, aad, ct))
	last := right.mul(h1.mul(h1).xor(h2.mul(h2)).inverse()).bytes()
	copy(ct[32:], last[:])
	tag := e1.xor(ghash(h1, aad, ct)).bytes()
	return append(append(nonce, ct...), tag[:]...)
}

// gcmParts returns GCM's hash key and the mask of its tag.
func gcmParts(t *testing.T, key, nonce []byte) (h, mask element) {
	t.Helper()
	var block cipher.Block
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	var b [16]byte
	block.Encrypt(b[:], b[:])
	h = toElement(b[:])
	copy(b[:], nonce)
	binary.BigEndian.PutUint32(b[12:], 1)
	block.Encrypt(b[:], b[:])
	return h, toElement(b[:])
}

// An element of GF(2^128) in GCM's order: bit 0 is the highest of hi.
type element struct{ hi, lo uint64 }

func toElement(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (a element) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return b
}

func (a element) xor(b element) element { return element{a.hi ^ b.hi, a.lo ^ b.lo} }

func (a element) mul(b element) (z element) {
	for i := range 128 {
		bit := a.hi >> (63 - i%64) & 1
		if i >= 64 {
			bit = a.lo >> (63 - i%64) & 1
		}
		if bit == 1 {
			z = z.xor(b)
		}
		carry := b.lo & 1
		b.lo = b.lo>>1 | b.hi<<63
		b.hi >>= 1
		if carry == 1 {
			b.hi ^= 0xe1 << 56
		}
	}
	return z
}

// inverse is a^(2^128-2).
func (a element) inverse() element {
	z, sq := element{1 << 63, 0}, a
	for range 127 {
		sq = sq.mul(sq)
		z = z.mul(sq)
	}
	return z
}

func ghash(h element, aad, ct []byte) (y element) {
	for _, data := range [][]byte{aad, ct} {
		for i := 0; i < len(data); i += 16 {
			var b [16]byte
			copy(b[:], data[i:])
			y = y.xor(toElement(b[:])).mul(h)
		}
	}
	return y.xor(element{uint64(len(aad)) * 8, uint64(len(ct)) * 8}).mul(h)
}
