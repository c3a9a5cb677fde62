package vault

import (
	"crypto/ed25519"

	"github.com/opaquevault/ov/core/seal"
)

// A keyring holds every long-lived key of an unlocked vault, in memory of the
// caller's choice, and nothing else does.
type keyring struct {
	alloc func(n int) []byte
	kept  [][]byte // all that was handed out, for wipe

	vk     []byte             // the vault key; nil in a machine's
	seed   []byte             // of a machine; nil in a device's
	seen   []byte             // MACs the file of what was seen, from the Secret Key
	device ed25519.PrivateKey // signs manifests
	mark   []byte             // MACs it a second time, from the device's key
	audit  [][]byte           // of the audit log, the current one first
	envs   map[seal.EnvID]*seal.EnvKey
}

func newKeyring(alloc func(int) []byte) *keyring {
	if alloc == nil {
		alloc = func(n int) []byte { return make([]byte, n) }
	}
	return &keyring{alloc: alloc, envs: map[seal.EnvID]*seal.EnvKey{}}
}

// keep moves b into key memory and zeroes it.
func (k *keyring) keep(b []byte) []byte {
	out := k.alloc(len(b))[:len(b)]
	copy(out, b)
	clear(b)
	k.kept = append(k.kept, out)
	return out
}

// base is the key that what is derived for uses of this vault comes from.
func (k *keyring) base() []byte {
	if k.vk == nil {
		return k.seed
	}
	return k.vk
}

// setDevice keeps the device's signing key and what is derived from it.
func (k *keyring) setDevice(key ed25519.PrivateKey) {
	k.mark = k.keep(seal.Subkey(key.Seed(), "seen"))
	k.device = k.keep(key)
}

// addEnv keeps an environment's key.
func (k *keyring) addEnv(key *seal.EnvKey) {
	key.Key, key.Index = k.keep(key.Key), k.keep(key.Index)
	k.envs[key.Env] = key
}

// wipe zeroes everything.
func (k *keyring) wipe() {
	for _, b := range k.kept {
		clear(b)
	}
	clear(k.envs)
}
