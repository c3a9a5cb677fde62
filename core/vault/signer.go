package vault

import (
	"bytes"
	"crypto/ed25519"

	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
)

// A SignerKind says what a Signer is to the vault's server.
type SignerKind uint8

// The kinds.
const (
	SignDevice  SignerKind = 1 // a device of the vault
	SignAuth    SignerKind = 2 // who has the password and the Secret Key
	SignMachine SignerKind = 3 // a machine key
	SignNew     SignerKind = 4 // a device that asks to be let in
)

// A Signer signs requests to the vault's server. The key stays here.
type Signer struct {
	Kind   SignerKind
	ID     []byte // of the device (16) or of the machine's principal (32); empty for the others, whose public key names them
	Public ed25519.PublicKey
	sign   func(message []byte) ([]byte, error)
}

// Sign signs a request. A message that could be read as one of the vault's own
// signed texts is refused: a server must not get a manifest signed by asking.
func (s Signer) Sign(message []byte) ([]byte, error) {
	if bytes.HasPrefix(message, lp.Join([]byte(manifest.Label))) {
		return nil, ErrValue
	}
	return s.sign(message)
}

// signWith signs with a copy of key on the heap: crypto/ed25519 keeps a weak
// pointer to the key it is given, which the runtime takes of heap memory only.
func signWith(key ed25519.PrivateKey, message []byte) []byte {
	key = bytes.Clone(key)
	defer clear(key)
	return ed25519.Sign(key, message)
}

// Signer signs requests as this device, or as this machine, until Close.
func (v *Vault) Signer() Signer {
	if v.machine != nil {
		return v.machine.signer()
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := Signer{Kind: SignDevice, ID: bytes.Clone(v.device[:])}
	if v.keys != nil && v.keys.device != nil {
		s.Public = bytes.Clone(v.keys.device.Public().(ed25519.PublicKey))
	}
	s.sign = func(message []byte) ([]byte, error) {
		v.keyMu.Lock() // not mu: a commit signs its manifest and then its request
		defer v.keyMu.Unlock()
		if v.requests == nil {
			return nil, ErrClosed
		}
		return signWith(v.requests, message), nil
	}
	return s
}
