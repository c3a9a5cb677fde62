package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// Note implements depot.Depot.
func (d *Depot) Note(ctx context.Context, v depot.Vault, kind depot.NoteKind, id []byte, now time.Time) (depot.Note, error) {
	n := depot.Note{Kind: kind, ID: id}
	var expires int64
	err := d.ask(ctx, func(ctx context.Context) error {
		return d.pool.QueryRow(ctx, qNote, v[:], int16(kind), id, now.UnixMilli()).Scan(&n.Version, &expires, &n.Body)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return n, blob.ErrNotFound
	}
	n.Expires = depot.FromExpiry(expires)
	return n, fail("read", err)
}

// List implements depot.Depot.
func (d *Depot) List(ctx context.Context, v depot.Vault, kind depot.NoteKind, prefix []byte, now time.Time) (out []depot.Note, err error) {
	lo, hi := depot.Span(prefix)
	err = d.ask(ctx, func(ctx context.Context) error {
		rows, err := d.pool.Query(ctx, qNotes, v[:], int16(kind), lo, hi, now.UnixMilli())
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (depot.Note, error) {
			n := depot.Note{Kind: kind}
			var expires int64
			err := row.Scan(&n.ID, &n.Version, &expires, &n.Body)
			n.Expires = depot.FromExpiry(expires)
			return n, err
		})
		return err
	})
	return out, fail("read", err)
}

// PutNote implements depot.Depot.
func (d *Depot) PutNote(ctx context.Context, v depot.Vault, n depot.Note, now time.Time) error {
	var tag pgconn.CommandTag
	err := d.do(ctx, func(ctx context.Context) (err error) { // a part may be large
		if n.Version == 1 {
			tag, err = d.pool.Exec(ctx, wNewNote, v[:], int16(n.Kind), n.ID, n.Expiry(), notNil(n.Body), now.UnixMilli())
		} else {
			tag, err = d.pool.Exec(ctx, wNote, int64(n.Version), n.Expiry(), notNil(n.Body), v[:], int16(n.Kind), n.ID, int64(n.Version-1))
		}
		return err
	})
	if err == nil && tag.RowsAffected() != 1 {
		return blob.ErrConflict
	}
	return fail("write", err)
}

// DropNote implements depot.Depot.
func (d *Depot) DropNote(ctx context.Context, v depot.Vault, kind depot.NoteKind, id []byte) error {
	return fail("write", d.ask(ctx, func(ctx context.Context) error {
		_, err := d.pool.Exec(ctx, wDropNote, v[:], int16(kind), id)
		return err
	}))
}
