package vault

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
)

// broken is a store whose n-th call fails with EIO: before anything was done or,
// of a commit, after all of it was; then it is well again, or stays broken.
type broken struct {
	blob.Store
	at     int
	late   bool // a commit is done and its answer lost
	sticky bool
	n      int
}

var errIO = fmt.Errorf("store: %w", syscall.EIO)

func (b *broken) fails() bool {
	b.n++
	return b.n == b.at || b.sticky && b.n > b.at
}

func (b *broken) Head(ctx context.Context) (blob.Head, error) {
	if b.fails() {
		return blob.Head{}, errIO
	}
	return b.Store.Head(ctx)
}

func (b *broken) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	if b.fails() {
		return nil, errIO
	}
	return b.Store.Manifest(ctx, seq)
}

func (b *broken) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	if b.fails() {
		return nil, errIO
	}
	return b.Store.Changes(ctx, since)
}

func (b *broken) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	if b.fails() {
		return nil, errIO
	}
	return b.Store.Get(ctx, keys)
}

func (b *broken) Commit(ctx context.Context, c blob.Commit) error {
	if !b.fails() {
		return b.Store.Commit(ctx, c)
	}
	if b.late {
		if err := b.Store.Commit(ctx, c); err != nil {
			return err
		}
	}
	return errIO
}

// Attack 21: EIO at every single call of the store, in each way. No call that
// failed is acknowledged, none that was acknowledged is lost, nothing is half
// done, and the vault opens again. The short form takes one call in 37.
func TestAttack21EIO(t *testing.T) {
	cuts, step := 0, 37
	if campaign() {
		step = 1
	}
	for i, way := range []broken{{}, {late: true}, {sticky: true}} {
		for at := 1 + i; ; at += step {
			way.at = at
			hit := brokenAt(t, way)
			if t.Failed() {
				t.Fatalf("at call %d, late %v, sticky %v", at, way.late, way.sticky)
			}
			if !hit {
				break
			}
			cuts++
		}
	}
	survived(t, 21, "EIO at each of %d calls of the store: nothing acknowledged lost, nothing half done", cuts)
}

// brokenAt runs a few changes on a broken store and checks what is left; it
// reports whether the fault was met.
func brokenAt(t *testing.T, way broken) bool {
	t.Helper()
	h := made(t)
	st := sqlite.Open(filepath.Join(h.dir, "vault.db"))
	v, err := Unlock(t.Context(), st, h.dir, text(password), Options{})
	if err != nil {
		t.Fatal(err)
	}
	way.Store = st
	v.st = &way
	is := map[string]string{} // what was acknowledged
	may := map[string]bool{}  // what failed: done or not
	secret1 := func(name, value string) {
		if _, err := v.Put(t.Context(), ref(t, name), text(value), PutOptions{}); err == nil {
			is[name] = value
			delete(may, name)
		} else {
			may[name] = true
		}
	}
	secret1("A", "first of A")
	secret1("B", "first of B")
	secret1("A", "second of A")
	if out, err := v.Open(t.Context(), []secret.Ref{ref(t, "B")}, yes); err == nil && string(out[0].Value.Reveal()) != "first of B" {
		t.Errorf("B is %q", out[0].Value.Reveal())
	} else if err != nil && out != nil {
		t.Error("an error and values")
	}
	if err := v.Delete(t.Context(), ref(t, "B")); err == nil {
		delete(is, "B")
	} else {
		may["B"] = true
	}
	policy := v.PutSealed(t.Context(), Policy, []byte("the policy"))
	rotated := v.Rotate(t.Context(), text(password), yes)
	secret1("C", "first of C")
	v.Close()
	st.Close()

	err = h.session(Options{}, func(v *Vault) {
		for name, want := range is {
			out, err := v.Open(t.Context(), []secret.Ref{ref(t, name)}, yes)
			if may[name] && (err != nil || string(out[0].Value.Reveal()) != want) {
				continue // a later change of it failed
			}
			if err != nil || string(out[0].Value.Reveal()) != want {
				t.Errorf("%s, acknowledged: %v", name, err)
			}
		}
		if p, err := v.Sealed(t.Context(), Policy); policy == nil && (err != nil || string(p) != "the policy") {
			t.Errorf("the policy, acknowledged: %q, %v", p, err)
		}
		if rotated == nil && len(v.keys.audit) != 2 {
			t.Error("the rotation was acknowledged and is not there")
		}
		if r, err := v.Verify(t.Context(), yes); err != nil || r.Readable != r.Records || len(r.Problems) > 0 {
			t.Errorf("verify: %+v, %v", r, err)
		}
		put(t, v, "AGAIN", "written again")
	})
	if err != nil {
		t.Errorf("unlock again: %v", err)
	}
	return way.n >= way.at
}
