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
	qVaults       = `SELECT id FROM vaults WHERE id > ? ORDER BY id LIMIT ?`
	qAll          = `SELECT kind, id, version, seq, grp, sum, data FROM records WHERE vault = ?`
	qAllManifests = `SELECT seq, time, body FROM manifests WHERE vault = ? ORDER BY seq`
	qAllNotes     = `SELECT kind, id, version, expires, body FROM notes WHERE vault = ? AND kind IN (?, ?)`
	qLocator      = `SELECT locator FROM vaults WHERE id = ?`
	wSetSizes     = `UPDATE vaults SET records = ?, bytes = ? WHERE id = ?`
	wOldAnswers   = `DELETE FROM answers WHERE time < ?`
	wOldManifests = `DELETE FROM manifests WHERE time < ? AND seq <= (SELECT seq FROM vaults WHERE id = manifests.vault) - ?
		OR seq <= (SELECT seq FROM vaults WHERE id = manifests.vault) - ?`
	wExpired = `DELETE FROM notes WHERE expires > 0 AND expires <= ?`
)

// Ping implements depot.Depot: it reads, and sees that one may write.
func (d *Depot) Ping(ctx context.Context) error {
	return d.fail("reach", d.write.do(ctx, func(*writer) error { return nil }))
}

// Vaults implements depot.Depot.
func (d *Depot) Vaults(ctx context.Context, after depot.Vault, limit int) ([]depot.Vault, error) {
	var out []depot.Vault
	err := each(ctx, d.read, func(rows *sql.Rows) error {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return err
		}
		var v depot.Vault
		copy(v[:], id)
		out = append(out, v)
		return nil
	}, qVaults, after[:], limit)
	return out, d.fail("read", err)
}

// Count implements depot.Depot.
func (d *Depot) Count(ctx context.Context) (n int64, err error) {
	err = d.read.QueryRowContext(ctx, `SELECT count(*) FROM vaults`).Scan(&n)
	return n, d.fail("read", err)
}

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// each calls f with every row.
func each(ctx context.Context, q querier, f func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Export implements depot.Depot.
func (d *Depot) Export(ctx context.Context, v depot.Vault) (*depot.Image, error) {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, d.fail("read", err)
	}
	defer tx.Rollback()
	img := &depot.Image{Vault: v}
	if img.Head, err = scanHead(tx.QueryRowContext(ctx, qHead, v[:])); errors.Is(err, sql.ErrNoRows) {
		return nil, blob.ErrEmpty
	} else if err != nil {
		return nil, d.fail("read", err)
	}
	var locator []byte
	if err := tx.QueryRowContext(ctx, qLocator, v[:]).Scan(&locator); err != nil {
		return nil, d.fail("read", err)
	}
	copy(img.Locator[:], locator)
	err = errors.Join(
		each(ctx, tx, func(rows *sql.Rows) error {
			var m depot.Manifest
			var ms int64
			err := rows.Scan(&m.Seq, &ms, &m.Body)
			m.Time = time.UnixMilli(ms)
			img.Manifests = append(img.Manifests, m)
			return err
		}, qAllManifests, v[:]),
		each(ctx, tx, func(rows *sql.Rows) error {
			var r depot.Stored
			var id, group, sum []byte
			err := rows.Scan(&r.Kind, &id, &r.Version, &r.Seq, &group, &sum, &r.Data)
			copy(r.ID[:], id)
			copy(r.Group[:], group)
			copy(r.Sum[:], sum)
			img.Records = append(img.Records, r)
			return err
		}, qAll, v[:]),
		each(ctx, tx, func(rows *sql.Rows) error {
			var n depot.Note
			var expires int64
			err := rows.Scan(&n.Kind, &n.ID, &n.Version, &expires, &n.Body)
			n.Expires = depot.FromExpiry(expires)
			img.Notes = append(img.Notes, n)
			return err
		}, qAllNotes, v[:], depot.NoteWitness, depot.NoteRevoked),
	)
	return img, d.fail("read", err)
}

// Import implements depot.Depot.
func (d *Depot) Import(ctx context.Context, img *depot.Image) error {
	return d.fail("write", d.write.do(ctx, func(w *writer) error { return w.restore(img) }))
}

func (w *writer) restore(img *depot.Image) error {
	v := img.Vault
	c := &depot.Commit{Commit: blob.Commit{Seq: img.Head.Seq}, Chain: img.Head.Chain, Locator: img.Locator, Time: time.Now(), Notes: img.Notes}
	if err := w.advance(v, c); err != nil {
		return err
	}
	for _, m := range img.Manifests {
		if err := w.exec(wManifest, v[:], int64(m.Seq), m.Time.UnixMilli(), m.Body); err != nil {
			return err
		}
	}
	var size int64
	for i := range img.Records {
		one := &depot.Commit{Commit: blob.Commit{Seq: img.Records[i].Seq, Put: []blob.Record{img.Records[i].Record}}}
		added, err := w.put(v, one)
		if err != nil {
			return err
		}
		size += added
	}
	if err := w.exec(wSetSizes, len(img.Records), size, v[:]); err != nil {
		return err
	}
	return w.commitNotes(v, c)
}

// Remove implements depot.Depot.
func (d *Depot) Remove(ctx context.Context, v depot.Vault) error {
	return d.fail("write", d.write.do(ctx, func(w *writer) error {
		n, err := w.affected(`DELETE FROM vaults WHERE id = ?`, v[:])
		if err == nil && n == 0 {
			err = blob.ErrEmpty
		}
		return errors.Join(err, w.exec(`DELETE FROM records WHERE vault = ?`, v[:]), w.exec(`DELETE FROM manifests WHERE vault = ?`, v[:]),
			w.exec(`DELETE FROM answers WHERE vault = ?`, v[:]), w.exec(`DELETE FROM notes WHERE vault = ?`, v[:]))
	}))
}

// Collect implements depot.Depot.
func (d *Depot) Collect(ctx context.Context, r depot.Retention) (c depot.Collected, err error) {
	err = d.write.do(ctx, func(w *writer) error {
		var errs [3]error
		c.Answers, errs[0] = w.affected(wOldAnswers, r.Now.Add(-r.Answers).UnixMilli())
		c.Manifests, errs[1] = w.affected(wOldManifests, r.Now.Add(-r.Manifests).UnixMilli(), blob.KeepManifests, depot.MaxManifests)
		c.Notes, errs[2] = w.affected(wExpired, r.Now.UnixMilli())
		return errors.Join(errs[:]...)
	})
	return c, d.fail("write", err)
}
