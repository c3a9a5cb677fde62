package seal

import (
	"crypto/ed25519"

	"github.com/opaquevault/ov/core/manifest"
)

// The public half of a vault is package manifest's; its words are used here as
// if they were ours.
type (
	VaultID   = manifest.VaultID
	EnvID     = manifest.EnvID
	DeviceID  = manifest.DeviceID
	ID        = manifest.ID
	Hash      = manifest.Hash
	Suite     = manifest.Suite
	Manifest  = manifest.Manifest
	SlotRef   = manifest.SlotRef
	Entity    = manifest.Entity
	Device    = manifest.Device
	BlobRef   = manifest.BlobRef
	Purged    = manifest.Purged
	EnvKeyRef = manifest.EnvKeyRef
	Tree      = manifest.Tree
)

// The kinds of stored things.
const (
	KindSlot   = manifest.KindSlot
	KindEnvKey = manifest.KindEnvKey
	KindList   = manifest.KindList
	KindSecret = manifest.KindSecret
	KindBlob   = manifest.KindBlob

	KindPrincipal = manifest.KindPrincipal
	KindWrap      = manifest.KindWrap
	KindEnvPolicy = manifest.KindEnvPolicy
)

// SignManifest returns the stored form of m, signed by a device and, where a
// device enrols itself, by the password: then master must be given.
func SignManifest(m *Manifest, device ed25519.PrivateKey, master *Master) []byte {
	var auth []byte
	if master != nil {
		auth = ed25519.Sign(ed25519.NewKeyFromSeed(master.auth), m.Body())
	}
	return SignManifestAs(m, device, auth)
}

// SignManifestAs returns the stored form of m, signed with key, and with what
// says why it may be: see manifest.Manifest.Encode.
func SignManifestAs(m *Manifest, key ed25519.PrivateKey, warrant []byte) []byte {
	// crypto/ed25519 keeps a weak pointer to the key, which the runtime takes of
	// heap memory only; the device's key lies in locked memory.
	key = append(ed25519.PrivateKey(nil), key...)
	defer clear(key)
	return m.Encode(ed25519.Sign(key, m.Body()), warrant)
}

// ParseManifest is manifest.Parse.
func ParseManifest(data []byte) (*Manifest, error) { return manifest.Parse(data) }

// ManifestHash is manifest.Chain.
func ManifestHash(data []byte) Hash { return manifest.Chain(data) }

// EnvKeysHash is manifest.EnvKeysHash.
func EnvKeysHash(sorted []EnvKeyRef) Hash { return manifest.EnvKeysHash(sorted) }

// Sum is manifest.Sum.
func Sum(data []byte) Hash { return manifest.Sum(data) }

// Leaf is manifest.Leaf.
func Leaf(kind uint8, env EnvID, id ID, version uint64, sum Hash) Hash {
	return manifest.Leaf(kind, env, id, version, sum)
}

// NewTree is manifest.NewTree.
func NewTree(leaves []Hash) (*Tree, bool) { return manifest.NewTree(leaves) }

// ListID is manifest.ListID.
func ListID(vault VaultID) ID { return manifest.ListID(vault) }

// BlobID is manifest.BlobID.
func BlobID(vault VaultID, name string) ID { return manifest.BlobID(vault, name) }

// EnvKeyID is manifest.EnvKeyID; the version of what lies there is the epoch.
func EnvKeyID(vault VaultID, env EnvID) ID { return manifest.EnvKeyID(vault, env) }

// Words is manifest.Words.
func Words(public []byte) string { return manifest.Words(public) }
