package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/channel"
)

// A nonce that one replica has seen means nothing to another, nor to itself
// after a restart. For most requests it need not: a read that is sent again
// gives ciphertext to who could take it off the wire before, a commit is found
// done, a witness only grows. What leaves or removes something is taken once by
// all replicas together: its nonce lies in the depot, for longer than its
// signature is good.
const onceLife = 3 * channel.Skew

// once takes the request of c, or finds that some replica has taken it. Of a
// caller that nobody has verified it remembers nothing.
func (s *Server) once(ctx context.Context, c *caller) error {
	if c.unknown {
		return nil
	}
	now := s.c.Now()
	n := depot.Note{Kind: depot.NoteNonce, ID: c.sig.Nonce[:], Version: 1, Body: make([]byte, 16), Expires: now.Add(onceLife)}
	rand.Read(n.Body)
	err := s.c.Depot.PutNote(ctx, c.vault, n, now)
	if !errors.Is(err, blob.ErrConflict) {
		return err
	}
	// A depot writes again what it was not answered: the note there may be this one.
	there, err := s.c.Depot.Note(ctx, c.vault, n.Kind, n.ID, now)
	if err == nil && !bytes.Equal(there.Body, n.Body) {
		err = channel.ErrReplayed
	}
	return err
}
