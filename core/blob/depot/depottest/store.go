// Package depottest holds what every depot.Depot must do.
package depottest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// A Store is one vault of a depot as a blob.Store, so that blobtest runs over
// it. The chain of a manifest is its SHA-256 here.
type Store struct {
	depot.Depot
	Vault depot.Vault
}

var _ blob.Store = Store{}

// Head implements blob.Store.
func (s Store) Head(ctx context.Context) (blob.Head, error) {
	for {
		h, err := s.Depot.Head(ctx, s.Vault)
		if err != nil {
			return blob.Head{}, err
		}
		m, err := s.Depot.Manifest(ctx, s.Vault, h.Seq)
		if err != nil || sha256.Sum256(m) == h.Chain {
			return blob.Head{Seq: h.Seq, Manifest: m}, err
		}
	}
}

// Manifest implements blob.Store.
func (s Store) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	return s.Depot.Manifest(ctx, s.Vault, seq)
}

// Changes implements blob.Store.
func (s Store) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	e, err := s.Depot.Changes(ctx, s.Vault, since)
	if errors.Is(err, blob.ErrEmpty) {
		return nil, nil
	}
	return e, err
}

// Get implements blob.Store.
func (s Store) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	var out []blob.Record
	for len(out) < len(keys) {
		r, err := s.Depot.Get(ctx, s.Vault, keys[len(out):], 1<<20)
		if err != nil {
			return nil, err
		}
		out = append(out, r...)
	}
	return out, nil
}

// Commit implements blob.Store.
func (s Store) Commit(ctx context.Context, c blob.Commit) error {
	dc := depot.Commit{Commit: c, Chain: sha256.Sum256(c.Manifest), Time: time.Now()}
	rand.Read(dc.Key[:])
	rand.Read(dc.Hash[:])
	if c.Base > 0 {
		m, err := s.Manifest(ctx, c.Base)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		dc.Prev = sha256.Sum256(m)
	}
	_, err := s.Depot.Commit(ctx, s.Vault, dc)
	return err
}

// Close implements blob.Store: the depot stays open.
func (s Store) Close() error { return nil }
