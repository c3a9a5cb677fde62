package depottest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
)

// Run runs the suite over depots that open returns: each call another handle of
// the same database, as two replicas have.
func Run(t *testing.T, open func(*testing.T) depot.Depot) {
	t.Run("Store", func(t *testing.T) { stores(t, open) })
	for _, c := range []struct {
		name string
		test func(*testing.T, depot.Depot)
	}{
		{"VaultsAreApart", apart},
		{"Idempotency", idempotency},
		{"Chain", chain},
		{"Quota", quota},
		{"Locate", locate},
		{"GetLimit", getLimit},
		{"Notes", notes},
		{"NoteRace", noteRace},
		{"CommitNotes", commitNotes},
		{"Image", image},
		{"Remove", remove},
		{"Collect", collect},
		{"Vaults", vaults},
		{"Ping", func(t *testing.T, d depot.Depot) { must(t, d.Ping(t.Context())) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t)
			defer d.Close()
			c.test(t, d)
		})
	}
}

// stores runs blobtest: every handle of a test has a depot of its own.
func stores(t *testing.T, open func(*testing.T) depot.Depot) {
	var mu sync.Mutex
	ids := map[*testing.T]depot.Vault{}
	blobtest.Run(t, func(t *testing.T) blob.Store {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := ids[t]; !ok {
			ids[t] = NewVault()
		}
		d := open(t)
		t.Cleanup(func() { d.Close() })
		return Store{Depot: d, Vault: ids[t]}
	})
}

// NewVault returns a random id.
func NewVault() (v depot.Vault) {
	rand.Read(v[:])
	return v
}

// now is a time that databases keep exactly.
func now() time.Time { return time.UnixMilli(1_800_000_000_000) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: %v, want %v", what, err, target)
	}
}

// commit returns the commit seq of records on its predecessor.
func commit(seq int, put ...blob.Record) depot.Commit {
	c := depot.Commit{Commit: blobtest.Commit(seq, put...), Chain: sha256.Sum256(blobtest.Manifest(seq)), Time: now()}
	rand.Read(c.Key[:])
	rand.Read(c.Hash[:])
	if seq > 1 {
		c.Prev = sha256.Sum256(blobtest.Manifest(seq - 1))
	}
	return c
}

func do(t *testing.T, d depot.Depot, v depot.Vault, c depot.Commit) {
	t.Helper()
	before, err := d.Commit(t.Context(), v, c)
	if err != nil || before {
		t.Fatalf("commit %d: before %v, %v", c.Seq, before, err)
	}
}

func apart(t *testing.T, d depot.Depot) {
	a, b := NewVault(), NewVault()
	do(t, d, a, commit(1, blobtest.Record(1, 1)))
	do(t, d, b, commit(1, blobtest.Record(1, 1), blobtest.Record(2, 1)))
	c := commit(2)
	c.Reset = true
	do(t, d, a, c)
	blobtest.Check(t, Store{d, a}, 2)
	blobtest.Check(t, Store{d, b}, 1, blobtest.Record(1, 1), blobtest.Record(2, 1))
	_, err := d.Head(t.Context(), NewVault())
	want(t, "head of a stranger", err, blob.ErrEmpty)
	_, err = d.Changes(t.Context(), NewVault(), 0)
	want(t, "changes of a stranger", err, blob.ErrEmpty)
}

