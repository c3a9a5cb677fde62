package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/seal"
)

func inspect(t *testing.T, h home) (Report, error) {
	t.Helper()
	st := sqlite.Open(filepath.Join(h.dir, "vault.db"))
	defer st.Close()
	return Inspect(t.Context(), st, h.dir, text(password), yes)
}

func TestInspectSound(t *testing.T) {
	h := made(t)
	if err := h.session(Options{}, func(v *Vault) { put(t, v, "A", "value"); put(t, v, "A", "value-2"); put(t, v, "B", "value") }); err != nil {
		t.Fatal(err)
	}
	r, err := inspect(t, h)
	if err != nil || r.Records != 3 || r.Readable != 3 || r.Secrets != 2 || len(r.Problems) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	st := sqlite.Open(filepath.Join(h.dir, "vault.db"))
	defer st.Close()
	if _, err := Inspect(t.Context(), st, h.dir, text("wrong"), yes); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
}

// Records that are damaged in the file: Verify and Inspect name them and count
// the rest, Open refuses them and gives the others.
func TestDamagedRecords(t *testing.T) {
	h := made(t)
	const all = 60
	if err := h.session(Options{}, func(v *Vault) {
		for i := range all {
			put(t, v, fmt.Sprintf("NAME_%02d", i), fmt.Sprint("value-", i))
		}
		f := &failing{Store: v.st}
		v.st = f
		f.got = func(recs []blob.Record) {
			for i := range recs {
				if recs[i].Kind == seal.KindSecret && recs[i].ID[0]%8 == 0 {
					recs[i].Data[50] ^= 1
				}
			}
		}
		r, err := v.Verify(t.Context(), yes)
		if err != nil || r.Records != all || r.Readable == all || r.Readable == 0 || len(r.Problems) != all-r.Readable {
			t.Errorf("%+v, %v", r, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	// A page of the file itself.
	b := h.copyStore()
	clear(b[len(b)-4096:])
	h.putStore(b)
	r, err := inspect(t, h)
	if err == nil && len(r.Problems) == 0 && r.Readable == all {
		t.Errorf("a page of zeros went unnoticed: %+v", r)
	}
}

// Wherever the file is cut or damaged, unlocking either refuses with an error
// that names the store, or every value that it gives is the right one.
func TestDamagedFile(t *testing.T) {
	h := made(t)
	const n = 20
	if err := h.session(Options{}, func(v *Vault) {
		for i := range n {
			put(t, v, fmt.Sprintf("NAME_%02d", i), fmt.Sprint("value-", i))
		}
	}); err != nil {
		t.Fatal(err)
	}
	whole := h.copyStore()
	step := 4999
	if campaign() {
		step = 499
	}
	refused, opened := 0, 0
	for at := 0; at < len(whole); at += step {
		for _, cut := range []bool{true, false} {
			b := append([]byte(nil), whole...)
			if cut {
				b = b[:at]
			} else {
				b[at] ^= 0x55
			}
			h.putStore(b)
			err := h.session(Options{}, func(v *Vault) {
				opened++
				out, err := v.OpenSpace(t.Context(), "shop", "development", yes)
				for _, o := range out {
					if want := strings.Replace(o.Ref.Name, "NAME_", "value-", 1); string(o.Value.Reveal()) != strings.Replace(want, "-0", "-", 1) {
						t.Errorf("cut %v at %d: %s has another value", cut, at, o.Ref)
					}
				}
				if err == nil && len(out) != n {
					t.Errorf("cut %v at %d: %d values and no error", cut, at, len(out))
				}
			})
			if err != nil {
				refused++
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTampered) && !errors.Is(err, ErrRollback) {
					t.Errorf("cut %v at %d: %v", cut, at, err)
				}
			}
			if _, err := os.Stat(filepath.Join(h.dir, deviceFile)); err != nil {
				t.Fatal("the device file is gone")
			}
		}
	}
	h.putStore(whole)
	if err := h.session(Options{}, func(*Vault) {}); err != nil || refused == 0 || opened == 0 {
		t.Errorf("%d refused, %d opened; whole again: %v", refused, opened, err)
	}
}
