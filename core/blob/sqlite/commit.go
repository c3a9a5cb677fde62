package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/blob"
)

// Commit implements blob.Store: one transaction, synced before it returns.
func (s *Store) Commit(ctx context.Context, c blob.Commit) error { return s.commit(ctx, c, nil, nil) }

// Replay applies c, which stands for several commits of another store, and
// keeps the manifests of those between c.Base and c.Seq as well. came says which
// of them put each record of c; nil is the last one.
func (s *Store) Replay(ctx context.Context, c blob.Commit, between []blob.Head, came []uint64) error {
	if came != nil && (len(came) != len(c.Put) || slices.ContainsFunc(came, func(n uint64) bool { return n == 0 || n > c.Seq })) {
		return fmt.Errorf("replay %d: where its records are from: %w", c.Seq, blob.ErrInvalid)
	}
	for _, h := range between {
		if h.Seq <= c.Base || h.Seq >= c.Seq || len(h.Manifest) == 0 {
			return fmt.Errorf("replay %d between %d and %d: %w", h.Seq, c.Base, c.Seq, blob.ErrInvalid)
		}
	}
	return s.commit(ctx, c, between, came)
}

func (s *Store) commit(ctx context.Context, c blob.Commit, between []blob.Head, came []uint64) error {
	if c.Seq <= c.Base || len(c.Manifest) == 0 {
		return fmt.Errorf("commit %d on %d: %w", c.Seq, c.Base, blob.ErrInvalid)
	}
	db, err := s.connect(ctx, true)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil) // IMMEDIATE: the write lock is taken here
	if err != nil {
		return s.fail("write", err)
	}
	defer tx.Rollback()
	switch h, err := s.head(ctx, tx); {
	case errors.Is(err, blob.ErrEmpty) && c.Base == 0:
	case err != nil && !errors.Is(err, blob.ErrEmpty):
		return err
	case h.Seq != c.Base:
		return fmt.Errorf("commit on %d, head is %d: %w", c.Base, h.Seq, blob.ErrConflict)
	}
	for _, h := range between {
		if _, err := tx.ExecContext(ctx, `INSERT INTO manifests (seq, body) VALUES (?, ?)`, int64(h.Seq), h.Manifest); err != nil {
			return s.fail("write", err)
		}
	}
	if err := s.apply(ctx, tx, c, came); err != nil {
		return err
	}
	return s.fail("write", tx.Commit())
}

func (s *Store) apply(ctx context.Context, tx *sql.Tx, c blob.Commit, came []uint64) error {
	if c.Reset {
		if _, err := tx.ExecContext(ctx, `DELETE FROM records`); err != nil {
			return s.fail("write", err)
		}
	}
	if err := s.purge(ctx, tx, c.Purge); err != nil {
		return err
	}
	if err := s.put(ctx, tx, c, came); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO manifests (seq, body) VALUES (?, ?)`, int64(c.Seq), c.Manifest); err != nil {
		return s.fail("write", err)
	}
	if c.Seq%64 == 0 && c.Seq > blob.KeepManifests { // now and then is enough
		if _, err := tx.ExecContext(ctx, `DELETE FROM manifests WHERE seq <= ?`, int64(c.Seq-blob.KeepManifests)); err != nil {
			return s.fail("write", err)
		}
	}
	return nil
}

func (s *Store) purge(ctx context.Context, tx *sql.Tx, keys []blob.Key) error {
	if len(keys) == 0 {
		return nil
	}
	del, err := tx.PrepareContext(ctx, `DELETE FROM records WHERE kind = ? AND id = ? AND version = ?`)
	if err != nil {
		return s.fail("write", err)
	}
	defer del.Close()
	for _, k := range keys {
		res, err := del.ExecContext(ctx, k.Kind, k.ID[:], int64(k.Version))
		if err != nil {
			return s.fail("write", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("purge record %x: not there: %w", k.ID[:4], blob.ErrInvalid)
		}
	}
	return nil
}

// putChunk is how many records one statement inserts: running it costs as much
// as several rows.
const putChunk = 32

func (s *Store) put(ctx context.Context, tx *sql.Tx, c blob.Commit, came []uint64) error {
	var whole *sql.Stmt // for putChunk rows
	for at := 0; at < len(c.Put); at += putChunk {
		some := c.Put[at:min(at+putChunk, len(c.Put))]
		ins := whole
		if ins == nil || len(some) < putChunk {
			var err error
			if ins, err = tx.PrepareContext(ctx, `INSERT INTO records (kind, id, version, seq, grp, sum, data) VALUES (?, ?, ?, ?, ?, ?, ?)`+
				strings.Repeat(`, (?, ?, ?, ?, ?, ?, ?)`, len(some)-1)+` ON CONFLICT DO NOTHING`); err != nil {
				return s.fail("write", err)
			}
			defer ins.Close() // at most two
		}
		if len(some) == putChunk {
			whole = ins
		}
		args := make([]any, 0, 7*len(some))
		for i := range some {
			r, seq := some[i], c.Seq
			if r.Data == nil { // nothing is not NULL
				r.Data = []byte{}
			}
			if came != nil {
				seq = came[at+i]
			}
			args = append(args, r.Kind, r.ID[:], int64(r.Version), int64(seq), r.Group[:], r.Sum[:], r.Data)
		}
		res, err := ins.ExecContext(ctx, args...)
		if err != nil {
			return s.fail("write", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != int64(len(some)) {
			return fmt.Errorf("put %d records, the first %x: %d are there already: %w", len(some), some[0].ID[:4], int64(len(some))-n, blob.ErrInvalid)
		}
	}
	return nil
}