func idempotency(t *testing.T, d depot.Depot) {
	v := NewVault()
	do(t, d, v, commit(1))
	c := commit(2, blobtest.Record(1, 1))
	c.Key, c.Hash = [32]byte{1}, [32]byte{2}
	do(t, d, v, c)
	for range 3 {
		if before, err := d.Commit(t.Context(), v, c); err != nil || !before {
			t.Errorf("again: %v, %v", before, err)
		}
	}
	other := c
	other.Hash = [32]byte{3}
	_, err := d.Commit(t.Context(), v, other)
	want(t, "the key of another commit", err, depot.ErrKeyReused)
	for range 2 {
		if done, err := d.Done(t.Context(), v, c.Key, c.Hash); err != nil || !done {
			t.Errorf("done: %v, %v", done, err)
		}
	}
	for _, elsewhere := range []depot.Vault{v, NewVault()} {
		if done, err := d.Done(t.Context(), elsewhere, [32]byte{9}, c.Hash); err != nil || done {
			t.Errorf("a key that nobody used: %v, %v", done, err)
		}
	}
	if done, err := d.Done(t.Context(), NewVault(), c.Key, c.Hash); err != nil || done {
		t.Errorf("another vault's key: %v, %v", done, err)
	}
	_, err = d.Done(t.Context(), v, c.Key, other.Hash)
	want(t, "done under the key of another commit", err, depot.ErrKeyReused)
	blobtest.Check(t, Store{d, v}, 2, blobtest.Record(1, 1))
	// A commit that was not made leaves its key free.
	late := commit(2)
	late.Key, late.Hash = [32]byte{4}, [32]byte{4}
	_, err = d.Commit(t.Context(), v, late)
	want(t, "conflict", err, blob.ErrConflict)
	if done, err := d.Done(t.Context(), v, late.Key, late.Hash); err != nil || done {
		t.Errorf("a commit that was refused: %v, %v", done, err)
	}
	late = commit(3)
	late.Key, late.Hash = [32]byte{4}, [32]byte{5}
	do(t, d, v, late)
	// Keys are a vault's own.
	elsewhere := commit(1)
	elsewhere.Key, elsewhere.Hash = [32]byte{1}, [32]byte{9}
	do(t, d, NewVault(), elsewhere)
}

func chain(t *testing.T, d depot.Depot) {
	v := NewVault()
	do(t, d, v, commit(1))
	c := commit(2)
	c.Prev[0]++
	_, err := d.Commit(t.Context(), v, c)
	want(t, "the right number, another manifest", err, blob.ErrConflict)
	h, err := d.Head(t.Context(), v)
	if err != nil || h.Seq != 1 || h.Chain != sha256.Sum256(blobtest.Manifest(1)) {
		t.Errorf("%+v, %v", h, err)
	}
}

func quota(t *testing.T, d depot.Depot) {
	v := NewVault()
	size := int64(len(blobtest.Record(1, 1).Data))
	c := commit(1, blobtest.Record(1, 1))
	c.Limits = depot.Limits{Records: 2, Bytes: 2 * size}
	do(t, d, v, c)
	c = commit(2, blobtest.Record(2, 1), blobtest.Record(3, 1))
	c.Limits = depot.Limits{Records: 2}
	_, err := d.Commit(t.Context(), v, c)
	want(t, "a record too many", err, depot.ErrQuota)
	c.Limits = depot.Limits{Bytes: 2 * size}
	_, err = d.Commit(t.Context(), v, c)
	want(t, "bytes too many", err, depot.ErrQuota)
	blobtest.Check(t, Store{d, v}, 1, blobtest.Record(1, 1))
	// A purge makes room in the same commit.
	c.Limits = depot.Limits{Records: 2, Bytes: 2 * size}
	c.Purge = []blob.Key{blobtest.Key(1, 1)}
	do(t, d, v, c)
	h, err := d.Head(t.Context(), v)
	if err != nil || h.Records != 2 || h.Bytes != 2*size {
		t.Errorf("%+v, %v", h, err)
	}
	c = commit(3, blobtest.Record(4, 1))
	c.Limits = depot.Limits{Records: 1 << 40, Bytes: 1 << 40} // more than 32 bits
	do(t, d, v, c)
	c = commit(4, blobtest.Record(9, 1))
	c.Reset, c.Limits = true, depot.Limits{Records: 1}
	do(t, d, v, c)
	if h, err := d.Head(t.Context(), v); err != nil || h.Records != 1 || h.Bytes != size {
		t.Errorf("after a reset: %+v, %v", h, err)
	}
}

func locate(t *testing.T, d depot.Depot) {
	v, locator := NewVault(), [16]byte(NewVault())
	_, err := d.Locate(t.Context(), locator)
	want(t, "unknown", err, blob.ErrNotFound)
	c := commit(1)
	c.Locator = locator
	do(t, d, v, c)
	if got, err := d.Locate(t.Context(), locator); err != nil || got != v {
		t.Errorf("%x, %v", got, err)
	}
	do(t, d, NewVault(), commit(1))
	do(t, d, NewVault(), commit(1))
	_, err = d.Locate(t.Context(), [16]byte{})
	want(t, "zeros", err, blob.ErrNotFound)
	if _, err = d.Commit(t.Context(), NewVault(), c); err == nil {
		t.Error("a locator belongs to two vaults")
	}
}

