package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/manifest"
)

// Whoever has a stolen Secret Key could guess the password against the server.
// Each guess is a key that the server compares with the vault's: it answers
// this often an hour for one vault, whatever addresses the guesses come from.
// The same key again is the same guess.
const (
	maxAttempts   = 20
	attemptWindow = time.Hour
	attemptSize   = 16 // time in ms[8] hash of the guess[8]
)

// attempt counts one guess at the password of a vault. The count lies in the
// depot, so that it holds for all replicas.
func (s *Server) attempt(ctx context.Context, v depot.Vault, guess []byte) error {
	now := s.c.Now()
	mark := sha256.Sum256(guess)
	for range 50 {
		n, err := s.c.Depot.Note(ctx, v, depot.NoteAttempt, []byte("enrol"), now)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		recent, oldest, seen := attempts(n.Body, mark[:8], now)
		if seen {
			return nil
		}
		if len(recent)/attemptSize >= maxAttempts {
			return tooMany(max(time.Second, oldest.Add(attemptWindow).Sub(now)))
		}
		n.Kind, n.ID, n.Version, n.Expires = depot.NoteAttempt, []byte("enrol"), n.Version+1, now.Add(attemptWindow)
		n.Body = append(binary.BigEndian.AppendUint64(recent, uint64(now.UnixMilli())), mark[:8]...)
		if err := s.c.Depot.PutNote(ctx, v, n, now); !errors.Is(err, blob.ErrConflict) {
			return err
		}
	}
	return tooMany(time.Second) // many guess at once
}

// attempts returns those of the last hour, the time of the oldest, and whether
// mark is among them. One that is dated more than an hour ahead was made by a
// clock that was wrong: it must not count for years.
func attempts(body, mark []byte, now time.Time) (recent []byte, oldest time.Time, seen bool) {
	for a := range slices.Chunk(body, attemptSize) {
		at := time.UnixMilli(int64(binary.BigEndian.Uint64(a)))
		if now.Sub(at) >= attemptWindow || at.Sub(now) >= attemptWindow {
			continue
		}
		if len(recent) == 0 {
			oldest = at
		}
		seen = seen || string(a[8:]) == string(mark)
		recent = append(recent, a...)
	}
	return recent, oldest, seen
}

// authKey returns the key that a password and the Secret Key give, if it is
// that of a slot of the vault.
func (s *Server) authKey(ctx context.Context, c *caller) ([]byte, error) {
	if err := s.attempt(ctx, c.vault, c.key.ID[:]); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(c.manifest.Slots, func(r manifest.SlotRef) bool { return r.Auth == c.key.ID }) {
		return nil, unknownKey()
	}
	return c.key.ID[:], nil
}
