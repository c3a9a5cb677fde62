package mirror

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/vault"
)

// A vault that was put on its server anew has all its records in one commit: a
// device at that commit goes on, so does one that is one behind, and neither
// takes a record for another.
func TestPutAnew(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	same, behind, far := a.join(s, "same"), a.join(s, "behind"), a.join(s, "far")
	for _, d := range []*device{same, behind, far} {
		d.must(d.mirror.Sync(t.Context()))
	}
	a.must(a.put("TOKEN", "two"))
	for _, d := range []*device{same, behind} {
		d.must(d.mirror.Sync(t.Context()))
	}
	a.must(a.put("TOKEN", "three"))
	same.must(same.mirror.Sync(t.Context()))
	anew := sqlite.Open(filepath.Join(t.TempDir(), "anew.db"))
	t.Cleanup(func() { anew.Close() })
	a.must(a.vault.Push(t.Context(), anew))
	for _, d := range []*device{a, same, behind, far} {
		d.wire.Store = anew
	}
	same.sees("TOKEN", "three")
	if _, err := far.get("TOKEN"); !errors.Is(err, vault.ErrFork) {
		t.Errorf("two behind: %v", err)
	}
	// A record that it has, under another label.
	before := behind.localHead()
	for what, change := range map[string]func(*blob.Entry){"sum": func(e *blob.Entry) { e.Sum[5] ^= 1 }, "group": func(e *blob.Entry) { e.Group[5] ^= 1 }} {
		for i := range 3 {
			behind.wire.list = func(l []blob.Entry) []blob.Entry { change(&l[i]); return l }
			if _, err := behind.get("TOKEN"); !errors.Is(err, vault.ErrTampered) {
				t.Errorf("another %s: %v", what, err)
			}
		}
	}
	behind.wire.list = nil
	if now := behind.localHead(); now.Seq != before.Seq {
		t.Errorf("the copy moved to %d", now.Seq)
	}
	behind.sees("TOKEN", "three")
	behind.must(behind.put("TOKEN", "four"))
	a.sees("TOKEN", "four")
}
