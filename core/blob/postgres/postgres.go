// Package postgres is a depot in PostgreSQL, for servers of several replicas.
// Its SQL is portable to CockroachDB and YugabyteDB, where one machine is not
// enough.
//
//	statements.go  all SQL
//	postgres.go    opening and reading
//	host.go        which of several hosts is written to; prefer.go which is tried first
//	migrate.go     the schema
//	commit.go      what a commit does
//	notes.go       notes; keep.go is for who runs the server
//	steady.go      what is tried again, and for how long
//	errors.go      what the database means
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

var _ depot.Depot = (*Depot)(nil)

// A Depot is a depot.Depot in a PostgreSQL database.
type Depot struct {
	pool      *pgxpool.Pool
	times     times
	current   atomic.Bool   // the schema is
	migrating chan struct{} // whose turn it is
}

// Limits of what one replica asks of the database.
const (
	minConns       = 2
	maxConns       = 32
	connectTimeout = 5 * time.Second
	pingTimeout    = 3 * time.Second
)

// Open connects to the database of dsn, postgres://USER@HOST[,HOST...]/NAME, and
// brings its schema up to date. Of several hosts it writes to the one that takes
// writes, and finds it again after a fail-over. A database that cannot be reached
// now is no error here, but of everything that is asked of it until it can be:
// Ping tells.
func Open(ctx context.Context, dsn string) (*Depot, error) { return openWith(ctx, dsn, usual()) }

func openWith(ctx context.Context, dsn string, t times) (*Depot, error) {
	conf, err := configure(dsn)
	if err != nil {
		return nil, err
	}
	probe(conf, t.probe)
	prefer(conf)
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fail("open", err)
	}
	d := &Depot{pool: pool, times: t, migrating: make(chan struct{}, 1)}
	if err := d.do(ctx, func(context.Context) error { return nil }); err != nil && !gone(err) {
		pool.Close()
		return nil, fail("open", err)
	}
	return d, nil
}

func configure(dsn string) (*pgxpool.Config, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("open database: malformed address") // which may hold a password
	}
	q := u.Query()
	if !q.Has("target_session_attrs") {
		q.Set("target_session_attrs", "read-write")
	}
	if !q.Has("connect_timeout") {
		q.Set("connect_timeout", fmt.Sprint(int(connectTimeout.Seconds())))
	}
	u.RawQuery = q.Encode()
	conf, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err) // pgx hides the password
	}
	if !q.Has("pool_max_conns") {
		conf.MaxConns = maxConns
	}
	conf.MinConns = minConns
	conf.HealthCheckPeriod = 10 * time.Second
	conf.PingTimeout = pingTimeout
	params := conf.ConnConfig.RuntimeParams
	for name, value := range map[string]string{"application_name": "ov-server", "statement_timeout": "30000"} {
		if params[name] == "" {
			params[name] = value
		}
	}
	return conf, nil
}

// Close implements depot.Depot.
func (d *Depot) Close() error {
	d.pool.Close()
	return nil
}

// Head implements depot.Depot.
func (d *Depot) Head(ctx context.Context, v depot.Vault) (h depot.Head, err error) {
	err = d.ask(ctx, func(ctx context.Context) error {
		h, err = scanHead(d.pool.QueryRow(ctx, qHead, v[:]))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return h, blob.ErrEmpty
	}
	return h, fail("read", err)
}

func scanHead(row pgx.Row) (h depot.Head, err error) {
	var chain []byte
	if err := row.Scan(&h.Seq, &chain, &h.Records, &h.Bytes); err != nil {
		return h, err
	}
	if copy(h.Chain[:], chain) != len(h.Chain) {
		return h, blob.ErrCorrupt
	}
	return h, nil
}

// Manifest implements depot.Depot.
func (d *Depot) Manifest(ctx context.Context, v depot.Vault, seq uint64) (body []byte, err error) {
	err = d.ask(ctx, func(ctx context.Context) error { return d.pool.QueryRow(ctx, qManifest, v[:], int64(seq)).Scan(&body) })
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, blob.ErrNotFound
	}
	return body, fail("read", err)
}

// Changes implements depot.Depot.
func (d *Depot) Changes(ctx context.Context, v depot.Vault, since uint64) (out []blob.Entry, err error) {
	if _, err := d.Head(ctx, v); err != nil {
		return nil, err
	}
	err = d.ask(ctx, func(ctx context.Context) error {
		rows, err := d.pool.Query(ctx, qChanges, v[:], int64(since))
		if err != nil {
			return err
		}
		var id, group, sum []byte
		var e blob.Entry
		out = nil
		_, err = pgx.ForEachRow(rows, []any{&e.Kind, (*raw)(&id), &e.Version, &e.Seq, (*raw)(&group), (*raw)(&sum)}, func() error {
			if copy(e.ID[:], id) != len(e.ID) || copy(e.Group[:], group) != len(e.Group) || copy(e.Sum[:], sum) != len(e.Sum) {
				return blob.ErrCorrupt
			}
			out = append(out, e)
			return nil
		})
		return err
	})
	return out, fail("read", err)
}

