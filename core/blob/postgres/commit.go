package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// Commit implements depot.Depot. When the connection breaks, nobody knows
// whether the commit was made; it is then run again, and the idempotency key, or
// the head, tells.
func (d *Depot) Commit(ctx context.Context, v depot.Vault, c depot.Commit) (before bool, err error) {
	if c.Seq <= c.Base || len(c.Manifest) == 0 {
		return false, fmt.Errorf("commit %d on %d: %w", c.Seq, c.Base, blob.ErrInvalid)
	}
	put := stored(c.Seq, c.Put)
	err = d.do(ctx, func(ctx context.Context) error {
		if simple(&c) {
			done, err := d.commitSimple(ctx, v, &c, put)
			if done || err != nil {
				return err
			}
		}
		before, err = d.commitWhole(ctx, v, &c, put)
		return err
	})
	return before, fail("write", refused(err))
}

// simple reports whether c is one of those that wCommit makes.
func simple(c *depot.Commit) bool {
	return c.Base > 0 && !c.Reset && len(c.Purge) == 0 && len(c.Notes) == 0 && len(c.Upload) == 0 && c.Key != [32]byte{}
}

// refused names what the tables' keys refuse.
func refused(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Code != "23505" {
		return err
	}
	switch {
	case strings.Contains(e.ConstraintName, "answers"):
		return depot.ErrKeyReused
	case strings.Contains(e.ConstraintName, "manifests"):
		return blob.ErrConflict
	}
	return fmt.Errorf("there already: %w", blob.ErrInvalid)
}

// commitSimple makes c in one statement. It reports false when c was not made,
// for whatever reason: commitWhole finds out.
func (d *Depot) commitSimple(ctx context.Context, v depot.Vault, c *depot.Commit, p *puts) (bool, error) {
	var n int
	err := d.pool.QueryRow(ctx, wCommit,
		int64(c.Seq), c.Chain[:], int64(len(c.Put)), p.total, v[:], int64(c.Base), c.Prev[:], c.Limits.Records, c.Limits.Bytes,
		c.Key[:], c.Hash[:], c.Time.UnixMilli(), c.Manifest,
		p.kinds, p.ids, p.versions, p.groups, p.sums, p.sizes, p.data).Scan(&n)
	return n == 1, err
}

// commitWhole makes c in one transaction.
func (d *Depot) commitWhole(ctx context.Context, v depot.Vault, c *depot.Commit, p *puts) (before bool, err error) {
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if before, err = once(ctx, tx, v, c); before || err != nil {
			return err
		}
		if err := advance(ctx, tx, v, c); err != nil {
			return err
		}
		if c.Reset {
			if err := execAll(ctx, tx, statement{wReset, []any{v[:]}}, statement{wEmpty, []any{v[:]}}); err != nil {
				return err
			}
		}
		freed, err := purge(ctx, tx, v, c.Purge)
		if err != nil {
			return err
		}
		if err := p.insert(ctx, tx, v); err != nil {
			return err
		}
		var records, size int64
		if err := tx.QueryRow(ctx, wSizes, int64(len(c.Put)-len(c.Purge)), p.total-freed, v[:]).Scan(&records, &size); err != nil {
			return err
		}
		if l := c.Limits; l.Records > 0 && records > l.Records || l.Bytes > 0 && size > l.Bytes {
			return fmt.Errorf("%d records, %d bytes: %w", records, size, depot.ErrQuota)
		}
		return execAll(ctx, tx, append(notesOf(v, c), statement{wManifest, []any{v[:], int64(c.Seq), c.Time.UnixMilli(), c.Manifest}})...)
	})
	return before, err
}

// once notes the idempotency key. It reports whether the commit was made before.
func once(ctx context.Context, tx pgx.Tx, v depot.Vault, c *depot.Commit) (bool, error) {
	if c.Key == ([32]byte{}) {
		return false, nil
	}
	tag, err := tx.Exec(ctx, wAnswer, v[:], c.Key[:], c.Hash[:], c.Time.UnixMilli())
	if err != nil || tag.RowsAffected() == 1 {
		return false, err
	}
	return done(ctx, tx, v, c.Key, c.Hash)
}

// Done implements depot.Depot.
func (d *Depot) Done(ctx context.Context, v depot.Vault, key, hash [32]byte) (was bool, err error) {
	err = d.do(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			was, err = done(ctx, tx, v, key, hash)
			return err
		})
	})
	return was, fail("read", err)
}

