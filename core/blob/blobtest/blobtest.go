// Package blobtest holds what every blob.Store must do. An implementation's
// test is ten lines:
//
//	func TestConformance(t *testing.T) {
//		path := filepath.Join(t.TempDir(), "store")
//		blobtest.Run(t, func(t *testing.T) blob.Store { return mystore.Open(path) })
//	}
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/blob"
)

// Open returns a store. Called again with the same *testing.T it returns
// another handle of the same store; with another one, a new and empty store.
type Open func(t *testing.T) blob.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"Empty", empty},
		{"RoundTrip", roundTrip},
		{"Conflict", conflict},
		{"Invalid", invalid},
		{"Purge", purge},
		{"Reset", reset},
		{"Changes", changes},
		{"KeepsManifests", keepsManifests},
		{"KeepsNothingOfTheCaller", aliasing},
		{"Reopen", reopen},
		{"Large", large},
		{"HammerOneHandle", func(t *testing.T, open Open) { hammer(t, open, false) }},
		{"HammerHandles", func(t *testing.T, open Open) { hammer(t, open, true) }},
		{"Cancelled", cancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

// handle opens a store that is closed with the test.
func handle(t *testing.T, open Open) blob.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() { s.Close() })
	return s
}

// Key returns a key of kind 4 with n in its id.
func Key(n, version int) blob.Key {
	return blob.Key{Kind: 4, ID: [32]byte{byte(n), byte(n >> 8), 31: 1}, Version: uint64(version)}
}

// Record returns a record whose data tells its key.
func Record(n, version int) blob.Record {
	return blob.Record{
		Key: Key(n, version), Group: [16]byte{byte(n % 3)}, Sum: [32]byte{byte(n), byte(version)},
		Data: fmt.Appendf(nil, "data of %d, version %d", n, version),
	}
}

// Commit returns the commit seq on its predecessor.
func Commit(seq int, put ...blob.Record) blob.Commit {
	return blob.Commit{Base: uint64(seq - 1), Seq: uint64(seq), Manifest: Manifest(seq), Put: put}
}

// Manifest is the manifest of Commit(seq).
func Manifest(seq int) []byte { return fmt.Appendf(nil, "manifest %d", seq) }

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

// Check fails unless s holds just the records, at commit seq.
func Check(t *testing.T, s blob.Store, seq int, records ...blob.Record) {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil || head.Seq != uint64(seq) || !bytes.Equal(head.Manifest, Manifest(seq)) {
		t.Fatalf("head %d %q, %v, want %d", head.Seq, head.Manifest, err, seq)
	}
	entries, err := s.Changes(t.Context(), 0)
	if err != nil || len(entries) != len(records) {
		t.Fatalf("%d entries, %v, want %d", len(entries), err, len(records))
	}
	for _, r := range records {
		i := slices.IndexFunc(entries, func(e blob.Entry) bool { return e.Key == r.Key })
		if i < 0 || entries[i].Group != r.Group || entries[i].Sum != r.Sum || entries[i].Seq == 0 || entries[i].Seq > uint64(seq) {
			t.Fatalf("entry of %x version %d is missing or wrong", r.ID[:2], r.Version)
		}
		got, err := s.Get(t.Context(), []blob.Key{r.Key})
		if err != nil || len(got) != 1 || got[0].Key != r.Key || got[0].Group != r.Group || got[0].Sum != r.Sum || !bytes.Equal(got[0].Data, r.Data) {
			t.Fatalf("get %x version %d: %+v, %v", r.ID[:2], r.Version, got, err)
		}
	}
}

func empty(t *testing.T, open Open) {
	s := handle(t, open)
	_, err := s.Head(t.Context())
	want(t, "head", err, blob.ErrEmpty)
	if e, err := s.Changes(t.Context(), 0); err != nil || len(e) != 0 {
		t.Errorf("changes: %v, %v", e, err)
	}
	_, err = s.Get(t.Context(), []blob.Key{Key(1, 1)})
	want(t, "get", err, blob.ErrNotFound)
	if r, err := s.Get(t.Context(), nil); err != nil || len(r) != 0 {
		t.Errorf("get nothing: %v, %v", r, err)
	}
	must(t, s.Close())
}

