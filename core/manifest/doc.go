// Package manifest is the public half of a vault: the signed list of what it
// holds, who may write it and who may read it. It needs no key but public ones,
// so that a server checks with it what it stores and cannot open.
//
//	manifest.go   parse, verify, and whether one manifest may follow another
//	tree.go       the hash over what is stored of one environment
//	forest.go     the hash over everything that is stored
//	words.go      a fingerprint that people compare
//	principal.go  a machine or a member: its public keys and how far they reach
//
// core/seal/FORMAT.md lists the bytes.
package manifest

import (
	"crypto/sha256"
	"errors"

	"github.com/opaquevault/ov/core/lp"
)

// ErrAltered is the one error for everything that does not authenticate.
var ErrAltered = errors.New("wrong key or altered data")

// ErrVersion says that data was written in a format of later than this one.
var ErrVersion = errors.New("written by a newer version of ov")

// A VaultID, an EnvID and a DeviceID are random; an ID is a random number or a hash.
type (
	VaultID  [16]byte
	EnvID    [16]byte
	DeviceID [16]byte
	ID       [32]byte
	Hash     [32]byte
)

// A Suite names the cost of a password guess; package seal knows which.
type Suite uint8

// What a stored thing is. A store sees the kind.
const (
	KindSlot      uint8 = 1 // the vault key under a password
	KindEnvKey    uint8 = 2 // an environment key under the vault key, and under others' public keys
	KindList      uint8 = 3 // the list of environments
	KindSecret    uint8 = 4 // a version of a secret
	KindBlob      uint8 = 5 // a sealed document: policy, catalog, scanner lock
	KindPrincipal uint8 = 6 // the public keys of a machine or a member, in the clear
	KindApproval  uint8 = 7 // the answer to a new device's request; it lies in the server's mailbox, in no commit
	KindWrap      uint8 = 8 // an environment key, for one principal
	KindEnvPolicy uint8 = 9 // the policy, for the principals that read an environment
)

// Stored reports whether a commit may put things of a kind.
func Stored(kind uint8) bool {
	return kind >= KindSlot && kind <= KindEnvPolicy && kind != KindApproval
}

// Format is the first byte of everything that is stored.
const Format = 1

// ListID is the id under which the list of environments is stored.
func ListID(vault VaultID) ID { return sha256.Sum256(lp.Join([]byte("ov/v1/id/list"), vault[:])) }

// BlobID is the id under which the sealed document name is stored.
func BlobID(vault VaultID, name string) ID {
	return sha256.Sum256(lp.Join([]byte("ov/v1/id/blob"), vault[:], []byte(name)))
}

// EnvKeyID is the id under which the keys of an environment are stored.
func EnvKeyID(vault VaultID, env EnvID) ID {
	return sha256.Sum256(lp.Join([]byte("ov/v1/id/ek"), vault[:], env[:]))
}
