package evil

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// Honest it is a server like any other; each lie reaches the client as it was told.
func TestLies(t *testing.T) {
	rig := Start(t, server.Config{})
	v, dev := depottest.NewVault(), servertest.NewDevice()
	st := rig.Store(t, v, dev)
	s := servertest.NewSigned(st, v, dev)
	one, two := blobtest.Record(1, 1), blobtest.Record(2, 1)
	if err := s.Commit(t.Context(), blobtest.Commit(1, one, two)); err != nil {
		t.Fatal(err)
	}
	blobtest.Check(t, s, 1, one, two)
	first := rig.Save(t, v)
	if err := s.Commit(t.Context(), blobtest.Commit(2, blobtest.Record(3, 1))); err != nil {
		t.Fatal(err)
	}
	get := func(n int) []byte {
		t.Helper()
		r, err := st.Get(t.Context(), []blob.Key{blobtest.Key(n, 1)})
		if err != nil {
			t.Fatal(err)
		}
		return r[0].Data
	}
	a, b := get(1), get(2)

	rig.Lie(Flip(4, 9))
	if got := get(1); got[1] != a[1]^2 || !bytes.Equal(got[2:], a[2:]) {
		t.Errorf("flip: %x, %x", got, a)
	}
	rig.Lie(Swap(&blob.Record{Key: one.Key, Data: a}, &blob.Record{Key: two.Key, Data: b}))
	if !bytes.Equal(get(1), b) || !bytes.Equal(get(2), a) {
		t.Error("swap")
	}
	rig.Lie(Drop(func(e blob.Entry) bool { return e.Key == two.Key }))
	if e, err := st.Changes(t.Context(), 0); err != nil || len(e) != 2 {
		t.Errorf("drop: %d entries, %v", len(e), err)
	}
	rig.Lie(Lies{Swallow: true})
	if err := s.Commit(t.Context(), blobtest.Commit(3)); err != nil {
		t.Errorf("swallow: %v", err)
	}
	rig.Lie(Lies{})
	blobtest.Check(t, s, 2, one, two, blobtest.Record(3, 1))

	rig.Restore(t, first)
	blobtest.Check(t, servertest.NewSigned(st, v, dev), 1, one, two)
	if _, err := st.Manifest(t.Context(), 2); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("after a restore: %v", err)
	}

	// An image is shown as it is, also one whose manifest nobody signed.
	img := rig.Save(t, v)
	broken := *img
	broken.Manifests = slices.Clone(img.Manifests)
	broken.Manifests[0].Body = append(slices.Clone(img.Manifests[0].Body), 1)
	rig.Show(&broken)
	if h, err := st.Head(t.Context()); err != nil || !bytes.Equal(h.Manifest, broken.Manifests[0].Body) {
		t.Errorf("shown: %d bytes, %v", len(h.Manifest), err)
	}
	if e, err := st.Changes(t.Context(), 0); err != nil || len(e) != 2 {
		t.Errorf("shown: %d entries, %v", len(e), err)
	}
	if !bytes.Equal(get(1), a) {
		t.Error("shown: another record")
	}
	if err := st.Commit(t.Context(), blob.Commit{Base: 7, Seq: 8, Manifest: []byte("anything")}); err != nil {
		t.Errorf("shown, it takes any commit: %v", err)
	}
	rig.Show(nil)
	blobtest.Check(t, servertest.NewSigned(st, v, dev), 1, one, two)
}
