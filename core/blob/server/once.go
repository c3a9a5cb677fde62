package server

import (
	"context"
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
	n := depot.Note{Kind: depot.NoteNonce, ID: c.sig.Nonce[:], Version: 1, Expires: now.Add(onceLife)}
	err := s.c.Depot.PutNote(ctx, c.vault, n, now)
	if errors.Is(err, blob.ErrConflict) {
		return channel.ErrReplayed
	}
	return err
}
