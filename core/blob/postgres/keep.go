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

// Ping implements depot.Depot. A connection is to a host that takes writes:
// target_session_attrs has seen to that.
func (d *Depot) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(d.times.patience, pingTimeout))
	defer cancel()
	return fail("reach", d.steady(ctx, d.pool.Ping))
}

// Vaults implements depot.Depot.
func (d *Depot) Vaults(ctx context.Context, after depot.Vault, limit int) (out []depot.Vault, err error) {
	err = d.steady(ctx, func(ctx context.Context) error {
		rows, err := d.pool.Query(ctx, qVaults, after[:], limit)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v depot.Vault, err error) {
			var id []byte
			err = row.Scan(&id)
			copy(v[:], id)
			return v, err
		})
		return err
	})
	return out, fail("read", err)
}

// Count implements depot.Depot.
func (d *Depot) Count(ctx context.Context) (n int64, err error) {
	err = d.do(ctx, func(ctx context.Context) error { return d.pool.QueryRow(ctx, qCount).Scan(&n) })
	return n, fail("read", err)
}

// Export implements depot.Depot.
func (d *Depot) Export(ctx context.Context, v depot.Vault) (img *depot.Image, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = d.steady(ctx, func(ctx context.Context) error {
		return pgx.BeginTxFunc(ctx, d.pool, snapshot, func(tx pgx.Tx) error {
			img, err = export(ctx, tx, v)
			return err
		})
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, blob.ErrEmpty
	}
	return img, fail("read", err)
}

func export(ctx context.Context, tx pgx.Tx, v depot.Vault) (*depot.Image, error) {
	img := &depot.Image{Vault: v}
	var err error
	if img.Head, err = scanHead(tx.QueryRow(ctx, qHead, v[:])); err != nil {
		return nil, err
	}
	var locator []byte
	if err := tx.QueryRow(ctx, qLocator, v[:]).Scan(&locator); err != nil {
		return nil, err
	}
	copy(img.Locator[:], locator)
	if img.Manifests, err = collect(ctx, tx, func(row pgx.CollectableRow) (m depot.Manifest, err error) {
		var ms int64
		err = row.Scan(&m.Seq, &ms, &m.Body)
		m.Time = time.UnixMilli(ms)
		return m, err
	}, qAllManifests, v[:]); err != nil {
		return nil, err
	}
	if img.Records, err = collect(ctx, tx, func(row pgx.CollectableRow) (r depot.Stored, err error) {
		var id, group, sum []byte
		err = row.Scan(&r.Kind, &id, &r.Version, &r.Seq, &group, &sum, &r.Data)
		copy(r.ID[:], id)
		copy(r.Group[:], group)
		copy(r.Sum[:], sum)
		return r, err
	}, qAll, v[:]); err != nil {
		return nil, err
	}
	img.Notes, err = collect(ctx, tx, func(row pgx.CollectableRow) (n depot.Note, err error) {
		var expires int64
		err = row.Scan(&n.Kind, &n.ID, &n.Version, &expires, &n.Body)
		n.Expires = depot.FromExpiry(expires)
		return n, err
	}, qAllNotes, v[:], int16(depot.NoteWitness), int16(depot.NoteRevoked))
	return img, err
}

func collect[T any](ctx context.Context, tx pgx.Tx, f pgx.RowToFunc[T], query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, f)
}

// Import implements depot.Depot.
func (d *Depot) Import(ctx context.Context, img *depot.Image) error {
	v := img.Vault
	c := &depot.Commit{Commit: blob.Commit{Seq: img.Head.Seq}, Chain: img.Head.Chain, Locator: img.Locator, Time: time.Now(), Notes: img.Notes}
	p := &puts{}
	for i := range img.Records {
		p.add(img.Records[i].Seq, &img.Records[i].Record)
	}
	err := d.steady(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			if err := advance(ctx, tx, v, c); err != nil {
				return err
			}
			if err := p.insert(ctx, tx, v); err != nil {
				return err
			}
			list := notesOf(v, c)
			for _, m := range img.Manifests {
				list = append(list, statement{wManifest, []any{v[:], int64(m.Seq), m.Time.UnixMilli(), m.Body}})
			}
			list = append(list, statement{wSizes, []any{int64(len(img.Records)), p.total, v[:]}})
			return execAll(ctx, tx, list...)
		})
	})
	return fail("write", refused(err))
}

// Remove implements depot.Depot.
func (d *Depot) Remove(ctx context.Context, v depot.Vault) error {
	err := d.steady(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, wRemoveVault, v[:])
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				return blob.ErrEmpty
			}
			args := []any{v[:]}
			return execAll(ctx, tx, statement{wReset, args}, statement{wRemoveManifests, args}, statement{wRemoveAnswers, args}, statement{wRemoveNotes, args})
		})
	})
	return fail("write", err)
}

// collectAtOnce is how many vaults one statement of Collect goes through: none
// of them may hold up, or lock, a large database.
const collectAtOnce = 1000

// Collect implements depot.Depot.
func (d *Depot) Collect(ctx context.Context, r depot.Retention) (c depot.Collected, err error) {
	from, end := depot.Span(nil)
	var after depot.Vault
	for {
		page, err := d.Vaults(ctx, after, collectAtOnce)
		if err != nil {
			return c, err
		}
		to := end
		if len(page) == collectAtOnce {
			after = page[len(page)-1]
			to = append([]byte{}, after[:]...)
		}
		if err := d.collect(ctx, r, from, to, &c); err != nil {
			return c, fail("write", err)
		}
		if len(page) < collectAtOnce {
			return c, nil
		}
		from = to
	}
}

// collect is Collect for the vaults from one id, below another.
func (d *Depot) collect(ctx context.Context, r depot.Retention, from, to []byte, c *depot.Collected) error {
	for _, s := range []struct {
		n      *int64
		sql    string
		before time.Time
	}{{&c.Answers, wOldAnswers, r.Now.Add(-r.Answers)}, {&c.Notes, wExpired, r.Now}} {
		err := d.steady(ctx, func(ctx context.Context) error {
			tag, err := d.pool.Exec(ctx, s.sql, from, to, s.before.UnixMilli())
			if err == nil {
				*s.n += tag.RowsAffected()
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return d.steady(ctx, func(ctx context.Context) error {
		n, err := d.collectManifests(ctx, r, from, to)
		if err == nil {
			c.Manifests += n
		}
		return err
	})
}

// collectManifests looks at the manifests of long histories alone, and there at
// the old ones: nearly all vaults have none to lose, and manifests are most of
// what a large database has.
func (d *Depot) collectManifests(ctx context.Context, r depot.Retention, from, to []byte) (n int64, err error) {
	rows, err := d.pool.Query(ctx, qLong, from, to, int64(blob.KeepManifests))
	if err != nil {
		return 0, err
	}
	b := &pgx.Batch{}
	var id []byte
	var seq int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		b.Queue(wOldManifests, id, seq-blob.KeepManifests, r.Now.Add(-r.Manifests).UnixMilli(), seq-depot.MaxManifests).Exec(func(tag pgconn.CommandTag) error {
			n += tag.RowsAffected()
			return nil
		})
		id = nil // the next row gets its own
		return nil
	}); err != nil || b.Len() == 0 {
		return 0, err
	}
	return n, d.pool.SendBatch(ctx, b).Close()
}