func getLimit(t *testing.T, d depot.Depot) {
	v := NewVault()
	do(t, d, v, commit(1, blobtest.Record(1, 1), blobtest.Record(2, 1), blobtest.Record(3, 1)))
	keys := []blob.Key{blobtest.Key(1, 1), blobtest.Key(2, 1), blobtest.Key(3, 1)}
	size := len(blobtest.Record(1, 1).Data)
	for limit, n := range map[int]int{0: 1, size: 1, 2 * size: 2, 2*size + 1: 2, 3 * size: 3, 1 << 20: 3} {
		got, err := d.Get(t.Context(), v, keys, limit)
		if err != nil || len(got) != n {
			t.Errorf("limit %d: %d records, %v, want %d", limit, len(got), err, n)
		}
	}
}

func notes(t *testing.T, d depot.Depot) {
	v, ctx := NewVault(), t.Context()
	n := depot.Note{Kind: depot.NoteWitness, ID: []byte("a\x00"), Version: 1, Body: []byte("one")}
	_, err := d.Note(ctx, v, n.Kind, n.ID, now())
	want(t, "none", err, blob.ErrNotFound)
	must(t, d.PutNote(ctx, v, n, now()))
	want(t, "new where one is", d.PutNote(ctx, v, n, now()), blob.ErrConflict)
	if got, err := d.Note(ctx, v, n.Kind, n.ID, now()); err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("%+v, %v", got, err)
	}
	n.Version, n.Body, n.Expires = 2, nil, now().Add(time.Minute)
	must(t, d.PutNote(ctx, v, n, now()))
	want(t, "a version that has passed", d.PutNote(ctx, v, n, now()), blob.ErrConflict)
	n.Version = 4
	want(t, "a version left out", d.PutNote(ctx, v, n, now()), blob.ErrConflict)
	if got, err := d.Note(ctx, v, n.Kind, n.ID, now()); err != nil || got.Version != 2 || len(got.Body) != 0 || !got.Expires.Equal(n.Expires) {
		t.Errorf("%+v, %v", got, err)
	}
	// What has expired is not there, and its place is free.
	later := now().Add(time.Minute)
	_, err = d.Note(ctx, v, n.Kind, n.ID, later)
	want(t, "expired", err, blob.ErrNotFound)
	n.Version, n.Expires = 1, time.Time{}
	must(t, d.PutNote(ctx, v, n, later))
	for _, id := range []string{"a\x01", "b", "ab"} {
		must(t, d.PutNote(ctx, v, depot.Note{Kind: n.Kind, ID: []byte(id), Version: 1, Body: []byte(id)}, now()))
	}
	must(t, d.PutNote(ctx, v, depot.Note{Kind: depot.NotePart, ID: []byte("a"), Version: 1}, now()))
	must(t, d.PutNote(ctx, NewVault(), depot.Note{Kind: n.Kind, ID: []byte("a"), Version: 1}, now()))
	for prefix, want := range map[string]string{"": "[a\x00 a\x01 ab b]", "a": "[a\x00 a\x01 ab]", "ab": "[ab]", "c": "[]"} {
		list, err := d.List(ctx, v, n.Kind, []byte(prefix), now())
		var ids []string
		for _, n := range list {
			ids = append(ids, string(n.ID))
		}
		if fmt.Sprint(ids) != want || err != nil {
			t.Errorf("prefix %q: %q, %v, want %q", prefix, ids, err, want)
		}
	}
	must(t, d.DropNote(ctx, v, n.Kind, []byte("b")))
	must(t, d.DropNote(ctx, v, n.Kind, []byte("b")))
	_, err = d.Note(ctx, v, n.Kind, []byte("b"), now())
	want(t, "dropped", err, blob.ErrNotFound)
}

// Of many who swap the same version one gets through.
func noteRace(t *testing.T, d depot.Depot) {
	v := NewVault()
	for version := uint64(1); version <= 5; version++ {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 8 {
			wg.Go(func() {
				err := d.PutNote(t.Context(), v, depot.Note{Kind: depot.NoteAttempt, Version: version, ID: []byte{1}, Body: []byte{byte(i)}}, now())
				if err != nil && !errors.Is(err, blob.ErrConflict) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				}
			})
		}
		if wg.Wait(); won != 1 {
			t.Errorf("version %d: %d of 8 got through", version, won)
		}
	}
}

