// Package depot is what a server keeps: the ciphertext of many vaults, and a
// few small notes beside each. A depot does not judge what it stores; package
// server does. What it guarantees is that a commit is applied whole, once, and
// only on the head that it was made from.
package depot

import (
	"context"
	"errors"
	"time"

	"github.com/opaquevault/ov/core/blob"
)

// A Vault names one vault.
type Vault = [16]byte

// A Head says where a vault stands. Chain is the hash of the head's manifest:
// after a restored backup two manifests may bear the same number.
type Head struct {
	Seq     uint64
	Chain   [32]byte
	Records int64
	Bytes   int64 // of all records' data
}

// A Commit is a blob.Commit with all that must happen together with it.
type Commit struct {
	blob.Commit
	Prev    [32]byte // Chain of the head that it was made from
	Chain   [32]byte // of its own manifest
	Locator [16]byte // stored with the first commit; zeros: none
	Key     [32]byte // idempotency: a second commit under this key is not applied
	Hash    [32]byte // of what was asked under Key
	Time    time.Time
	Limits  Limits
	Notes   []Note // written over what is there
	Upload  []byte // parts that are dropped: a prefix of ids of NotePart
}

// Limits bound a vault; zero is no limit.
type Limits struct{ Records, Bytes int64 }

// A NoteKind says what a note is for.
type NoteKind uint8

// The kinds of notes.
const (
	NotePart    NoteKind = 1  // a part of a staged commit; id: upload[16] part[4]
	NoteRequest NoteKind = 2  // a new device asks to be let in; id: the request's
	NoteReply   NoteKind = 3  // the reply to it
	NoteWitness NoteKind = 4  // an audit checkpoint; id: the device's
	NoteRevoked NoteKind = 5  // a key that was listed once; id: a KeyID, body: the public key
	NoteAttempt NoteKind = 6  // attempts to enrol in the last hour
	NoteNonce   NoteKind = 7  // a request that may be taken once; id: its nonce
	NoteTurn    NoteKind = 8  // which replica does what one does for all; id: what
	NoteProbe   NoteKind = 9  // a connection has shown that its host answers writes; id: random
	NoteYield   NoteKind = 10 // members wait until a device has committed
)

// A Note is a small thing beside a vault, or, with the zero Vault, beside all.
type Note struct {
	Kind    NoteKind
	ID      []byte
	Version uint64 // 1 when it is new; rises with each change
	Body    []byte
	Expires time.Time // zero: never
}

// A Depot keeps vaults. Implementations are safe for concurrent use, by several
// replicas as well, and pass depottest. Errors of package blob keep their
// meaning; a database that cannot be reached is ErrUnavailable.
type Depot interface {
	Reader
	Notes
	Keeper
	// Commit applies c durably, or returns blob.ErrConflict, blob.ErrInvalid,
	// ErrQuota, or ErrKeyReused. Under a Key that was used for the same Hash it
	// changes nothing and reports that it was done before.
	Commit(ctx context.Context, v Vault, c Commit) (before bool, err error)
	// Done reports whether the commit under key was made, as durably as Commit
	// would. Under a key that was used for another hash it is ErrKeyReused.
	Done(ctx context.Context, v Vault, key, hash [32]byte) (bool, error)
	Close() error
}

// A Reader reads vaults. One that is not there is blob.ErrEmpty.
type Reader interface {
	Head(ctx context.Context, v Vault) (Head, error)
	Manifest(ctx context.Context, v Vault, seq uint64) ([]byte, error)
	Changes(ctx context.Context, v Vault, since uint64) ([]blob.Entry, error)
	// Get returns the records of keys, in their order, or blob.ErrNotFound. When
	// their data exceed limit bytes it returns as many as fit, at least one.
	Get(ctx context.Context, v Vault, keys []blob.Key, limit int) ([]blob.Record, error)
	// Locate returns the vault whose first commit carried locator, or blob.ErrNotFound.
	Locate(ctx context.Context, locator [16]byte) (Vault, error)
}

// Notes are changed by compare and swap.
type Notes interface {
	// Note returns a note that has not expired at now, or blob.ErrNotFound.
	Note(ctx context.Context, v Vault, kind NoteKind, id []byte, now time.Time) (Note, error)
	// List returns the notes of a kind whose ids begin with prefix, by id.
	List(ctx context.Context, v Vault, kind NoteKind, prefix []byte, now time.Time) ([]Note, error)
	// PutNote writes n if the note there has version n.Version - 1, or none is
	// there and n.Version is 1. Otherwise it returns blob.ErrConflict.
	PutNote(ctx context.Context, v Vault, n Note, now time.Time) error
	DropNote(ctx context.Context, v Vault, kind NoteKind, id []byte) error
}

// A Keeper is for who runs the server.
type Keeper interface {
	Ping(ctx context.Context) error
	// Vaults returns up to limit vaults behind after, by id.
	Vaults(ctx context.Context, after Vault, limit int) ([]Vault, error)
	// Count returns how many vaults there are.
	Count(ctx context.Context) (int64, error)
	// Export returns all of a vault as it is at one moment.
	Export(ctx context.Context, v Vault) (*Image, error)
	// Import stores an exported vault. One that is there already is blob.ErrConflict.
	Import(ctx context.Context, img *Image) error
	// Remove removes a vault and all that is kept of it; blob.ErrEmpty if it is
	// not there.
	Remove(ctx context.Context, v Vault) error
	// Collect removes what nobody can ask for any more.
	Collect(ctx context.Context, r Retention) (Collected, error)
}

// An Image is all of one vault.
type Image struct {
	Vault     Vault
	Head      Head
	Locator   [16]byte
	Manifests []Manifest
	Records   []Stored
	Notes     []Note // of the kinds that last
}

// A Manifest is a stored manifest.
type Manifest struct {
	Seq  uint64
	Body []byte
	Time time.Time
}

// A Stored is a record and the commit that wrote it.
type Stored struct {
	blob.Record
	Seq uint64
}

// Lasting reports whether notes of the kind belong into a backup.
func (k NoteKind) Lasting() bool { return k == NoteWitness || k == NoteRevoked }

// Retention says what Collect keeps.
type Retention struct {
	Now       time.Time
	Answers   time.Duration // idempotency keys
	Manifests time.Duration // beyond the newest blob.KeepManifests, and never more than MaxManifests
}

// MaxManifests is how many manifests Collect leaves of a vault at most. They are
// in no quota: whoever commits without a pause must not fill a server with them.
// A device that is that far behind has to join again anyway.
const MaxManifests = 10 * blob.KeepManifests

// Collected counts what Collect removed.
type Collected struct{ Answers, Manifests, Notes int64 }

// Errors of every depot.
var (
	ErrQuota       = errors.New("quota is used up")
	ErrKeyReused   = errors.New("idempotency key was used for another commit")
	ErrUnavailable = errors.New("database cannot be reached")
)
