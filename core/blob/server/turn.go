package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// Whoever commits without a pause wins every race, and a member could keep his
// own revocation away like this: it reads and seals a whole environment anew. So
// a device that came too late several times in a row has its turn: until its
// commit is made, or for turnTime, members are told that they came too late.
const (
	turnAfter = 3 // conflicts of devices, none of whose commits was made in between
	turnTime  = 15 * time.Second
	turnID    = "devices"
	maxTurns  = 4096 // vaults; a full list begins anew
)

// turns counts the conflicts of devices, by vault.
type turns struct {
	mu   sync.Mutex
	late map[depot.Vault]int
}

// lost counts a conflict and reports whether it is time for a turn.
func (t *turns) lost(v depot.Vault) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.late == nil || len(t.late) >= maxTurns {
		t.late = map[depot.Vault]int{}
	}
	t.late[v]++
	return t.late[v] >= turnAfter
}

// won ends the count, and reports whether there was a turn.
func (t *turns) won(v depot.Vault) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.late[v]
	if ok {
		delete(t.late, v)
	}
	return n >= turnAfter
}

// deviceCommitted keeps the count after a device's commit, which ended with err.
// The turn lies in the depot, so that it holds for all replicas.
func (s *Server) deviceCommitted(ctx context.Context, c *caller, err error) error {
	switch {
	case err == nil:
		if s.turns.won(c.vault) {
			return s.c.Depot.DropNote(ctx, c.vault, depot.NoteYield, []byte(turnID))
		}
	case errors.Is(err, blob.ErrConflict) && c.manifest != nil && len(c.manifest.Members) > 0 && s.turns.lost(c.vault):
		now := s.c.Now()
		n, err := s.c.Depot.Note(ctx, c.vault, depot.NoteYield, []byte(turnID), now)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		n = depot.Note{Kind: depot.NoteYield, ID: []byte(turnID), Version: n.Version + 1, Body: []byte{1}, Expires: now.Add(turnTime)}
		if err := s.c.Depot.PutNote(ctx, c.vault, n, now); err != nil && !errors.Is(err, blob.ErrConflict) {
			return err // a conflict: another replica has just done the same
		}
	}
	return nil
}

// devicesTurn reports whether a member has to wait.
func (s *Server) devicesTurn(ctx context.Context, v depot.Vault) (bool, error) {
	_, err := s.c.Depot.Note(ctx, v, depot.NoteYield, []byte(turnID), s.c.Now())
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
