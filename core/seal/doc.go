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
//	manifest.go  the signed state of a whole vault; root.go hashes what it covers
//	kit.go       the Secret Key as a person types it
//
// The uniform error is ErrOpen: a wrong key, a flipped bit, a value in the
// wrong place and a cut field cannot be told apart.
package seal

import "errors"

// ErrOpen is the one error for everything that does not authenticate.
var ErrOpen = errors.New("wrong key or altered data")

// ErrVersion says that data was written in a format of later than this one.
var ErrVersion = errors.New("written by a newer version of ov")

// Sizes in bytes.
const (
	KeySize       = 32
	SecretKeySize = 16
	SaltSize      = 16
)

// A VaultID, an EnvID and a DeviceID are random; an ID is a random number or a hash.
type (
	VaultID  [16]byte
	EnvID    [16]byte
	DeviceID [16]byte
	ID       [32]byte
	Hash     [32]byte
)

// What a stored thing is. A store sees the kind.
const (
	KindSlot   uint8 = 1 // the vault key under a password
	KindEnvKey uint8 = 2 // an environment key under the vault key, and under others' public keys
	KindList   uint8 = 3 // the list of environments
	KindSecret uint8 = 4 // a version of a secret
	KindBlob   uint8 = 5 // a sealed document: policy, catalog, scanner lock
)

// format is the first byte of everything that is stored.
const format = 1
