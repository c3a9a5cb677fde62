// Package lite is a depot in one SQLite file, for a server that runs alone.
//
//	lite.go    opening and reading
//	writer.go  one writer, whose transactions serve all who wait
//	commit.go  what a commit does
//	notes.go   notes; keep.go is for who runs the server
package lite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

var _ depot.Depot = (*Depot)(nil)

// A Depot is a depot.Depot in one file.
type Depot struct {
	path  string
	read  *sql.DB
	write *writer
	stmts map[string]*sql.Stmt // of read
}

// readers is how many reads run at once.
const readers = 8

// Open opens the database at path, and makes it if it is not there.
func Open(ctx context.Context, path string) (*Depot, error) {
	d := &Depot{path: path}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would make it readable to all
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	f.Close()
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_txlock=immediate" +
		"&_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=secure_delete(FAST)"
	if d.write, err = newWriter(ctx, dsn); err != nil {
		return nil, d.fail("open", err)
	}
	if err := d.openReads(ctx, strings.Replace(dsn, "_txlock=immediate", "_pragma=query_only(1)", 1)); err != nil {
		return nil, d.fail("open", errors.Join(err, d.write.close()))
	}
	return d, nil
}

// The reads.
const (
	qHead     = `SELECT seq, chain, records, bytes FROM vaults WHERE id = ?`
	qManifest = `SELECT body FROM manifests WHERE vault = ? AND seq = ?`
	qChanges  = `SELECT kind, id, version, seq, grp, sum FROM records INDEXED BY changes WHERE vault = ? AND seq > ?`
	qGet      = `SELECT grp, sum, data FROM records WHERE vault = ? AND kind = ? AND id = ? AND version = ?`
	qLocate   = `SELECT id FROM vaults WHERE locator = ?`
	qNote     = `SELECT version, expires, body FROM notes WHERE vault = ? AND kind = ? AND id = ? AND (expires = 0 OR expires > ?)`
)

func (d *Depot) openReads(ctx context.Context, dsn string) (err error) {
	if d.read, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	d.stmts = map[string]*sql.Stmt{}
	for _, q := range []string{qHead, qManifest, qChanges, qGet, qLocate, qNote} {
		stmt, err := d.read.PrepareContext(ctx, q)
		if err != nil {
			d.read.Close()
			return err
		}
		d.stmts[q] = stmt
	}
	return nil
}

// Close implements depot.Depot. Writes under way are finished.
func (d *Depot) Close() error {
	return d.fail("close", errors.Join(d.write.close(), d.read.Close()))
}

// Head implements depot.Depot.
func (d *Depot) Head(ctx context.Context, v depot.Vault) (depot.Head, error) {
	h, err := scanHead(d.stmts[qHead].QueryRowContext(ctx, v[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return h, blob.ErrEmpty
	}
	return h, d.fail("read", err)
}

func scanHead(row *sql.Row) (h depot.Head, err error) {
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
	err = d.stmts[qManifest].QueryRowContext(ctx, v[:], int64(seq)).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, blob.ErrNotFound
	}
	return body, d.fail("read", err)
}

// Changes implements depot.Depot. The index holds all that it reads.
func (d *Depot) Changes(ctx context.Context, v depot.Vault, since uint64) ([]blob.Entry, error) {
	if _, err := d.Head(ctx, v); err != nil {
		return nil, err
	}
	rows, err := d.stmts[qChanges].QueryContext(ctx, v[:], int64(since))
	if err != nil {
		return nil, d.fail("read", err)
	}
	defer rows.Close()
	var out []blob.Entry
	var id, group, sum sql.RawBytes
	for rows.Next() {
		var e blob.Entry
		if err := rows.Scan(&e.Kind, &id, &e.Version, &e.Seq, &group, &sum); err != nil {
			return nil, d.fail("read", err)
		}
		if copy(e.ID[:], id) != len(e.ID) || copy(e.Group[:], group) != len(e.Group) || copy(e.Sum[:], sum) != len(e.Sum) {
			return nil, d.fail("read", blob.ErrCorrupt)
		}
		out = append(out, e)
	}
	return out, d.fail("read", rows.Err())
}

// Get implements depot.Depot.
func (d *Depot) Get(ctx context.Context, v depot.Vault, keys []blob.Key, limit int) ([]blob.Record, error) {
	stmt := d.stmts[qGet]
	if len(keys) > 1 { // all of one moment
		tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return nil, d.fail("read", err)
		}
		defer tx.Rollback()
		stmt = tx.StmtContext(ctx, stmt)
	}
	out, size := make([]blob.Record, 0, len(keys)), 0
	for _, k := range keys {
		r := blob.Record{Key: k, Data: []byte{}}
		var group, sum []byte
		err := stmt.QueryRowContext(ctx, v[:], k.Kind, k.ID[:], int64(k.Version)).Scan(&group, &sum, &r.Data)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, blob.ErrNotFound
		} else if err != nil {
			return nil, d.fail("read", err)
		}
		copy(r.Group[:], group)
		copy(r.Sum[:], sum)
		if size += len(r.Data); size > limit && len(out) > 0 {
			break
		}
		out = append(out, r)
	}
	return out, nil
}

// Locate implements depot.Depot.
func (d *Depot) Locate(ctx context.Context, locator [16]byte) (v depot.Vault, err error) {
	var id []byte
	err = d.stmts[qLocate].QueryRowContext(ctx, locator[:]).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return v, blob.ErrNotFound
	}
	copy(v[:], id)
	return v, d.fail("read", err)
}
