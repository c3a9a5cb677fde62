package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/disktest"
)

// campaign is set for the long forms: every byte, not a sample.
func campaign() bool { return os.Getenv("ATTACK") != "" }

// 20, second half: the log is cut at every byte behind the last sync, as a
// crash of the machine cuts it. What was acknowledged is there, the commit
// under way is there whole or not at all.
func TestAttack20WALCut(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "vault.db")
	s := Open(path)
	defer s.Close()
	var want []blob.Record
	for i := 1; i <= 3; i++ {
		want = append(want, blobtest.Record(i, 1))
		if err := s.Commit(t.Context(), blobtest.Commit(i, want[i-1])); err != nil {
			t.Fatal(err)
		}
	}
	synced := read(t, path+"-wal")
	if err := s.Commit(t.Context(), blobtest.Commit(4, blobtest.Record(4, 1))); err != nil {
		t.Fatal(err)
	}
	db, wal := read(t, path), read(t, path+"-wal")
	if len(wal) <= len(synced) {
		t.Fatalf("the log did not grow: %d, %d", len(synced), len(wal))
	}
	step := 509
	if campaign() {
		step = 1
	}
	cuts, whole := 0, 0
	for n := len(synced); n <= len(wal); n += step {
		if n+step > len(wal) && n < len(wal) {
			n = len(wal) - 1 // the last two always
			step = 1
		}
		at := filepath.Join(t.TempDir(), "vault.db")
		write(t, at, db)
		write(t, at+"-wal", wal[:n])
		cut := Open(at)
		head, err := cut.Head(t.Context())
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		all := want
		if head.Seq == 4 {
			whole++
			all = append(all[:3:3], blobtest.Record(4, 1))
		}
		blobtest.Check(t, cut, len(all), all...)
		cut.Close()
		cuts++
	}
	if whole == 0 || cuts < 10 {
		t.Errorf("%d cuts, %d whole", cuts, whole)
	}
	fmt.Printf("attack 20: WAL cut at %d places: every acknowledged commit kept\n", cuts)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// 21: a full disk. Nothing is acknowledged that is not there, nothing is half
// there, and when there is room again it goes on.
func TestAttack21FullDisk(t *testing.T) {
	dir := t.TempDir()
	disk := disktest.Mount(t, dir, "512k") // the form of package vault with a file size limit runs everywhere
	s := Open(filepath.Join(dir, "vault.db"))
	defer s.Close()
	var stored []blob.Record
	full := error(nil)
	for i := 1; i < 500 && full == nil; i++ {
		r := blobtest.Record(i, 1)
		r.Data = make([]byte, 5000)
		if full = s.Commit(t.Context(), blobtest.Commit(i, r)); full == nil {
			stored = append(stored, r)
		}
	}
	if full == nil || len(stored) < 3 {
		t.Fatalf("never full, %d stored", len(stored))
	}
	blobtest.Check(t, s, len(stored), stored...)
	s.Close()
	s = Open(filepath.Join(dir, "vault.db"))
	blobtest.Check(t, s, len(stored), stored...)
	disk.Grow("4m")
	next := blobtest.Record(999, 1)
	if err := s.Commit(t.Context(), blobtest.Commit(len(stored)+1, next)); err != nil {
		t.Fatal(err)
	}
	blobtest.Check(t, s, len(stored)+1, append(stored, next)...)
	s.Close()
	fmt.Printf("attack 21: disk full after %d commits (%v): all kept, none half\n", len(stored), full)
}