// raw is bytes that are read where they lie, until the next row.
type raw []byte

// ScanBytes implements pgtype.BytesScanner.
func (r *raw) ScanBytes(b []byte) error {
	*r = b
	return nil
}

// columns are keys as the arrays that unnest takes.
type columns struct {
	kinds    []int16
	ids      [][]byte
	versions []int64
}

func columnsOf(keys []blob.Key) columns {
	var c columns
	for i := range keys {
		c.kinds = append(c.kinds, int16(keys[i].Kind))
		c.ids = append(c.ids, keys[i].ID[:])
		c.versions = append(c.versions, int64(keys[i].Version))
	}
	return c
}

// Get implements depot.Depot.
func (d *Depot) Get(ctx context.Context, v depot.Vault, keys []blob.Key, limit int) (out []blob.Record, err error) {
	err = d.ask(ctx, func(ctx context.Context) error {
		switch len(keys) {
		case 0:
			return nil
		case 1:
			out, err = d.getOne(ctx, v, keys[0])
			return err
		}
		n, err := d.fit(ctx, v, keys, limit)
		if err != nil {
			return err
		}
		out, err = d.getMany(ctx, v, keys[:n])
		return err
	})
	if err != nil {
		return nil, fail("read", err)
	}
	return out, nil
}

func (d *Depot) getOne(ctx context.Context, v depot.Vault, k blob.Key) ([]blob.Record, error) {
	r := blob.Record{Key: k}
	var group, sum []byte
	err := d.pool.QueryRow(ctx, qGet, v[:], int16(k.Kind), k.ID[:], int64(k.Version)).Scan(&group, &sum, &r.Data)
	if errors.Is(err, pgx.ErrNoRows) {
		err = blob.ErrNotFound
	}
	copy(r.Group[:], group)
	copy(r.Sum[:], sum)
	return []blob.Record{r}, err
}

// fit returns how many of keys have data of at most limit bytes together.
func (d *Depot) fit(ctx context.Context, v depot.Vault, keys []blob.Key, limit int) (int, error) {
	c := columnsOf(keys)
	rows, err := d.pool.Query(ctx, qSizes, v[:], c.kinds, c.ids, c.versions)
	if err != nil {
		return 0, err
	}
	sizes := make(map[blob.Key]int64, len(keys))
	var k blob.Key
	var id []byte
	var size int64
	if _, err := pgx.ForEachRow(rows, []any{&k.Kind, (*raw)(&id), &k.Version, &size}, func() error {
		copy(k.ID[:], id)
		sizes[k] = size
		return nil
	}); err != nil {
		return 0, err
	}
	n, total := len(keys), int64(0)
	for i, k := range keys {
		size, ok := sizes[k]
		if !ok {
			return 0, blob.ErrNotFound
		}
		if total += size; total > int64(limit) && i > 0 {
			n = min(n, i)
		}
	}
	return n, nil
}

func (d *Depot) getMany(ctx context.Context, v depot.Vault, keys []blob.Key) ([]blob.Record, error) {
	c := columnsOf(keys)
	rows, err := d.pool.Query(ctx, qGetMany, v[:], c.kinds, c.ids, c.versions)
	if err != nil {
		return nil, err
	}
	found := make(map[blob.Key]blob.Record, len(keys))
	var r blob.Record
	var id, group, sum []byte
	if _, err := pgx.ForEachRow(rows, []any{&r.Kind, (*raw)(&id), &r.Version, (*raw)(&group), (*raw)(&sum), &r.Data}, func() error {
		copy(r.ID[:], id)
		copy(r.Group[:], group)
		copy(r.Sum[:], sum)
		found[r.Key] = r
		r.Data = nil // the next row gets its own
		return nil
	}); err != nil {
		return nil, err
	}
	out := make([]blob.Record, 0, len(keys))
	for _, k := range keys {
		r, ok := found[k]
		if !ok {
			return nil, blob.ErrNotFound
		}
		r.Data = append([]byte{}, r.Data...) // a key may be asked for twice
		out = append(out, r)
	}
	return out, nil
}

// Locate implements depot.Depot.
func (d *Depot) Locate(ctx context.Context, locator [16]byte) (v depot.Vault, err error) {
	var id []byte
	err = d.ask(ctx, func(ctx context.Context) error { return d.pool.QueryRow(ctx, qLocate, locator[:]).Scan(&id) })
	if errors.Is(err, pgx.ErrNoRows) {
		return v, blob.ErrNotFound
	}
	copy(v[:], id)
	return v, fail("read", err)
}
