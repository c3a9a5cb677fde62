package mirror

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A reader is a member's home: the server behind wire, and the copy at path.
type reader struct {
	t    *testing.T
	key  secret.Value
	wire *evil
	path string
	part *Part
}

// part opens the home anew.
func (r *reader) open() (*vault.Vault, error) {
	line, err := seal.ParseMachineKey(r.key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.part = NewPart(sqlite.Open(r.path), r.wire, line.Env, Options{Offline: func(err error) bool { return errors.Is(err, errOffline) }, Stamp: r.path + ".synced"})
	r.t.Cleanup(func() { r.part.Close() })
	return openMachine(r.key, r.part)
}

// keeps opens the home, saves the copy, and remembers what was seen.
func (r *reader) keeps() *vault.Vault {
	r.t.Helper()
	v, err := r.open()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.part.Save(r.t.Context(), v.Seq()); err != nil {
		r.t.Fatal(err)
	}
	if seen, more := v.Seen(); more {
		r.key = seen
	}
	return v
}

func newReader(t *testing.T) (*server, *device, *reader) {
	t.Helper()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := a.vault.Put(t.Context(), other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	_, key := a.share("bob")
	return s, a, &reader{t: t, key: key, wire: &evil{Store: s.store}, path: filepath.Join(t.TempDir(), "part.db")}
}

// A member's copy is of one environment, opens while the server is away, takes no
// writes, and follows when it is back.
func TestPart(t *testing.T) {
	ctx := t.Context()
	_, a, r := newReader(t)
	r.wire.down = true
	if _, err := r.open(); !errors.Is(err, errOffline) {
		t.Errorf("without a copy: %v", err)
	}
	r.wire.down = false
	v := r.keeps()
	local := sqlite.Open(r.path)
	defer local.Close()
	entries, err := local.Changes(ctx, 0)
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d records, %v", len(entries), err)
	}
	line, _ := seal.ParseMachineKey(r.key)
	own := 0
	for _, e := range entries {
		if e.Kind == manifest.KindPrincipal {
			own++
		} else if e.Group != line.Env {
			t.Errorf("a record of kind %d of another environment", e.Kind)
		}
	}
	for n, value := range []string{"two", "three"} {
		a.must(a.put("TOKEN", value))
		if got, err := read(v, "TOKEN"); err != nil || got != value {
			t.Fatalf("change %d: %q, %v", n, got, err)
		}
		a.must(r.part.Save(ctx, v.Seq()))
	}
	if seen, more := v.Seen(); more {
		r.key = seen
	}
	r.wire.down = true
	if got, err := read(v, "TOKEN"); err != nil || got != "three" {
		t.Errorf("away, open: %q, %v", got, err)
	}
	calls := r.wire.calls
	for range 5 {
		if got, err := read(v, "TOKEN"); err != nil || got != "three" {
			t.Errorf("away, again: %q, %v", got, err)
		}
	}
	if r.wire.calls != calls {
		t.Errorf("asked %d times more while it rests", r.wire.calls-calls)
	}
	if contact, away := r.part.Away(); !away || time.Since(contact) > time.Hour {
		t.Errorf("%v, %v", contact, away)
	}
	v, err = r.open() // started again
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(v, "TOKEN"); err != nil || got != "three" {
		t.Errorf("away, started again: %q, %v", got, err)
	}
	if contact, away := r.part.Away(); !away || contact.IsZero() || time.Since(contact) > time.Hour {
		t.Errorf("started again: %v, %v", contact, away)
	}
	if err := r.part.Commit(ctx, blob.Commit{Base: v.Seq(), Seq: v.Seq() + 1, Manifest: []byte("x")}); !errors.Is(err, errOffline) {
		t.Errorf("written while it is away: %v", err)
	}
	a.must(r.part.Save(ctx, v.Seq()))
	r.wire.down = false
	a.must(a.put("TOKEN", "four"))
	if v, err = r.open(); err != nil {
		t.Fatal(err)
	}
	if got, err := read(v, "TOKEN"); err != nil || got != "four" {
		t.Errorf("back: %q, %v", got, err)
	}
}

// Attack: a copy that was set back, or altered, on the disk; a server that lies
// while it is copied.
func TestAttackPart(t *testing.T) {
	ctx := t.Context()
	_, a, r := newReader(t)
	v := r.keeps()
	a.must(a.put("TOKEN", "two"))
	if got, err := read(v, "TOKEN"); err != nil || got != "two" {
		t.Fatalf("%q, %v", got, err)
	}
	seen, more := v.Seen()
	if !more {
		t.Fatal("nothing new was seen")
	}
	// The copy lags behind what was seen: away, it does not open.
	r.key, r.wire.down = seen, true
	if _, err := r.open(); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("a copy older than what was seen: %v", err)
	}
	r.wire.down = false
	for what, lie := range map[string]func(*evil){
		"a record altered": func(e *evil) {
			e.got = func(r []blob.Record) []blob.Record { r[0].Data[len(r[0].Data)/2] ^= 1; return r }
		},
		"a record for another": func(e *evil) { e.got = func(r []blob.Record) []blob.Record { r[0].Key.ID[0]++; return r } },
	} {
		v, err := r.open()
		a.must(err)
		lie(r.wire)
		if err := r.part.Save(ctx, v.Seq()); !errors.Is(err, vault.ErrTampered) {
			t.Errorf("%s: %v", what, err)
		}
		r.wire.got = nil
	}
	// One that says something else once the environment was opened: the copy opens to nothing.
	v, err := r.open()
	a.must(err)
	line, _ := seal.ParseMachineKey(r.key)
	r.wire.list = func(l []blob.Entry) []blob.Entry {
		return slices.DeleteFunc(l, func(e blob.Entry) bool { return e.Group == line.Env && e.Kind == manifest.KindSecret })
	}
	a.must(r.part.Save(ctx, v.Seq()))
	r.wire.list, r.wire.down = nil, true
	if _, err := r.open(); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("a copy that lacks a record: %v", err)
	}
}