func roundTrip(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1), Record(2, 1))))
	must(t, s.Commit(t.Context(), Commit(2, Record(1, 2))))
	must(t, s.Commit(t.Context(), Commit(3)))
	Check(t, s, 3, Record(1, 1), Record(2, 1), Record(1, 2))
	got, err := s.Get(t.Context(), []blob.Key{Key(1, 2), Key(2, 1), Key(1, 1), Key(2, 1)})
	if err != nil || len(got) != 4 || got[0].Version != 2 || !bytes.Equal(got[3].Data, Record(2, 1).Data) {
		t.Errorf("get in order: %+v, %v", got, err)
	}
	got, err = s.Get(t.Context(), []blob.Key{Key(1, 1), Key(9, 1)})
	if want(t, "one that is not there", err, blob.ErrNotFound); got != nil {
		t.Error("half an answer")
	}
	for seq := 1; seq <= 3; seq++ {
		if m, err := s.Manifest(t.Context(), uint64(seq)); err != nil || !bytes.Equal(m, Manifest(seq)) {
			t.Errorf("manifest %d: %q, %v", seq, m, err)
		}
	}
	_, err = s.Manifest(t.Context(), 4)
	want(t, "manifest 4", err, blob.ErrNotFound)
	// Numbers may jump, as after a restored backup.
	must(t, s.Commit(t.Context(), blob.Commit{Base: 3, Seq: 10, Manifest: Manifest(10)}))
	Check(t, s, 10, Record(1, 1), Record(2, 1), Record(1, 2))
}

func conflict(t *testing.T, open Open) {
	s := handle(t, open)
	want(t, "base on an empty store", s.Commit(t.Context(), Commit(2, Record(1, 1))), blob.ErrConflict)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1))))
	for _, c := range []blob.Commit{
		Commit(1, Record(2, 1)), Commit(3, Record(2, 1)),
		{Base: 0, Seq: 7, Manifest: Manifest(7), Put: []blob.Record{Record(2, 1)}, Reset: true},
	} {
		want(t, fmt.Sprintf("commit %d on %d", c.Seq, c.Base), s.Commit(t.Context(), c), blob.ErrConflict)
	}
	Check(t, s, 1, Record(1, 1))
}

func invalid(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1))))
	for what, c := range map[string]blob.Commit{
		"a key that is there":     Commit(2, Record(2, 1), Record(1, 1)),
		"a key twice":             Commit(2, Record(2, 1), Record(2, 1)),
		"purge what is not there": {Base: 1, Seq: 2, Manifest: Manifest(2), Put: []blob.Record{Record(2, 1)}, Purge: []blob.Key{Key(3, 1)}},
		"purge twice":             {Base: 1, Seq: 2, Manifest: Manifest(2), Purge: []blob.Key{Key(1, 1), Key(1, 1)}},
		"a number that falls":     {Base: 1, Seq: 1, Manifest: Manifest(1)},
		"no manifest":             {Base: 1, Seq: 2},
	} {
		want(t, what, s.Commit(t.Context(), c), blob.ErrInvalid)
		Check(t, s, 1, Record(1, 1))
	}
}

func purge(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1), Record(1, 2), Record(2, 1))))
	c := Commit(2, Record(1, 3))
	c.Purge = []blob.Key{Key(1, 1), Key(2, 1)}
	must(t, s.Commit(t.Context(), c))
	Check(t, s, 2, Record(1, 2), Record(1, 3))
	_, err := s.Get(t.Context(), []blob.Key{Key(1, 1)})
	want(t, "get what was purged", err, blob.ErrNotFound)
	// What was purged may come back, and a purge makes room for its own key.
	c = Commit(3, Record(1, 1), Record(1, 2))
	c.Purge = []blob.Key{Key(1, 2)}
	must(t, s.Commit(t.Context(), c))
	Check(t, s, 3, Record(1, 1), Record(1, 2), Record(1, 3))
}

func reset(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1), Record(2, 1))))
	c := Commit(2, Record(1, 1), Record(3, 1))
	c.Reset = true
	must(t, s.Commit(t.Context(), c))
	Check(t, s, 2, Record(1, 1), Record(3, 1))
}

