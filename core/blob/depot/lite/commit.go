package lite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// The writes of a commit.
const (
	wAnswer     = `INSERT INTO answers (vault, key, hash, time) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	wAnswerHash = `SELECT hash FROM answers WHERE vault = ? AND key = ?`
	wCreate     = `INSERT INTO vaults (id, seq, chain, records, bytes, locator, created) VALUES (?, ?, ?, 0, 0, ?, ?) ON CONFLICT DO NOTHING`
	wAdvance    = `UPDATE vaults SET seq = ?, chain = ? WHERE id = ? AND seq = ? AND chain = ?`
	wSizes      = `UPDATE vaults SET records = records + ?, bytes = bytes + ? WHERE id = ? RETURNING records, bytes`
	wReset      = `DELETE FROM records WHERE vault = ?`
	wEmpty      = `UPDATE vaults SET records = 0, bytes = 0 WHERE id = ?`
	wPurge      = `DELETE FROM records WHERE vault = ? AND kind = ? AND id = ? AND version = ? RETURNING size`
	wPut        = `INSERT INTO records (vault, kind, id, version, seq, grp, sum, size, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	wManifest   = `INSERT INTO manifests (vault, seq, time, body) VALUES (?, ?, ?, ?)`
	wDropParts  = `DELETE FROM notes WHERE vault = ? AND kind = ? AND id >= ? AND id < ?`
)

// Commit implements depot.Depot.
func (d *Depot) Commit(ctx context.Context, v depot.Vault, c depot.Commit) (before bool, err error) {
	if c.Seq <= c.Base || len(c.Manifest) == 0 {
		return false, fmt.Errorf("commit %d on %d: %w", c.Seq, c.Base, blob.ErrInvalid)
	}
	err = d.write.do(ctx, func(w *writer) error {
		var err error
		before, err = w.commit(v, &c)
		return err
	})
	return before, d.fail("write", err)
}

func (w *writer) commit(v depot.Vault, c *depot.Commit) (before bool, err error) {
	if before, err := w.once(v, c); before || err != nil {
		return before, err
	}
	if err := w.advance(v, c); err != nil {
		return false, err
	}
	if c.Reset {
		if err := errors.Join(w.exec(wReset, v[:]), w.exec(wEmpty, v[:])); err != nil {
			return false, err
		}
	}
	freed, err := w.purge(v, c.Purge)
	if err != nil {
		return false, err
	}
	added, err := w.put(v, c)
	if err != nil {
		return false, err
	}
	var records, size int64
	if err := w.row([]any{&records, &size}, wSizes, len(c.Put)-len(c.Purge), added-freed, v[:]); err != nil {
		return false, err
	}
	if l := c.Limits; l.Records > 0 && records > l.Records || l.Bytes > 0 && size > l.Bytes {
		return false, fmt.Errorf("%d records, %d bytes: %w", records, size, depot.ErrQuota)
	}
	if err := w.exec(wManifest, v[:], int64(c.Seq), c.Time.UnixMilli(), c.Manifest); err != nil {
		return false, err
	}
	return false, w.commitNotes(v, c)
}

// once notes the idempotency key. It reports whether the commit was made before.
func (w *writer) once(v depot.Vault, c *depot.Commit) (bool, error) {
	if c.Key == ([32]byte{}) {
		return false, nil
	}
	n, err := w.affected(wAnswer, v[:], c.Key[:], c.Hash[:], c.Time.UnixMilli())
	if err != nil || n == 1 {
		return false, err
	}
	return w.answered(v, c.Key, c.Hash)
}

// Done implements depot.Depot.
func (d *Depot) Done(ctx context.Context, v depot.Vault, key, hash [32]byte) (done bool, err error) {
	err = d.write.do(ctx, func(w *writer) error {
		var err error
		done, err = w.answered(v, key, hash)
		return err
	})
	return done, d.fail("read", err)
}

// answered reports whether the commit under key was made.
func (w *writer) answered(v depot.Vault, key, hash [32]byte) (bool, error) {
	var there []byte
	err := w.row([]any{&there}, wAnswerHash, v[:], key[:])
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err == nil && !bytes.Equal(there, hash[:]):
		err = depot.ErrKeyReused
	}
	return err == nil, err
}

// advance moves the head, if it is where the commit was made from.
func (w *writer) advance(v depot.Vault, c *depot.Commit) error {
	var n int64
	var err error
	if c.Base == 0 {
		var locator any
		if c.Locator != ([16]byte{}) {
			locator = c.Locator[:]
		}
		n, err = w.affected(wCreate, v[:], int64(c.Seq), c.Chain[:], locator, c.Time.UnixMilli())
	} else {
		n, err = w.affected(wAdvance, int64(c.Seq), c.Chain[:], v[:], int64(c.Base), c.Prev[:])
	}
	if err == nil && n != 1 {
		err = blob.ErrConflict
	}
	return err
}

func (w *writer) purge(v depot.Vault, keys []blob.Key) (freed int64, err error) {
	for _, k := range keys {
		var size int64
		err := w.row([]any{&size}, wPurge, v[:], k.Kind, k.ID[:], int64(k.Version))
		if errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("purge record: not there: %w", blob.ErrInvalid)
		} else if err != nil {
			return 0, err
		}
		freed += size
	}
	return freed, nil
}

func (w *writer) put(v depot.Vault, c *depot.Commit) (added int64, err error) {
	for i := range c.Put {
		r := &c.Put[i]
		n, err := w.affected(wPut, v[:], r.Kind, r.ID[:], int64(r.Version), int64(c.Seq), r.Group[:], r.Sum[:], len(r.Data), notNil(r.Data))
		if err != nil {
			return 0, err
		}
		if n != 1 {
			return 0, fmt.Errorf("put record: there already: %w", blob.ErrInvalid)
		}
		added += int64(len(r.Data))
	}
	return added, nil
}

// commitNotes writes the notes that go with a commit and drops its parts.
func (w *writer) commitNotes(v depot.Vault, c *depot.Commit) error {
	for _, n := range c.Notes {
		if err := w.exec(wOverNote, v[:], n.Kind, n.ID, n.Expiry(), notNil(n.Body)); err != nil {
			return err
		}
	}
	if len(c.Upload) == 0 {
		return nil
	}
	lo, hi := depot.Span(c.Upload)
	return w.exec(wDropParts, v[:], depot.NotePart, lo, hi)
}

// notNil is b as SQLite takes it: nil would be NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
