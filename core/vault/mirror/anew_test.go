package mirror

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

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

// Who asks how things stand is not told what was true some seconds ago: the
// server is asked, once a second at most, also when reads leave it alone.
func TestLook(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	now := time.Now()
	m := New(a.local(), a.wire, Options{Offline: func(err error) bool { return errors.Is(err, errOffline) }, Now: func() time.Time { return now }})
	defer m.Close()
	calls := func(f func()) int {
		before := a.wire.calls
		f()
		return a.wire.calls - before
	}
	read := func() {
		if _, err := m.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look := func(online bool) func() {
		return func() {
			t.Helper()
			if st := m.Look(t.Context()); st.Online != online || !st.Asked {
				t.Errorf("%+v", st)
			}
		}
	}
	for _, c := range []struct {
		what  string
		after time.Duration
		down  bool
		do    func()
		calls int
	}{
		{"a read", time.Hour, false, read, 1},
		{"a read at once", 0, false, read, 0},
		{"a look at once", 0, false, look(true), 0},
		{"a look when it has just died", 2 * time.Second, true, look(false), 1},
		{"a read while it is left alone", 2 * time.Second, true, read, 0},
		{"a look when it is back", 2 * time.Second, false, look(true), 1},
		{"a look after the clock was set back", -time.Hour, false, look(true), 1},
	} {
		now = now.Add(c.after)
		a.wire.down = c.down
		if n := calls(c.do); n != c.calls {
			t.Errorf("%s: %d requests, want %d", c.what, n, c.calls)
		}
	}
	held := New(a.local(), a.wire, Options{Held: true})
	defer held.Close()
	if n := calls(func() { held.Look(t.Context()) }); n != 0 {
		t.Errorf("locked, it sent %d requests", n)
	}
}