func changes(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1), Record(2, 1))))
	must(t, s.Commit(t.Context(), Commit(2, Record(3, 1), Record(4, 1))))
	c := Commit(3, Record(5, 1))
	c.Purge = []blob.Key{Key(3, 1), Key(1, 1)}
	must(t, s.Commit(t.Context(), c))
	for since, ids := range [][]byte{{2, 4, 5}, {4, 5}, {5}, {}} {
		entries, err := s.Changes(t.Context(), uint64(since))
		got := []byte{}
		for _, e := range entries {
			got = append(got, e.ID[0])
		}
		if slices.Sort(got); err != nil || !bytes.Equal(got, ids) {
			t.Errorf("changes since %d: %v, %v, want %v", since, got, err, ids)
		}
	}
}

func keepsManifests(t *testing.T, open Open) {
	s := handle(t, open)
	// From far on, so that pruning has something to prune.
	must(t, s.Commit(t.Context(), blob.Commit{Seq: 1, Manifest: Manifest(1)}))
	first := 3 * blob.KeepManifests
	must(t, s.Commit(t.Context(), blob.Commit{Base: 1, Seq: uint64(first), Manifest: Manifest(first)}))
	for seq := first + 1; seq <= first+100; seq++ {
		must(t, s.Commit(t.Context(), Commit(seq)))
	}
	for seq := first; seq <= first+100; seq++ {
		if m, err := s.Manifest(t.Context(), uint64(seq)); err != nil || !bytes.Equal(m, Manifest(seq)) {
			t.Fatalf("manifest %d: %v", seq, err)
		}
	}
}

func aliasing(t *testing.T, open Open) {
	s := handle(t, open)
	r, c := Record(1, 1), Commit(1)
	c.Put = []blob.Record{r}
	must(t, s.Commit(t.Context(), c))
	r.Data[0], c.Manifest[0], c.Put[0].ID[0] = 'X', 'X', 99
	Check(t, s, 1, Record(1, 1))
	got, err := s.Get(t.Context(), []blob.Key{Key(1, 1)})
	must(t, err)
	got[0].Data[0] = 'Y'
	Check(t, s, 1, Record(1, 1))
}

func reopen(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1))))
	must(t, s.Close())
	s = handle(t, open)
	Check(t, s, 1, Record(1, 1))
	other := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(2, Record(2, 1))))
	Check(t, other, 2, Record(1, 1), Record(2, 1))
	must(t, other.Commit(t.Context(), Commit(3)))
	want(t, "on what the other has passed", s.Commit(t.Context(), Commit(3)), blob.ErrConflict)
}

func large(t *testing.T, open Open) {
	s := handle(t, open)
	c := Commit(1)
	for i := range 1000 {
		c.Put = append(c.Put, Record(i, 1))
	}
	big := Record(2000, 1)
	big.Data = bytes.Repeat([]byte{0, 1, 2, 255}, 1<<18)
	c.Put = append(c.Put, big)
	must(t, s.Commit(t.Context(), c))
	Check(t, s, 1, c.Put...)
}

// hammer has eight writers, each with a handle of its own or all with one,
// that add to the store until each has added ten records.
func hammer(t *testing.T, open Open, handles bool) {
	const writers, each = 8, 10
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1)))
	var wg sync.WaitGroup
	for w := range writers {
		mine := s
		if handles {
			mine = handle(t, open)
		}
		wg.Go(func() {
			for i := range each {
				if err := add(t.Context(), mine, Record(100*w+i, 1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var all []blob.Record
	for w := range writers {
		for i := range each {
			all = append(all, Record(100*w+i, 1))
		}
	}
	Check(t, s, 1+writers*each, all...)
}

// add commits r on whatever the head is.
func add(ctx context.Context, s blob.Store, r blob.Record) error {
	for {
		head, err := s.Head(ctx)
		if err != nil {
			return err
		}
		if err := s.Commit(ctx, Commit(int(head.Seq)+1, r)); !errors.Is(err, blob.ErrConflict) {
			return err
		}
	}
}

func cancelled(t *testing.T, open Open) {
	s := handle(t, open)
	must(t, s.Commit(t.Context(), Commit(1, Record(1, 1))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, Commit(2, Record(2, 1))); err == nil {
		t.Error("a cancelled commit was acknowledged")
	}
	Check(t, s, 1, Record(1, 1))
}
