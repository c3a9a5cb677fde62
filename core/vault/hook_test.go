package vault

import (
	"errors"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// 22, the vault's half: when the audit record cannot be written, no call opens
// anything, gives anything out or changes the store; and none works unasked.
func TestAttack22NoRecordNoUnwrap(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "TOKEN", "value-1")
	put(t, v, "TOKEN", "value-2")
	put(t, v, "GONE", "value-3")
	if err := v.Delete(t.Context(), ref(t, "GONE")); err != nil {
		t.Fatal(err)
	}
	head := v.state.head.Seq
	token, ctx := ref(t, "TOKEN"), t.Context()
	calls := map[string]func(Before) (any, error){
		"Open":      func(b Before) (any, error) { o, err := v.Open(ctx, []secret.Ref{token}, b); return len(o), err },
		"OpenSpace": func(b Before) (any, error) { o, err := v.OpenSpace(ctx, "shop", "development", b); return len(o), err },
		"List":      func(b Before) (any, error) { o, err := v.List(ctx, "shop", "development", "", b); return len(o), err },
		"Info":      func(b Before) (any, error) { o, err := v.Info(ctx, token, b); return o.Size, err },
		"History":   func(b Before) (any, error) { o, err := v.History(ctx, token, b); return len(o), err },
		"Rollback":  func(b Before) (any, error) { o, err := v.Rollback(ctx, token, 1, b); return o.Size, err },
		"Restore":   func(b Before) (any, error) { o, err := v.Restore(ctx, ref(t, "GONE"), b); return o.Size, err },
		"Tag":       func(b Before) (any, error) { o, err := v.Tag(ctx, token, []string{"a"}, b); return o.Size, err },
		"Rename":    func(b Before) (any, error) { o, err := v.Rename(ctx, token, ref(t, "NEW"), b); return o.Size, err },
		"Verify":    func(b Before) (any, error) { o, err := v.Verify(ctx, b); return o.Readable, err },
		"Rotate":    func(b Before) (any, error) { return 0, v.Rotate(ctx, text(password), b) },
	}
	full := errors.New("audit log full")
	for name, call := range calls {
		asked := 0
		got, err := call(func(h []Head) error {
			if asked++; len(h) == 0 {
				t.Errorf("%s: asked for nothing", name)
			}
			return full
		})
		if !errors.Is(err, full) || asked != 1 || got != 0 {
			t.Errorf("%s: %v, %v, asked %d times", name, got, err, asked)
		}
		if got, err := call(nil); !errors.Is(err, errNoHook) || got != 0 {
			t.Errorf("%s without a hook: %v, %v", name, got, err)
		}
	}
	if v.state.head.Seq != head || get(t, v, "TOKEN") != "value-2" {
		t.Error("something was changed")
	}
	survived(t, 22, "%d calls that open something, no record: nothing opened, nothing changed", len(calls))
}

// The hook is asked before the first data key is unwrapped: what it is told is
// true even when the data key then turns out to be damaged.
func TestHookComesFirst(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "TOKEN", "value")
	_, k, err := v.lookup(ref(t, "TOKEN"))
	if err != nil {
		t.Fatal(err)
	}
	// A record whose data key does not open, with a sum that fits.
	data, err := v.fetch(t.Context(), []blob.Key{k})
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), data[0]...)
	bad[38+4+172+4+100] ^= 1
	e := v.state.entries[k]
	e.sum = seal.Sum(bad)
	v.state.entries[k] = e
	f := evil(v)
	f.got = func(recs []blob.Record) { recs[0].Data = bad }
	asked := false
	_, err = v.Open(t.Context(), []secret.Ref{ref(t, "TOKEN")}, func([]Head) error { asked = true; return nil })
	if !errors.Is(err, ErrTampered) || !asked {
		t.Errorf("%v, asked %v", err, asked)
	}
}
