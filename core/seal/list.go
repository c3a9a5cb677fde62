package seal

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/opaquevault/ov/core/lp"
)

// An Env is one environment of the vault: which app/environment an id is, is
// known to whoever holds the vault key only.
type Env struct {
	ID      EnvID
	Epoch   uint32 // of its current key
	App     string
	Name    string
	Created uint64 // Unix milliseconds
}

// SealList seals the environments as one version of the list:
// format[1], then a box of n[4] n*(id[16] epoch[4] created[8] LP(app) LP(name)), padded.
func SealList(vk []byte, vault VaultID, version uint64, envs []Env) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(envs)))
	for _, e := range envs {
		b = append(b, e.ID[:]...)
		b = binary.BigEndian.AppendUint32(b, e.Epoch)
		b = binary.BigEndian.AppendUint64(b, e.Created)
		b = lp.Append(b, []byte(e.App))
		b = lp.Append(b, []byte(e.Name))
	}
	return sealDoc(vk, Place{Vault: vault, ID: ListID(vault), Version: version}, FieldList, b)
}

// OpenList undoes SealList.
func OpenList(vk []byte, vault VaultID, version uint64, data []byte) ([]Env, error) {
	b, err := openDoc(vk, Place{Vault: vault, ID: ListID(vault), Version: version}, FieldList, data)
	if err != nil {
		return nil, err
	}
	r := lp.NewReader(b)
	envs := make([]Env, r.Count(36))
	for i := range envs {
		e := &envs[i]
		copy(e.ID[:], r.Take(len(e.ID)))
		e.Epoch, e.Created = r.U32(), r.U64()
		e.App, e.Name = string(r.Field()), string(r.Field())
	}
	if !r.Done() {
		return nil, ErrOpen
	}
	return envs, nil
}

// SealBlob seals one version of the document name (policy, catalog ...).
func SealBlob(vk []byte, vault VaultID, name string, version uint64, plain []byte) []byte {
	return sealDoc(vk, Place{Vault: vault, ID: BlobID(vault, name), Version: version}, FieldBlob, plain)
}

// OpenBlob undoes SealBlob.
func OpenBlob(vk []byte, vault VaultID, name string, version uint64, data []byte) ([]byte, error) {
	return openDoc(vk, Place{Vault: vault, ID: BlobID(vault, name), Version: version}, FieldBlob, data)
}

func sealDoc(vk []byte, p Place, f Field, plain []byte) []byte {
	sub := Subkey(vk, string(f))
	defer clear(sub)
	return append([]byte{format}, SealBox(sub, p, f, pad(plain, padList))...)
}

func openDoc(vk []byte, p Place, f Field, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, ErrOpen
	}
	if data[0] != format {
		return nil, ErrVersion
	}
	sub := Subkey(vk, string(f))
	defer clear(sub)
	padded, err := OpenBox(sub, p, f, data[1:])
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

// EnvPolicyID is the id under which the policy is stored for the principals that
// read env.
func EnvPolicyID(vault VaultID, env EnvID) ID {
	return sha256.Sum256(LP([]byte("ov/v1/id/env-policy"), vault[:], env[:]))
}

// SealEnvPolicy seals one version of the policy under the key of an environment.
func SealEnvPolicy(k *EnvKey, version uint64, plain []byte) []byte {
	return sealDoc(k.Key, k.Place(EnvPolicyID(k.Vault, k.Env), version), FieldBlob, plain)
}

// OpenEnvPolicy undoes SealEnvPolicy.
func OpenEnvPolicy(k *EnvKey, version uint64, data []byte) ([]byte, error) {
	return openDoc(k.Key, k.Place(EnvPolicyID(k.Vault, k.Env), version), FieldBlob, data)
}
