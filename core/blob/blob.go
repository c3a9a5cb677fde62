// Package blob is the place where ciphertext lies: opaque bytes under opaque
// ids, written by one atomic, conditional commit. A store knows neither names
// nor keys, and is believed nothing: its client checks all it hands out.
package blob

import (
	"context"
	"errors"
)

// A Key names one stored version of one thing. What the kinds and ids stand
// for is the client's business.
type Key struct {
	Kind    uint8
	ID      [32]byte
	Version uint64
}

// A Record is one stored thing. Group says which ones belong together; Sum is
// the client's hash of the data: the store keeps both and understands neither.
type Record struct {
	Key
	Group [16]byte
	Sum   [32]byte
	Data  []byte
}

// An Entry is a record without its data, and the commit that wrote it.
type Entry struct {
	Key
	Group [16]byte
	Sum   [32]byte
	Seq   uint64
}

// A Head is the newest commit: its number and its manifest.
type Head struct {
	Seq      uint64
	Manifest []byte
}

// A Commit is applied whole or not at all, and only while the head is Base.
type Commit struct {
	Base     uint64 // the head that the commit was made from; 0: the store is empty
	Seq      uint64 // the new head, > Base
	Manifest []byte
	Put      []Record // keys that the store does not hold
	Purge    []Key    // keys that it holds
	Reset    bool     // purge everything that this commit does not put
}

// A Store keeps one vault. Implementations are safe for concurrent use, by
// several processes as well, and pass blobtest.
type Store interface {
	// Head returns the newest commit, or ErrEmpty.
	Head(ctx context.Context) (Head, error)
	// Changes returns what commits after since wrote and nobody purged since,
	// in no order; Changes(ctx, 0) is everything.
	Changes(ctx context.Context, since uint64) ([]Entry, error)
	// Get returns the records of keys, in their order, or ErrNotFound.
	Get(ctx context.Context, keys []Key) ([]Record, error)
	// Manifest returns the manifest of a recent commit, or ErrNotFound.
	Manifest(ctx context.Context, seq uint64) ([]byte, error)
	// Commit applies c durably: when it returns nil, c survives a crash. When
	// the head is not c.Base it changes nothing and returns ErrConflict.
	Commit(ctx context.Context, c Commit) error
	Close() error
}

// KeepManifests is how many of the newest manifests a store keeps at least.
const KeepManifests = 1000

// Errors of every store.
var (
	ErrEmpty    = errors.New("store is empty")
	ErrNotFound = errors.New("record not found")
	ErrConflict = errors.New("store has moved on")
	ErrCorrupt  = errors.New("store is damaged")
	ErrFull     = errors.New("no space left in the store")
	ErrInvalid  = errors.New("invalid commit")
)
