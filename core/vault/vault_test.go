package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
)

const password = "correct horse battery staple"

// A home is a vault's folder and what opens it.
type home struct {
	t   *testing.T
	dir string
}

func newHome(t *testing.T) home { return home{t: t, dir: t.TempDir()} }

func (h home) store() *sqlite.Store {
	s := sqlite.Open(filepath.Join(h.dir, "vault.db"))
	h.t.Cleanup(func() { s.Close() })
	return s
}

func (h home) create(o Options) *Vault {
	h.t.Helper()
	v, _, err := Create(context.Background(), h.store(), h.dir, text(password), o)
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h home) unlock() *Vault {
	h.t.Helper()
	v, err := Unlock(context.Background(), h.store(), h.dir, text(password), Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func text(s string) secret.Value { return secret.New([]byte(s)) }

func ref(t testing.TB, s string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef(s, secret.Ref{App: "shop", Env: "development"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func yes([]Head) error { return nil }

func put(t testing.TB, v *Vault, name, value string) Info {
	t.Helper()
	info, err := v.Put(context.Background(), ref(t, name), text(value), PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(t testing.TB, v *Vault, name string) string {
	t.Helper()
	out, err := v.Open(context.Background(), []secret.Ref{ref(t, name)}, yes)
	if err != nil {
		t.Fatal(err)
	}
	return string(out[0].Value.Reveal())
}

func TestRoundTrip(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "TOKEN", "s3cret-one")
	put(t, v, "production/TOKEN", "s3cret-prod")
	put(t, v, "OTHER", "s3cret-two")
	if info := put(t, v, "TOKEN", "s3cret-new"); info.Version != 2 {
		t.Errorf("version %d, want 2", info.Version)
	}
	v.Close()
	v = h.unlock()
	defer v.Close()
	for name, want := range map[string]string{"TOKEN": "s3cret-new", "production/TOKEN": "s3cret-prod", "OTHER": "s3cret-two"} {
		if got := get(t, v, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	infos, err := v.List(t.Context(), "shop", "development", "", yes)
	if err != nil || len(infos) != 2 || infos[0].Ref.Name != "OTHER" || infos[1].Version != 2 || infos[1].Size != 10 {
		t.Errorf("List = %+v, %v", infos, err)
	}
	spaces, err := v.Spaces(t.Context())
	if err != nil || !slices.Equal(spaces, []Space{{"shop", "development"}, {"shop", "production"}}) {
		t.Errorf("Spaces = %v, %v", spaces, err)
	}
	if err := v.Delete(t.Context(), ref(t, "TOKEN")); err != nil {
		t.Error(err)
	}
	if _, err := v.Open(t.Context(), []secret.Ref{ref(t, "OTHER"), ref(t, "TOKEN")}, yes); !errors.Is(err, ErrNotFound) {
		t.Errorf("open deleted: %v", err)
	}
	heads, err := v.Names(t.Context(), "shop", "development")
	if err != nil || len(heads) != 1 || heads[0].Ref.Name != "OTHER" {
		t.Errorf("Names = %v, %v", heads, err)
	}
	r, err := v.Verify(t.Context(), yes)
	if err != nil || r.Records != 5 || r.Readable != 5 || r.Secrets != 2 || len(r.Problems) != 0 {
		t.Errorf("Verify = %+v, %v", r, err)
	}
}

func TestPassword(t *testing.T) {
	h := newHome(t)
	h.create(Options{}).Close()
	_, err := Unlock(t.Context(), h.store(), h.dir, text("wrong"), Options{})
	if !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	if _, _, err := Create(t.Context(), h.store(), h.dir, text(password), Options{}); !errors.Is(err, ErrVaultExists) {
		t.Error(err)
	}
	if _, err := Unlock(t.Context(), h.store(), t.TempDir(), text(password), Options{}); !errors.Is(err, ErrNoVault) {
		t.Error(err)
	}
}

func TestHookStops(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "TOKEN", "s3cret-one")
	no := errors.New("no")
	var asked []Head
	out, err := v.Open(t.Context(), []secret.Ref{ref(t, "TOKEN")}, func(h []Head) error { asked = h; return no })
	if !errors.Is(err, no) || out != nil {
		t.Errorf("Open = %v, %v", out, err)
	}
	if len(asked) != 1 || asked[0].Ref != ref(t, "TOKEN") || asked[0].Version != 1 {
		t.Errorf("asked %v", asked)
	}
	if _, err := v.Open(t.Context(), []secret.Ref{ref(t, "TOKEN")}, nil); err == nil {
		t.Error("opened without a hook")
	}
}

func TestHammerWriters(t *testing.T) {
	h := newHome(t)
	a := h.create(Options{})
	b := h.unlock()
	var wg sync.WaitGroup
	for w := range 8 {
		v := a
		if w%2 == 1 {
			v = b
		}
		wg.Go(func() {
			for i := range 10 {
				name := fmt.Sprintf("T_%d_%d", w, i)
				if _, err := v.Put(context.Background(), ref(t, name), text("value-"+name), PutOptions{Mode: CreateOnly}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, v := range []*Vault{a, b} {
		if heads, err := v.Names(t.Context(), "shop", "development"); err != nil || len(heads) != 80 {
			t.Errorf("%d names, %v", len(heads), err)
		}
	}
	if got := get(t, a, "T_1_9"); got != "value-T_1_9" {
		t.Error(got)
	}
	var st blob.Store = h.store()
	if head, err := st.Head(t.Context()); err != nil || head.Seq < 2 {
		t.Error(head.Seq, err)
	}
}

// Two that make a vault at once: one does, and what it made opens.
func TestCreateTwice(t *testing.T) {
	h := newHome(t)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, _, errs[i] = Create(t.Context(), h.store(), h.dir, text(password), Options{}) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, ErrVaultExists) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d made a vault", made)
	}
	v := h.unlock()
	put(t, v, "TOKEN", "value")
	v.Close()
	// The store is gone: the Secret Key beside it is what a backup needs.
	if err := os.Rename(filepath.Join(h.dir, "vault.db"), filepath.Join(h.dir, "moved.db")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Create(t.Context(), sqlite.Open(filepath.Join(h.dir, "new.db")), h.dir, text(password), Options{}); !errors.Is(err, ErrVaultExists) {
		t.Errorf("over a vault whose store is gone: %v", err)
	}
}

// The keys lie where the caller wants them, and Close leaves none.
func TestKeyMemory(t *testing.T) {
	h := newHome(t)
	var all [][]byte
	o := Options{Alloc: func(n int) []byte { b := make([]byte, n); all = append(all, b); return b }}
	v := h.create(o)
	put(t, v, "TOKEN", "value")
	if err := v.Rotate(t.Context(), text(password), yes); err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, b := range all {
		if !bytes.Equal(b, make([]byte, len(b))) {
			held++
		}
	}
	// Vault key, seen, device key, mark, two audit keys, and two of the environment.
	if held != 8 {
		t.Errorf("%d keys held of %d handed out", held, len(all))
	}
	v.Close()
	for i, b := range all {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("key %d of %d bytes is left after Close", i, len(b))
		}
	}
	if _, err := v.Names(t.Context(), "shop", "development"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := v.Put(t.Context(), ref(t, "TOKEN"), text("value"), PutOptions{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if v.AuditKeys() != nil || v.Derive("x") != nil {
		t.Error("keys after Close")
	}
}
