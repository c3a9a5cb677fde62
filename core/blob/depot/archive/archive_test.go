package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/depot/lite"
)

func open(t *testing.T) depot.Depot {
	t.Helper()
	d, err := lite.Open(t.Context(), filepath.Join(t.TempDir(), "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// filled is a depot of three vaults, one of them with a note and a history.
func filled(t *testing.T) (depot.Depot, []depot.Vault) {
	t.Helper()
	d := open(t)
	var ids []depot.Vault
	for i := range 3 {
		s := depottest.Store{Depot: d, Vault: depottest.NewVault()}
		for seq := 1; seq <= i+1; seq++ {
			if err := s.Commit(t.Context(), blobtest.Commit(seq, blobtest.Record(seq, 1))); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, s.Vault)
	}
	n := depot.Note{Kind: depot.NoteWitness, ID: []byte("device"), Version: 1, Body: []byte("note")}
	if err := d.PutNote(t.Context(), ids[2], n, time.Now()); err != nil {
		t.Fatal(err)
	}
	return d, ids
}

func TestRoundTrip(t *testing.T) {
	d, ids := filled(t)
	var file bytes.Buffer
	if n, err := Write(t.Context(), d, &file); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := Check(bytes.NewReader(file.Bytes())); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	other := open(t)
	if n, err := Read(t.Context(), other, bytes.NewReader(file.Bytes())); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for i, v := range ids {
		var want []blob.Record
		for seq := 1; seq <= i+1; seq++ {
			want = append(want, blobtest.Record(seq, 1))
		}
		blobtest.Check(t, depottest.Store{Depot: other, Vault: v}, i+1, want...)
	}
	if n, err := other.Note(t.Context(), ids[2], depot.NoteWitness, []byte("device"), time.Now()); err != nil || string(n.Body) != "note" {
		t.Errorf("%+v, %v", n, err)
	}
	h, err := other.Head(t.Context(), ids[0])
	if err != nil || h.Chain != sha256.Sum256(blobtest.Manifest(1)) {
		t.Errorf("%+v, %v", h, err)
	}
	// Into a depot that holds them nothing is read.
	if _, err := Read(t.Context(), other, bytes.NewReader(file.Bytes())); !errors.Is(err, blob.ErrConflict) {
		t.Errorf("a second time: %v", err)
	}
}

// Cut anywhere, with a byte more, or with any bit flipped it is refused.
func TestDamaged(t *testing.T) {
	d, _ := filled(t)
	var file bytes.Buffer
	if _, err := Write(t.Context(), d, &file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	for n := range whole {
		if _, err := Check(bytes.NewReader(whole[:n])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut at %d: %v", n, err)
		}
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		if _, err := Check(bytes.NewReader(flipped)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit flipped in %d: %v", n, err)
		}
	}
	if _, err := Check(bytes.NewReader(append(bytes.Clone(whole), 0))); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}
