// Package seal turns a password into keys and keys into envelopes. It holds
// every byte format of the vault and does no input or output; FORMAT.md beside
// it is enough to write another implementation.
//
//	kdf.go       password + Secret Key -> Master (KEK, authentication key)
//	box.go       one key sealed under another, with a commitment
//	envkey.go    an environment's key and the blinded ids made from it
//	record.go    one version of a secret
//	list.go      the environments of a vault
//	slot.go      the vault key under a password
//	manifest.go  signs the state of a whole vault, which package manifest defines
//	kit.go       the Secret Key as a person types it
//	wrap.go      an environment's key for a machine or a member
//	machinekey.go what a machine is handed
//	approval.go  how a device lets another one in
//
// The uniform error is ErrOpen: a wrong key, a flipped bit, a value in the
// wrong place and a cut field cannot be told apart.
package seal

import "github.com/opaquevault/ov/core/manifest"

// The errors are package manifest's: what is altered and what is sealed under
// another key cannot be told apart.
var (
	ErrOpen    = manifest.ErrAltered
	ErrVersion = manifest.ErrVersion
)

// Sizes in bytes.
const (
	KeySize       = 32
	SecretKeySize = 16
	SaltSize      = 16
)

// format is the first byte of everything that is stored.
const format = manifest.Format
