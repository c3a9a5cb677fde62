package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/opaquevault/ov/core/secret"
)

// The suites. Their parameters are constants of the program: none ever comes
// from a store or a server, which could weaken it. A vault's signed floor says
// which of them it still accepts.
const (
	Suite1      Suite = 1 // Argon2id t=1, m=64 MiB, p=4: about 50 ms
	Suite2      Suite = 2 // Argon2id t=3, m=64 MiB, p=4: about 170 ms
	NewestSuite       = Suite2
)

const (
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
)

// passes returns the suite's number of Argon2id passes, or ErrVersion.
func passes(s Suite) (uint32, error) {
	switch s {
	case Suite1:
		return 1, nil
	case Suite2:
		return 3, nil
	}
	return 0, fmt.Errorf("password suite %d: %w", s, ErrVersion)
}

// A Master is what a password and the Secret Key give: the key of a slot, the
// proof that is checked before the slot is opened, and a signing key that
// enrols devices. Wipe it as soon as the slot is open.
type Master struct {
	kek    []byte
	auth   []byte // Ed25519 seed
	commit []byte
}

// Derive computes the Master for password: Argon2id over the NFKC form of the
// password, mixed with the Secret Key, so that neither is of use alone.
func Derive(password secret.Value, sk []byte, vault VaultID, suite Suite) (*Master, error) {
	t, err := passes(suite)
	if err != nil {
		return nil, err
	}
	salt := extractExpand(sk, LP([]byte("ov/v1/salt"), vault[:]), KeySize)[:SaltSize]
	typed := norm.NFKC.Append(make([]byte, 0, 4*password.Len()), password.Reveal()...)
	defer clear(typed)
	warm(argonMemory << 10)
	var a []byte
	erasing(func() { a = argon2.IDKey(typed, salt, t, argonMemory, argonThreads, KeySize) })
	defer clear(a)
	mix := extractExpand(sk, LP([]byte("ov/v1/2skd"), vault[:], []byte{byte(suite)}), KeySize)
	defer clear(mix)
	s, err := hkdf.Extract(sha256.New, a, mix)
	if err != nil {
		return nil, fmt.Errorf("derive keys: %w", err)
	}
	defer clear(s)
	return &Master{
		kek:    expand(s, LP([]byte("ov/v1/kek"), vault[:]), KeySize),
		auth:   expand(s, LP([]byte("ov/v1/auth"), vault[:]), ed25519.SeedSize),
		commit: expand(s, LP([]byte("ov/v1/commit"), vault[:]), KeySize),
	}, nil
}

// AuthKey returns the public half of the key that enrols devices.
func (m *Master) AuthKey() ed25519.PublicKey {
	return ed25519.NewKeyFromSeed(m.auth).Public().(ed25519.PublicKey)
}

// Sign signs message as who has the password and the Secret Key.
func (m *Master) Sign(message []byte) []byte {
	key := ed25519.NewKeyFromSeed(m.auth)
	defer clear(key)
	return ed25519.Sign(key, message)
}

// Wipe zeroes the keys.
func (m *Master) Wipe() {
	clear(m.kek)
	clear(m.auth)
	clear(m.commit)
}

// NewKey returns n random bytes.
func NewKey(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the program instead
	return b
}

// Subkey derives a 32-byte key of its own for use from a uniformly random key.
func Subkey(key []byte, use string) []byte {
	return expand(key, LP([]byte("ov/v1/subkey"), []byte(use)), KeySize)
}

// DeviceSubkey derives a 32-byte key for use from the Secret Key.
func DeviceSubkey(sk []byte, vault VaultID, use string) []byte {
	return extractExpand(sk, LP([]byte("ov/v1/device"), vault[:], []byte(use)), KeySize)
}

// expand is HKDF-Expand for keys that are uniformly random already.
func expand(key, info []byte, n int) []byte {
	out, err := hkdf.Expand(sha256.New, key, string(info), n)
	if err != nil {
		panic("seal: HKDF-Expand: " + err.Error()) // n is a constant below the limit
	}
	return out
}

// extractExpand is the whole HKDF without salt, for the Secret Key.
func extractExpand(key, info []byte, n int) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, string(info), n)
	if err != nil {
		panic("seal: HKDF: " + err.Error()) // n is a constant below the limit
	}
	return out
}

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
