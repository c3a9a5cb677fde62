package lite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

const (
	qNotes    = `SELECT id, version, expires, body FROM notes WHERE vault = ? AND kind = ? AND id >= ? AND id < ? AND (expires = 0 OR expires > ?) ORDER BY id`
	wNewNote  = `INSERT INTO notes (vault, kind, id, version, expires, body) VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (vault, kind, id) DO UPDATE SET version = 1, expires = excluded.expires, body = excluded.body WHERE notes.expires > 0 AND notes.expires <= ?`
	wNote     = `UPDATE notes SET version = ?, expires = ?, body = ? WHERE vault = ? AND kind = ? AND id = ? AND version = ?`
	wOverNote = `INSERT INTO notes (vault, kind, id, version, expires, body) VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT (vault, kind, id) DO UPDATE SET version = notes.version + 1, expires = excluded.expires, body = excluded.body`
	wDropNote = `DELETE FROM notes WHERE vault = ? AND kind = ? AND id = ?`
)

// Note implements depot.Depot.
func (d *Depot) Note(ctx context.Context, v depot.Vault, kind depot.NoteKind, id []byte, now time.Time) (depot.Note, error) {
	n := depot.Note{Kind: kind, ID: id}
	var expires int64
	err := d.stmts[qNote].QueryRowContext(ctx, v[:], kind, id, now.UnixMilli()).Scan(&n.Version, &expires, &n.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return n, blob.ErrNotFound
	}
	n.Expires = depot.FromExpiry(expires)
	return n, d.fail("read", err)
}

// List implements depot.Depot.
func (d *Depot) List(ctx context.Context, v depot.Vault, kind depot.NoteKind, prefix []byte, now time.Time) ([]depot.Note, error) {
	lo, hi := depot.Span(prefix)
	rows, err := d.read.QueryContext(ctx, qNotes, v[:], kind, lo, hi, now.UnixMilli())
	if err != nil {
		return nil, d.fail("read", err)
	}
	defer rows.Close()
	var out []depot.Note
	for rows.Next() {
		n := depot.Note{Kind: kind}
		var expires int64
		if err := rows.Scan(&n.ID, &n.Version, &expires, &n.Body); err != nil {
			return nil, d.fail("read", err)
		}
		n.Expires = depot.FromExpiry(expires)
		out = append(out, n)
	}
	return out, d.fail("read", rows.Err())
}

// PutNote implements depot.Depot.
func (d *Depot) PutNote(ctx context.Context, v depot.Vault, n depot.Note, now time.Time) error {
	err := d.write.do(ctx, func(w *writer) error {
		var changed int64
		var err error
		if n.Version == 1 {
			changed, err = w.affected(wNewNote, v[:], n.Kind, n.ID, n.Expiry(), notNil(n.Body), now.UnixMilli())
		} else {
			changed, err = w.affected(wNote, int64(n.Version), n.Expiry(), notNil(n.Body), v[:], n.Kind, n.ID, int64(n.Version-1))
		}
		if err == nil && changed != 1 {
			err = blob.ErrConflict
		}
		return err
	})
	return d.fail("write", err)
}

// DropNote implements depot.Depot.
func (d *Depot) DropNote(ctx context.Context, v depot.Vault, kind depot.NoteKind, id []byte) error {
	return d.fail("write", d.write.do(ctx, func(w *writer) error { return w.exec(wDropNote, v[:], kind, id) }))
}
