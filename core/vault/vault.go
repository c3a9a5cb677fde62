// Package vault keeps secrets sealed in a blob.Store: names, values and
// metadata in, ciphertext out. It alone turns a reference into a value, and it
// does so only after the caller's Before hook has agreed.
package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// Errors of this package. Every cryptographic failure is one of the uniform
// ones (ErrPassword, ErrTampered): what exactly was wrong is not said.
var (
	ErrNoVault     = errors.New("no vault here")
	ErrVaultExists = errors.New("a vault exists already")
	ErrPassword    = errors.New("wrong password or damaged key")
	ErrNotFound    = errors.New("secret not found")
	ErrExists      = errors.New("secret exists already")
	ErrTaken       = errors.New("exists already") // what is no secret: a name, a key, an environment
	ErrConflict    = errors.New("changed by someone else meanwhile")
	ErrTampered    = errors.New("stored data was altered")
	ErrRollback    = errors.New("the store is older than what was seen before")
	ErrFork        = errors.New("the store has two histories")
	ErrCorrupt     = errors.New("the store is damaged")
	ErrFull        = errors.New("no space left for the vault")
	ErrRotated     = errors.New("the vault's keys were changed: unlock it again")
	ErrClosed      = errors.New("vault is closed")
	ErrValue       = errors.New("invalid value")
	ErrReadOnly    = errors.New("this key, a machine's or a member's, reads and writes nothing")
	ErrScope       = errors.New("not what this key is for")
	ErrRevoked     = errors.New("no longer let in")
	ErrServed      = errors.New("this is the copy of a vault on a server")
	ErrExpired     = errors.New("its time is over")
)

// An Info is what is known about a secret without its value.
type Info struct {
	Ref     secret.Ref
	Version uint64
	Created time.Time // of the first version
	Updated time.Time // of this version
	Plain   bool      // configuration, not secret: never masked
	Weak    bool      // guessable in under 2^40 tries
	Deleted bool
	Size    int
	Tags    []string
	Device  string // hex id of the device that wrote this version, or the beginning of a member's
	By      string // its name, or "NAME (member)": in a history, and if it is known
	From    string // the reference it was renamed from, if it was
	Origin  string // where it was imported from, as PutOptions said
}

// A Head is one version that is about to be opened. A Ref without a Name means
// the metadata of everything in its space.
type Head struct {
	Ref     secret.Ref
	Version uint64
}

// Before runs before any DEK is unwrapped, with what will be opened. An error
// from it ends the call: nothing was opened. It must not call the vault.
type Before func([]Head) error

// An Opened is a value with what is known about it. The caller wipes the Value.
type Opened struct {
	Info
	Value secret.Value
}

// A Space is an app/environment that exists.
type Space struct{ App, Env string }

// A Mode says what Put does when the secret exists or does not.
type Mode int

// The modes of Put.
const (
	Upsert     Mode = iota // create or update
	CreateOnly             // ErrExists when it exists
	UpdateOnly             // ErrNotFound when it does not
)

// PutOptions are the choices of Put.
type PutOptions struct {
	Mode      Mode
	Plain     bool
	Tags      []string // nil: as they were
	IfVersion uint64   // not 0: only if this is the newest version, else ErrConflict
	// Seen is the version that whoever writes knew of (0: none). When another
	// device has put a newer one meanwhile it is not replaced: Conflict. Nil:
	// whatever is there is replaced.
	Seen     *uint64
	Strength float64 // log2 of the guesses the value takes; 0: not known
	Origin   string  // where an import took it from, at most 4 KiB
	// Before is asked before the tags of the old version are read. Without it
	// nothing is read, and nil Tags mean none.
	Before Before
}

// A Vault is unlocked: it holds the keys until Close. It is safe for concurrent
// use, and shares its store with other processes.
type Vault struct {
	st  blob.Store
	dir string
	now func() time.Time

	vault  seal.VaultID
	device seal.DeviceID
	served bool // it is on a server: what this device has is a copy

	writing sync.Mutex   // held by who commits or reloads
	mu      sync.RWMutex // over keys and state; held for reading while keys are used
	keys    *keyring     // nil when closed
	state   *state
	queue   queue

	keyMu    sync.Mutex // over requests, which is used while mu is held
	requests ed25519.PrivateKey
	machine  *machine // nil: a device
}

// Options are what Create and Unlock may be told.
type Options struct {
	// Alloc returns n zeroed bytes for keys (locked, secret memory); nil: the
	// heap. Close zeroes them.
	Alloc func(n int) []byte
	// AcceptRollback takes the store as it is, though it is older than what was
	// seen before, or forked: a person said that it is meant to be.
	AcceptRollback bool
	// Served says that st is the copy of a vault on a server. A device remembers
	// that, and does not open the copy any more as a vault of its own.
	Served bool
	// Suite is the password suite that Create uses; 0: Suite1.
	Suite seal.Suite
	// Name is how this device is called in the vault that Create makes.
	Name string
	// Keyed is called once this device can sign requests to the vault's server,
	// before Create writes to the store; nil: nobody asks.
	Keyed func(*Vault)
}

// ID returns the vault's id, hex.
func (v *Vault) ID() string { return hex.EncodeToString(v.vault[:]) }

// Seq returns the number of the newest commit that this process has taken over.
func (v *Vault) Seq() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return 0
	}
	return v.state.head.Seq
}

// Device returns the hex id of this device.
func (v *Vault) Device() string { return hex.EncodeToString(v.device[:]) }

// Close zeroes the keys. It waits for calls under way; later ones return ErrClosed.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys != nil {
		v.keyMu.Lock()
		v.keys.wipe()
		v.keys, v.requests = nil, nil
		v.keyMu.Unlock()
		if v.state != nil {
			v.state.names.wipe()
		}
	}
	return nil
}

// AuditKeys returns copies of the keys of the audit log, the current one first,
// then those of before a rotation.
func (v *Vault) AuditKeys() [][]byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return nil
	}
	out := make([][]byte, len(v.keys.audit))
	for i, k := range v.keys.audit {
		out[i] = bytes.Clone(k)
	}
	return out
}

// Derive returns 32 bytes for label: others for every label, and the same ones
// until the vault key is rotated; nil when closed.
func (v *Vault) Derive(label string) []byte {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return nil
	}
	return seal.Subkey(v.keys.base(), "derive/"+label)
}

// signRequestsWith has requests signed by another key, from the moment at which
// the server knows it.
func (v *Vault) signRequestsWith(key ed25519.PrivateKey) {
	v.keyMu.Lock()
	defer v.keyMu.Unlock()
	if v.requests != nil { // not closed meanwhile
		v.requests = key
	}
}

// setDevice keeps the device's signing key, for manifests and for requests.
func (v *Vault) setDevice(key ed25519.PrivateKey, keyed func(*Vault)) {
	v.keys.setDevice(key)
	v.keyMu.Lock()
	v.requests = v.keys.device
	v.keyMu.Unlock()
	if keyed != nil {
		keyed(v)
	}
}
