// Package sqlite is a blob.Store in one SQLite file.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/opaquevault/ov/core/blob"
)

// A Store is a blob.Store in one file. SQLite keeps a write-ahead log and an
// index of it beside the file while it is open.
type Store struct {
	path string
	// salvage: the file may be damaged; it is read as far as it goes and never
	// written.
	salvage bool
	mu      sync.Mutex // over db and gets
	db      *sql.DB    // nil until first needed
	gets    [getChunk + 1]*sql.Stmt
}

// Open names the store at path. The file is opened when it is first needed,
// and made by the first commit.
func Open(path string) *Store { return &Store{path: path} }

// Salvage names the store at path, which may be damaged: Changes returns what it
// could read beside its error, and nothing is written.
func Salvage(path string) *Store { return &Store{path: path, salvage: true} }

// connect returns the open database. Without create a file that is not there
// is blob.ErrEmpty.
func (s *Store) connect(ctx context.Context, create bool) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		return s.db, nil
	}
	if err := s.touch(create); err != nil {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: s.path}).EscapedPath() + "?_txlock=immediate" +
		"&_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)"
	if s.salvage { // writable_schema makes SQLite take a file that is too short
		dsn += "&mode=ro&_pragma=writable_schema(1)&_pragma=query_only(1)"
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", s.path, err)
	}
	db.SetMaxIdleConns(4)
	if err := s.prepare(ctx, db); err != nil {
		db.Close()
		return nil, s.fail("open", err)
	}
	s.db = db
	return db, nil
}

// prepare brings the schema up to date, but for a file that is only read.
func (s *Store) prepare(ctx context.Context, db *sql.DB) error {
	if s.salvage {
		return db.PingContext(ctx)
	}
	return migrate(ctx, db)
}

// touch makes the file, readable by its owner only, or says that it is not there.
func (s *Store) touch(create bool) error {
	info, err := os.Stat(s.path)
	switch {
	case err == nil && info.Size() == 0 && !create:
		return blob.ErrEmpty
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open store: %w", err)
	case !create:
		return blob.ErrEmpty
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return f.Close()
}

// Head implements blob.Store.
func (s *Store) Head(ctx context.Context) (blob.Head, error) {
	db, err := s.connect(ctx, false)
	if err != nil {
		return blob.Head{}, err
	}
	return s.head(ctx, db)
}

// queryer is a *sql.DB or a *sql.Tx.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *Store) head(ctx context.Context, q queryer) (h blob.Head, err error) {
	err = q.QueryRowContext(ctx, `SELECT seq, body FROM manifests ORDER BY seq DESC LIMIT 1`).Scan(&h.Seq, &h.Manifest)
	if errors.Is(err, sql.ErrNoRows) {
		return h, blob.ErrEmpty
	}
	return h, s.fail("read head of", err)
}

// Manifest implements blob.Store.
func (s *Store) Manifest(ctx context.Context, seq uint64) (body []byte, err error) {
	db, err := s.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	err = db.QueryRowContext(ctx, `SELECT body FROM manifests WHERE seq = ?`, int64(seq)).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("manifest %d: %w", seq, blob.ErrNotFound)
	}
	return body, s.fail("read manifest of", err)
}

// Changes implements blob.Store. The index holds all that it reads: data is
// not touched.
func (s *Store) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	db, err := s.connect(ctx, false)
	if errors.Is(err, blob.ErrEmpty) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `SELECT kind, id, version, seq, grp, sum FROM records INDEXED BY changes WHERE seq > ?`, int64(since))
	if err != nil {
		return nil, s.fail("list", err)
	}
	defer rows.Close()
	var out []blob.Entry
	var id, group, sum sql.RawBytes
	for rows.Next() {
		var e blob.Entry
		if err := rows.Scan(&e.Kind, &id, &e.Version, &e.Seq, &group, &sum); err != nil {
			return nil, s.fail("list", err)
		}
		if len(id) != len(e.ID) || len(group) != len(e.Group) || len(sum) != len(e.Sum) {
			return nil, fmt.Errorf("list store %s: id, group or sum of wrong length: %w", s.path, blob.ErrCorrupt)
		}
		copy(e.ID[:], id)
		copy(e.Group[:], group)
		copy(e.Sum[:], sum)
		out = append(out, e)
	}
	return out, s.fail("list", rows.Err()) // what was read beside the error, for Salvage
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	db, err := s.connect(ctx, false)
	if errors.Is(err, blob.ErrEmpty) {
		return nil, fmt.Errorf("get record: %w", blob.ErrNotFound)
	} else if err != nil {
		return nil, err
	}
	out := make([]blob.Record, len(keys))
	for at := 0; at < len(keys); at += getChunk {
		end := min(at+getChunk, len(keys))
		if err := s.get(ctx, db, out[at:end], keys[at:end]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// getChunk is how many records one query reads: a query costs as much as
// several rows.
const getChunk = 64

// get reads the records of keys into out. The outer table of the join is the
// list of keys, so that each is one step down the index.
func (s *Store) get(ctx context.Context, db *sql.DB, out []blob.Record, keys []blob.Key) error {
	query, err := s.getStmt(ctx, db, len(keys))
	if err != nil {
		return s.fail("read", err)
	}
	args := make([]any, 0, 4*len(keys))
	for i := range keys {
		args = append(args, i, keys[i].Kind, keys[i].ID[:], int64(keys[i].Version))
	}
	rows, err := query.QueryContext(ctx, args...)
	if err != nil {
		return s.fail("read", err)
	}
	defer rows.Close()
	var group, sum sql.RawBytes
	n := 0
	for ; rows.Next(); n++ {
		var i int
		var data []byte
		if err := rows.Scan(&i, &group, &sum, &data); err != nil {
			return s.fail("read", err)
		}
		if data == nil {
			data = []byte{}
		}
		if out[i].Data != nil {
			return fmt.Errorf("read store %s: a record twice: %w", s.path, blob.ErrCorrupt)
		}
		out[i].Key, out[i].Data = keys[i], data
		copy(out[i].Group[:], group)
		copy(out[i].Sum[:], sum)
	}
	if err := rows.Err(); err != nil {
		return s.fail("read", err)
	}
	if n < len(keys) {
		return fmt.Errorf("get %d records: %d are not there: %w", len(keys), len(keys)-n, blob.ErrNotFound)
	}
	return nil
}

// getStmt returns the query for n keys, which is kept: parsing it costs more
// than running it.
func (s *Store) getStmt(ctx context.Context, db *sql.DB, n int) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gets[n] != nil {
		return s.gets[n], nil
	}
	stmt, err := db.PrepareContext(ctx, `WITH want (i, kind, id, version) AS (VALUES (?, ?, ?, ?)`+strings.Repeat(`, (?, ?, ?, ?)`, n-1)+`)
		SELECT want.i, r.grp, r.sum, r.data FROM want CROSS JOIN records AS r
		ON r.kind = want.kind AND r.id = want.id AND r.version = want.version`)
	s.gets[n] = stmt
	return stmt, err
}

// Close implements blob.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil
	}
	err := s.db.Close() // and its statements
	s.db, s.gets = nil, [getChunk + 1]*sql.Stmt{}
	return s.fail("close", err)
}
