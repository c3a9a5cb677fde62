package httpblob

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/wire"
)

// partBytes is how large one part of a staged commit gets at most: well below
// what a server takes, with room for the sealing.
const partBytes = 8 << 20

// Commit implements blob.Store. What does not fit into one request is put on
// the server part by part first; only the commit itself makes it count, whole.
//
// When an answer is lost the commit is sent again under the same key, which the
// server knows: it is applied once.
func (s *Store) Commit(ctx context.Context, c blob.Commit) error {
	if c.Seq <= c.Base || len(c.Manifest) == 0 {
		return fmt.Errorf("commit %d on %d: %w", c.Seq, c.Base, blob.ErrInvalid)
	}
	w := &wire.Commit{Commit: c}
	if c.Base == 0 {
		w.Locator = s.o.Locator
	}
	if err := s.stage(ctx, w); err != nil {
		return s.fail("send commit to", err)
	}
	key := make([]byte, 16)
	rand.Read(key)
	_, err := s.again(ctx, call{method: http.MethodPost, path: s.path("commits"), body: w.Encode(), idempotency: hex.EncodeToString(key)})
	switch {
	case errors.Is(err, blob.ErrConflict):
		// Perhaps the server has forgotten the key, not the commit.
		if made, lost := s.isHead(ctx, c); made {
			err = nil
		} else if lost != nil {
			err = lost // nobody can say now whether it was made
		}
	case errors.Is(err, blob.ErrEmpty):
		err = fmt.Errorf("the vault is not there: %w", blob.ErrConflict)
	}
	return s.fail("commit to", err)
}

// isHead reports whether c is what the server has under its number. It fails
// when the server does not say.
func (s *Store) isHead(ctx context.Context, c blob.Commit) (bool, error) {
	m, err := s.Manifest(ctx, c.Seq)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil && bytes.Equal(m, c.Manifest), err
}

// stage puts the records of a large commit on the server and takes them out of w.
func (s *Store) stage(ctx context.Context, w *wire.Commit) error {
	parts := split(w.Put)
	if len(parts) <= 1 {
		return nil
	}
	rand.Read(w.Upload[:])
	for i, part := range parts {
		c := call{method: http.MethodPut, path: s.path("uploads", hex.EncodeToString(w.Upload[:]), strconv.Itoa(i)), body: wire.EncodeRecords(part)}
		if _, err := s.again(ctx, c); err != nil {
			return err
		}
	}
	w.Put, w.Parts = nil, uint32(len(parts))
	return nil
}

// split cuts records into lists that fit into one request each.
func split(recs []blob.Record) [][]blob.Record {
	var out [][]blob.Record
	from, size := 0, 0
	for i := range recs {
		n := wire.RecordSize(&recs[i])
		if i > from && (i-from == wire.MaxRecords || size+n > partBytes) {
			out = append(out, recs[from:i])
			from, size = i, 0
		}
		size += n
	}
	return append(out, recs[from:])
}