func commitNotes(t *testing.T, d depot.Depot) {
	v, ctx := NewVault(), t.Context()
	do(t, d, v, commit(1))
	upload := bytes.Repeat([]byte{7}, 16)
	for i := range byte(3) {
		must(t, d.PutNote(ctx, v, depot.Note{Kind: depot.NotePart, ID: append(bytes.Clone(upload), i), Version: 1}, now()))
	}
	must(t, d.PutNote(ctx, v, depot.Note{Kind: depot.NotePart, ID: bytes.Repeat([]byte{8}, 17), Version: 1}, now()))
	c := commit(2)
	c.Upload, c.Notes = upload, []depot.Note{{Kind: depot.NoteRevoked, ID: []byte("k"), Body: []byte("first")}}
	failing := c
	failing.Prev[0]++
	_, err := d.Commit(ctx, v, failing)
	want(t, "conflict", err, blob.ErrConflict)
	if parts, err := d.List(ctx, v, depot.NotePart, upload, now()); err != nil || len(parts) != 3 {
		t.Errorf("a commit that failed dropped parts: %d left, %v", len(parts), err)
	}
	do(t, d, v, c)
	if parts, err := d.List(ctx, v, depot.NotePart, nil, now()); err != nil || len(parts) != 1 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
	c = commit(3)
	c.Notes = []depot.Note{{Kind: depot.NoteRevoked, ID: []byte("k"), Body: []byte("second")}}
	do(t, d, v, c)
	if n, err := d.Note(ctx, v, depot.NoteRevoked, []byte("k"), now()); err != nil || string(n.Body) != "second" {
		t.Errorf("%+v, %v", n, err)
	}
}

func image(t *testing.T, d depot.Depot) {
	v, ctx := NewVault(), t.Context()
	c := commit(1, blobtest.Record(1, 1), blobtest.Record(2, 1))
	c.Locator = [16]byte(NewVault())
	c.Notes = []depot.Note{{Kind: depot.NoteWitness, ID: []byte("w"), Body: []byte("note")}}
	do(t, d, v, c)
	do(t, d, v, commit(2, blobtest.Record(1, 2)))
	must(t, d.PutNote(ctx, v, depot.Note{Kind: depot.NotePart, ID: []byte("p"), Version: 1}, now()))
	img, err := d.Export(ctx, v)
	must(t, err)
	if len(img.Records) != 3 || len(img.Manifests) != 2 || len(img.Notes) != 1 || img.Locator != c.Locator || img.Head.Seq != 2 || img.Head.Records != 3 || !img.Manifests[0].Time.Equal(now()) {
		t.Fatalf("%+v", img)
	}
	want(t, "import of what is there", d.Import(ctx, img), blob.ErrConflict)
	img.Vault, img.Locator = NewVault(), [16]byte(NewVault())
	must(t, d.Import(ctx, img))
	s := Store{d, img.Vault}
	blobtest.Check(t, s, 2, blobtest.Record(1, 1), blobtest.Record(2, 1), blobtest.Record(1, 2))
	if e, err := s.Changes(ctx, 1); err != nil || len(e) != 1 || e[0].Seq != 2 {
		t.Errorf("%v, %v", e, err)
	}
	again, err := d.Export(ctx, img.Vault)
	must(t, err)
	if again.Head != img.Head || len(again.Notes) != 1 || string(again.Notes[0].Body) != "note" {
		t.Errorf("%+v, want %+v", again.Head, img.Head)
	}
	if got, err := d.Locate(ctx, img.Locator); err != nil || got != img.Vault {
		t.Errorf("%x, %v", got, err)
	}
	do(t, d, img.Vault, commit(3)) // it goes on
	_, err = d.Export(ctx, NewVault())
	want(t, "export of a stranger", err, blob.ErrEmpty)
}

