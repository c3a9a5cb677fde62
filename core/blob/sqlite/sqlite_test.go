package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
)

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	dirs := map[*testing.T]string{}
	blobtest.Run(t, func(t *testing.T) blob.Store {
		mu.Lock()
		defer mu.Unlock()
		if dirs[t] == "" {
			dirs[t] = t.TempDir()
		}
		return Open(filepath.Join(dirs[t], "a name with ? # % and space.db"))
	})
}

// filled makes a store of n commits of one record each, closed.
func filled(t *testing.T, path string, n int) {
	t.Helper()
	s := Open(path)
	defer s.Close()
	for i := 1; i <= n; i++ {
		r := blobtest.Record(i, 1)
		r.Data = bytes.Repeat([]byte{byte(i)}, 700)
		if err := s.Commit(t.Context(), blobtest.Commit(i, r)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.db")
	s := Open(path)
	defer s.Close()
	if _, err := s.Head(t.Context()); !errors.Is(err, blob.ErrEmpty) {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("reading made %v, %v", files, err)
	}
	if err := s.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Errorf("%v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// Durability is what the pragmas say it is.
func TestPragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	filled(t, path, 1)
	s := Open(path)
	defer s.Close()
	db, err := s.connect(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "user_version": "1", "busy_timeout": "10000", "trusted_schema": "0"} {
		var got string
		if err := db.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %s, %v, want %s", pragma, got, err, want)
		}
	}
	var version string
	if err := db.QueryRow("SELECT sqlite_version()").Scan(&version); err != nil || version < "3.51.3" {
		t.Errorf("SQLite %s, %v: older than the WAL-reset fix", version, err)
	}
}

func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sqliteFile := func(name, script string) string {
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(script); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for what, c := range map[string]struct {
		path string
		want error
	}{
		"no database":       {write("text", bytes.Repeat([]byte("hello "), 1000)), blob.ErrCorrupt},
		"an empty file":     {write("empty", nil), blob.ErrEmpty},
		"another's":         {sqliteFile("other", "CREATE TABLE t (x); PRAGMA user_version = 1"), blob.ErrCorrupt},
		"of a newer schema": {sqliteFile("newer", fmt.Sprintf("CREATE TABLE t (x); PRAGMA application_id = %d; PRAGMA user_version = 99", applicationID)), nil},
		"a folder":          {dir, nil},
	} {
		s := Open(c.path)
		_, err := s.Head(t.Context())
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
		s.Close()
	}
}

// A file that is cut or overwritten anywhere is an error that names it, or
// still gives what was stored: never something else, never a panic.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	filled(t, path, 30)
	whole, err := os.ReadFile(path)
	if err != nil || len(whole) < 20<<10 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	for i, damage := range damaged(whole) {
		p := filepath.Join(t.TempDir(), fmt.Sprint(i, ".db"))
		if err := os.WriteFile(p, damage, 0o600); err != nil {
			t.Fatal(err)
		}
		readAll(t, i, p)
	}
}

func damaged(whole []byte) (out [][]byte) {
	for n := 0; n < len(whole); n += 1777 {
		out = append(out, whole[:n])
		flipped := bytes.Clone(whole)
		flipped[n] ^= 0x40
		out = append(out, flipped)
		zeroed := bytes.Clone(whole)
		clear(zeroed[n:min(n+4096, len(whole))])
		out = append(out, zeroed)
	}
	return out
}

// readAll reads what a damaged store still gives. Data that is not what was
// stored is for the client's sums to notice; entries, which it relies on to
// find them, come whole or not at all.
func readAll(t *testing.T, i int, path string) {
	t.Helper()
	s := Open(path)
	defer s.Close()
	head, err := s.Head(t.Context())
	if err != nil || head.Seq > 30 {
		return
	}
	entries, err := s.Changes(t.Context(), 0)
	if err == nil && len(entries) > 30 {
		t.Errorf("damage %d: %d entries", i, len(entries))
	}
	for _, e := range entries {
		_, _ = s.Get(t.Context(), []blob.Key{e.Key})
	}
	_, _ = s.Check(t.Context())
}

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.db")
	filled(t, path, 30)
	s := Open(path)
	defer s.Close()
	if found, err := s.Check(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("sound file: %v, %v", found, err)
	}
	s.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[3*4096 : 4*4096])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Check(t.Context()); err == nil && len(found) == 0 {
		t.Error("a page of zeros went unnoticed")
	}
}

func TestFaulty(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "vault.db"))
	defer s.Close()
	f := &blobtest.Faulty{Store: s, Next: func(n int) blobtest.Fault {
		return []blobtest.Fault{blobtest.None, blobtest.Before, blobtest.After}[n%3]
	}}
	// Commit 1 and 4 go before, 2 and 5 after, 3 and 6 do not fail.
	if err := f.Commit(t.Context(), blobtest.Commit(1)); !errors.Is(err, blobtest.ErrInjected) {
		t.Fatal(err)
	}
	if err := f.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); !errors.Is(err, blobtest.ErrInjected) {
		t.Fatal(err)
	}
	blobtest.Check(t, f, 1, blobtest.Record(1, 1))
	if err := f.Commit(t.Context(), blobtest.Commit(2)); err != nil {
		t.Fatal(err)
	}
	blobtest.Check(t, f, 2, blobtest.Record(1, 1))
}

// Replay takes over several commits at once and keeps what each of them said.
func TestReplay(t *testing.T) {
	ctx := t.Context()
	s := Open(filepath.Join(t.TempDir(), "store"))
	defer s.Close()
	c := blob.Commit{Seq: 3, Manifest: []byte("three"), Put: []blob.Record{{Key: blob.Key{Kind: 4, Version: 1}, Data: []byte("x")}}}
	between := []blob.Head{{Seq: 1, Manifest: []byte("one")}, {Seq: 2, Manifest: []byte("two")}}
	if err := s.Replay(ctx, c, between, []uint64{2}); err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[uint64]string{1: "one", 2: "two", 3: "three"} {
		if got, err := s.Manifest(ctx, seq); err != nil || string(got) != want {
			t.Errorf("manifest %d: %q, %v", seq, got, err)
		}
	}
	if h, err := s.Head(ctx); err != nil || h.Seq != 3 {
		t.Errorf("head %+v, %v", h, err)
	}
	if err := s.Replay(ctx, c, between, []uint64{2}); !errors.Is(err, blob.ErrConflict) {
		t.Errorf("again: %v", err)
	}
	if e, err := s.Changes(ctx, 1); err != nil || len(e) != 1 || e[0].Seq != 2 {
		t.Errorf("%+v, %v: want a record of commit 2", e, err)
	}
	for _, bad := range [][]uint64{{}, {0}, {4}, {1, 1}} {
		if err := Open(filepath.Join(t.TempDir(), "store")).Replay(ctx, c, nil, bad); !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("records of %v: %v", bad, err)
		}
	}
	for _, bad := range []blob.Head{{Seq: 3, Manifest: []byte("x")}, {Seq: 5, Manifest: []byte("x")}, {Seq: 4}} {
		next := blob.Commit{Base: 3, Seq: 5, Manifest: []byte("five")}
		if err := s.Replay(ctx, next, []blob.Head{bad}, nil); !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if h, err := s.Head(ctx); err != nil || h.Seq != 3 {
		t.Errorf("a refused replay left %+v, %v", h, err)
	}
}