// done reports whether the commit under key was made. It does not read but
// write: the commit may have been cut off while it waited for a standby, and be
// seen here, and nowhere after a fail-over. A write waits until the standby has
// both.
func done(ctx context.Context, tx pgx.Tx, v depot.Vault, key, hash [32]byte) (bool, error) {
	tag, err := tx.Exec(ctx, wAgain, v[:], key[:], hash[:])
	if err != nil || tag.RowsAffected() == 1 {
		return err == nil, err
	}
	var other int
	if err := tx.QueryRow(ctx, qAnswer, v[:], key[:]).Scan(&other); err != nil || other == 0 {
		return false, err
	}
	return false, depot.ErrKeyReused
}

// advance moves the head, if it is where the commit was made from.
func advance(ctx context.Context, tx pgx.Tx, v depot.Vault, c *depot.Commit) error {
	var tag pgconn.CommandTag
	var err error
	if c.Base == 0 {
		var locator []byte
		if c.Locator != ([16]byte{}) {
			locator = c.Locator[:]
		}
		tag, err = tx.Exec(ctx, wCreate, v[:], int64(c.Seq), c.Chain[:], locator, c.Time.UnixMilli())
	} else {
		tag, err = tx.Exec(ctx, wAdvance, int64(c.Seq), c.Chain[:], v[:], int64(c.Base), c.Prev[:])
	}
	if err == nil && tag.RowsAffected() != 1 {
		err = blob.ErrConflict
	}
	return err
}

// purge removes records in one round trip and returns how many bytes they had.
func purge(ctx context.Context, tx pgx.Tx, v depot.Vault, keys []blob.Key) (freed int64, err error) {
	if len(keys) == 0 {
		return 0, nil
	}
	b := &pgx.Batch{}
	for i := range keys {
		b.Queue(wPurge, v[:], int16(keys[i].Kind), keys[i].ID[:], int64(keys[i].Version)).QueryRow(func(row pgx.Row) error {
			var size int64
			err := row.Scan(&size)
			if errors.Is(err, pgx.ErrNoRows) {
				err = fmt.Errorf("purge record: not there: %w", blob.ErrInvalid)
			}
			freed += size
			return err
		})
	}
	err = tx.SendBatch(ctx, b).Close()
	return freed, err
}

// puts are records as the arrays that unnest takes.
type puts struct {
	columns
	seqs, sizes        []int64
	groups, sums, data [][]byte
	total              int64
}

func stored(seq uint64, recs []blob.Record) *puts {
	p := &puts{}
	for i := range recs {
		p.add(seq, &recs[i])
	}
	return p
}

func (p *puts) add(seq uint64, r *blob.Record) {
	p.kinds, p.ids, p.versions = append(p.kinds, int16(r.Kind)), append(p.ids, r.ID[:]), append(p.versions, int64(r.Version))
	p.seqs, p.sizes = append(p.seqs, int64(seq)), append(p.sizes, int64(len(r.Data)))
	p.groups, p.sums, p.data = append(p.groups, r.Group[:]), append(p.sums, r.Sum[:]), append(p.data, notNil(r.Data))
	p.total += int64(len(r.Data))
}

func (p *puts) insert(ctx context.Context, tx pgx.Tx, v depot.Vault) error {
	if len(p.ids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, wPut, v[:], p.kinds, p.ids, p.versions, p.seqs, p.groups, p.sums, p.sizes, p.data)
	return err
}

// A statement and its arguments.
type statement struct {
	sql  string
	args []any
}

// execAll runs statements in one round trip.
func execAll(ctx context.Context, tx pgx.Tx, list ...statement) error {
	b := &pgx.Batch{}
	for _, s := range list {
		b.Queue(s.sql, s.args...)
	}
	return tx.SendBatch(ctx, b).Close()
}

// notesOf are the notes that go with a commit, and the parts that go away.
func notesOf(v depot.Vault, c *depot.Commit) []statement {
	var out []statement
	for _, n := range c.Notes {
		out = append(out, statement{wOverNote, []any{v[:], int16(n.Kind), n.ID, n.Expiry(), notNil(n.Body)}})
	}
	if len(c.Upload) > 0 {
		lo, hi := depot.Span(c.Upload)
		out = append(out, statement{wDropParts, []any{v[:], int16(depot.NotePart), lo, hi}})
	}
	return out
}

// notNil is b as the database takes it: nil would be NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