func remove(t *testing.T, d depot.Depot) {
	v, other, ctx := NewVault(), NewVault(), t.Context()
	first := commit(1, blobtest.Record(1, 1))
	do(t, d, v, first)
	do(t, d, other, commit(1, blobtest.Record(1, 1)))
	must(t, d.PutNote(ctx, v, depot.Note{Kind: depot.NoteWitness, ID: []byte("w"), Version: 1}, now()))
	must(t, d.Remove(ctx, v))
	want(t, "removed twice", d.Remove(ctx, v), blob.ErrEmpty)
	_, err := d.Head(ctx, v)
	want(t, "head", err, blob.ErrEmpty)
	_, err = d.Get(ctx, v, []blob.Key{blobtest.Key(1, 1)}, 1)
	want(t, "record", err, blob.ErrNotFound)
	_, err = d.Note(ctx, v, depot.NoteWitness, []byte("w"), now())
	want(t, "note", err, blob.ErrNotFound)
	do(t, d, v, first) // under the same idempotency key: that is gone as well
	blobtest.Check(t, Store{d, other}, 1, blobtest.Record(1, 1))
}

func collect(t *testing.T, d depot.Depot) {
	v, ctx := NewVault(), context.WithoutCancel(t.Context())
	c := commit(1)
	c.Key, c.Hash = [32]byte{1}, [32]byte{1}
	do(t, d, v, c)
	far := depot.Commit{Commit: blob.Commit{Base: 1, Seq: 2 + blob.KeepManifests, Manifest: []byte("far")}, Prev: c.Chain, Time: now()}
	do(t, d, v, far)
	must(t, d.PutNote(ctx, v, depot.Note{Kind: depot.NotePart, ID: []byte("p"), Version: 1, Expires: now()}, now()))
	r := depot.Retention{Now: now().Add(time.Hour), Answers: 2 * time.Hour, Manifests: 2 * time.Hour}
	early, err := d.Collect(ctx, r)
	must(t, err)
	if before, err := d.Commit(ctx, v, c); err != nil || !before {
		t.Errorf("an answer was collected early: %v, %v", before, err)
	}
	if _, err := d.Manifest(ctx, v, 1); err != nil {
		t.Errorf("a manifest was collected early: %v", err)
	}
	r.Now = now().Add(3 * time.Hour)
	if got, err := d.Collect(ctx, r); err != nil || got.Answers < 1 || got.Manifests < 1 || got.Notes+early.Notes < 1 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = d.Manifest(ctx, v, 1)
	want(t, "an old manifest", err, blob.ErrNotFound)
	if _, err := d.Manifest(ctx, v, far.Seq); err != nil {
		t.Errorf("the head's manifest was collected: %v", err)
	}
	_, err = d.Commit(ctx, v, c)
	want(t, "a forgotten key", err, blob.ErrConflict)
	// However new they are, no vault has more than so many.
	busy, first := NewVault(), commit(1)
	do(t, d, busy, first)
	for seq, base := uint64(2), first; seq <= 3+depot.MaxManifests; seq += depot.MaxManifests {
		next := depot.Commit{Commit: blob.Commit{Base: base.Seq, Seq: seq, Manifest: fmt.Appendf(nil, "busy %d", seq)}, Prev: base.Chain, Time: now()}
		next.Chain = sha256.Sum256(next.Manifest)
		do(t, d, busy, next)
		base = next
	}
	_, err = d.Collect(ctx, depot.Retention{Now: now(), Answers: time.Hour, Manifests: time.Hour})
	must(t, err)
	for seq, there := range map[uint64]bool{1: false, 2: false, 2 + depot.MaxManifests: true} {
		if _, err := d.Manifest(ctx, busy, seq); (err == nil) != there {
			t.Errorf("manifest %d of a busy vault: %v", seq, err)
		}
	}
}

func vaults(t *testing.T, d depot.Depot) {
	before, err := d.Count(t.Context())
	must(t, err)
	mine := map[depot.Vault]bool{}
	for range 5 {
		v := NewVault()
		mine[v] = true
		do(t, d, v, commit(1))
	}
	if n, err := d.Count(t.Context()); err != nil || n != before+5 {
		t.Errorf("%d vaults, %v, want %d", n, err, before+5)
	}
	var after depot.Vault
	for {
		page, err := d.Vaults(t.Context(), after, 2)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			if bytes.Compare(v[:], after[:]) <= 0 {
				t.Fatal("not in order")
			}
			after = v
			delete(mine, v)
		}
	}
	if len(mine) > 0 {
		t.Errorf("%d vaults were not listed", len(mine))
	}
}
