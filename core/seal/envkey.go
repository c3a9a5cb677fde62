package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/opaquevault/ov/core/lp"
)

// An EnvKey opens one environment. Its epoch rises when access is revoked;
// everything is then sealed anew.
type EnvKey struct {
	Vault VaultID
	Env   EnvID
	Epoch uint32
	Key   []byte // 32 bytes
	Index []byte // 32 bytes, Subkey(Key, "idx")
}

// RecordID blinds a secret's name: the only index that a store has.
func (k *EnvKey) RecordID(name string) (id ID) {
	h := hmac.New(sha256.New, k.Index)
	h.Write([]byte(name))
	h.Sum(id[:0])
	return id
}

// Place returns the place of one version of a secret of the environment.
func (k *EnvKey) Place(id ID, version uint64) Place {
	return Place{Vault: k.Vault, Env: k.Env, Epoch: k.Epoch, ID: id, Version: version}
}

// IndexKey returns the index key that belongs to an environment key.
func IndexKey(key []byte) []byte { return Subkey(key, "idx") }

// Who a wrap of an environment key is for.
const (
	wrapVault = 0 // the owner: a box under the vault key
	// others are told to who has use for them; what a principal holds is a record of its own: wrap.go
)

// A Wrap is an environment key for one recipient.
type Wrap struct {
	Kind uint8
	To   []byte // hash of the recipient's public key; empty for the owner
	Data []byte
}

// SealEnvKey returns the stored form of k for the owner, with the wraps for
// others that are handed in.
func SealEnvKey(vk []byte, k *EnvKey, others ...Wrap) []byte {
	sub := Subkey(vk, "ek")
	defer clear(sub)
	box := SealBox(sub, k.place(), FieldEnvKey, k.Key)
	out := append([]byte{format}, k.Env[:]...)
	out = binary.BigEndian.AppendUint32(out, k.Epoch)
	out = binary.BigEndian.AppendUint32(out, uint32(1+len(others)))
	for _, w := range append([]Wrap{{Kind: wrapVault, Data: box}}, others...) {
		out = append(out, w.Kind)
		out = lp.Append(out, w.To)
		out = lp.Append(out, w.Data)
	}
	return out
}

// OpenEnvKey opens the owner's wrap in data. The caller says which environment
// and epoch it must be, and owns the key.
func OpenEnvKey(vk []byte, vault VaultID, env EnvID, epoch uint32, data []byte) (*EnvKey, error) {
	wraps, err := parseWraps(env, epoch, data)
	if err != nil {
		return nil, err
	}
	sub := Subkey(vk, "ek")
	defer clear(sub)
	k := &EnvKey{Vault: vault, Env: env, Epoch: epoch}
	for _, w := range wraps {
		if w.Kind != wrapVault {
			continue
		}
		if k.Key, err = OpenBox(sub, k.place(), FieldEnvKey, w.Data); err != nil || len(k.Key) != KeySize {
			return nil, ErrOpen
		}
		k.Index = IndexKey(k.Key)
		return k, nil
	}
	return nil, ErrOpen
}

func parseWraps(env EnvID, epoch uint32, data []byte) ([]Wrap, error) {
	r := lp.NewReader(data)
	if v := r.U8(); !r.Bad() && v != format {
		return nil, ErrVersion
	}
	var gotEnv EnvID
	copy(gotEnv[:], r.Take(len(gotEnv)))
	gotEpoch := r.U32()
	var wraps []Wrap
	for range r.Count(9) {
		wraps = append(wraps, Wrap{Kind: r.U8(), To: r.Field(), Data: r.Field()})
	}
	if !r.Done() || gotEnv != env || gotEpoch != epoch {
		return nil, ErrOpen
	}
	return wraps, nil
}

func (k *EnvKey) place() Place {
	return k.Place(EnvKeyID(k.Vault, k.Env), uint64(k.Epoch))
}
