package seal

import (
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"

	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
)

// A Holder is who an environment's key is wrapped for: a machine or a member.
// Both of its keys come from one seed, which is all that it keeps.
//
// HPKE is the standard library's: the key holder links no second
// implementation of it, and package channel's tests hold the two against each
// other.
type Holder struct {
	Sign ed25519.PrivateKey
	seal hpke.PrivateKey
}

// HolderSeed is the size of a holder's seed in bytes.
const HolderSeed = 32

// NewHolder derives the keys of seed.
func NewHolder(seed []byte) (*Holder, error) {
	sign := Subkey(seed, "holder-sign")
	defer clear(sign)
	kem := Subkey(seed, "holder-seal")
	defer clear(kem)
	key, err := hpke.MLKEM768X25519().NewPrivateKey(kem)
	if err != nil {
		return nil, err
	}
	return &Holder{Sign: ed25519.NewKeyFromSeed(sign), seal: key}, nil
}

// Principal returns the public half of h. The caller says how far it reaches.
func (h *Holder) Principal() manifest.Principal {
	return manifest.Principal{Sign: [32]byte(h.Sign.Public().(ed25519.PublicKey)), Seal: [manifest.XWingSize]byte(h.seal.PublicKey().Bytes())}
}

// Wipe zeroes the signing key. What crypto/hpke keeps of the other one is out
// of reach: it goes with the process.
func (h *Holder) Wipe() { clear(h.Sign) }

// What a message is sealed for, so that none can stand in for another.
const (
	infoEnvKey   = "ov/v1/ek"
	infoApproval = "ov/v1/approval"
)

// sealTo is HPKE (RFC 9180) in base mode to an X-Wing key, with HKDF-SHA256 and
// AES-256-GCM: enc[1120] ciphertext.
func sealTo(public []byte, info string, aad, plain []byte) ([]byte, error) {
	key, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	enc, s, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		return nil, err
	}
	ct, err := s.Seal(aad, plain)
	return append(enc, ct...), err
}

const encSize = 1120

func openWith(key hpke.PrivateKey, info string, aad, data []byte) ([]byte, error) {
	if len(data) < encSize {
		return nil, ErrOpen
	}
	r, err := hpke.NewRecipient(data[:encSize], key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(info))
	if err != nil {
		return nil, ErrOpen
	}
	plain, err := r.Open(aad, data[encSize:])
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// WrapID is the id under which the key of env is stored for a principal; the
// version of what lies there is the key's epoch.
func WrapID(vault VaultID, env EnvID, principal ID) ID {
	return sha256.Sum256(lp.Join([]byte("ov/v1/id/wrap"), vault[:], env[:], principal[:]))
}

func wrapAAD(vault VaultID, env EnvID, epoch uint32, principal ID) []byte {
	p := Place{Vault: vault, Env: env, Epoch: epoch, ID: WrapID(vault, env, principal), Version: uint64(epoch)}
	return p.aad(cipherSuite, FieldEnvKey)
}

// SealWrap returns the stored form of k for p: format[1] env[16] epoch[4], then
// HPKE to p's X-Wing key.
func SealWrap(p *manifest.Principal, k *EnvKey) ([]byte, error) {
	ct, err := sealTo(p.Seal[:], infoEnvKey, wrapAAD(k.Vault, k.Env, k.Epoch, p.ID()), k.Key)
	if err != nil {
		return nil, err
	}
	out := append([]byte{manifest.Format}, k.Env[:]...)
	return append(append(out, u32bytes(k.Epoch)...), ct...), nil
}

// OpenWrap opens what SealWrap made for h. The caller says of which environment
// and epoch it must be, and owns the key.
func (h *Holder) OpenWrap(vault VaultID, env EnvID, epoch uint32, data []byte) (*EnvKey, error) {
	r := lp.NewReader(data)
	if v := r.U8(); !r.Bad() && v != manifest.Format {
		return nil, ErrVersion
	}
	var gotEnv EnvID
	copy(gotEnv[:], r.Take(len(gotEnv)))
	if r.U32() != epoch || r.Bad() || gotEnv != env {
		return nil, ErrOpen
	}
	p := h.Principal()
	key, err := openWith(h.seal, infoEnvKey, wrapAAD(vault, env, epoch, p.ID()), data[1+16+4:])
	if err != nil || len(key) != KeySize {
		return nil, ErrOpen
	}
	return &EnvKey{Vault: vault, Env: env, Epoch: epoch, Key: key, Index: IndexKey(key)}, nil
}

func u32bytes(n uint32) []byte { return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
