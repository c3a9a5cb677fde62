package vault

import (
	"fmt"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/seal"
)

// A clock that was ten years ahead for one commit, and one that is set back: the
// time of the vault's commits never goes back; secrets are dated by the clock, and
// the past of those that come after is kept as long as ever.
func TestClockJumps(t *testing.T) {
	v := newHome(t).create(Options{})
	now := time.Now()
	v.now = func() time.Time { return now }
	last := uint64(0)
	write := func(shown time.Duration, name, value string) {
		t.Helper()
		now = time.Now().Add(shown)
		put(t, v, name, value)
		m, err := seal.ParseManifest(v.state.head.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		if m.Time < last {
			t.Errorf("commit %d is dated before the one before it", m.Seq)
		}
		last = m.Time
		info, err := v.Info(t.Context(), ref(t, name), func([]Head) error { return nil })
		if err != nil || info.Updated.Sub(now).Abs() > time.Second {
			t.Errorf("%s: dated %s, %v; the clock showed %s", name, info.Updated, err, now)
		}
	}
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	write(0, "TOKEN", "one")
	write(10*year, "OTHER", "ten years on")
	write(-day, "TOKEN", "two")
	write(0, "TOKEN", "three")
	for i := range 5 {
		write(time.Duration(i)*day, "TOKEN", fmt.Sprint("later-", i))
	}
	versions, err := v.History(t.Context(), ref(t, "TOKEN"), func([]Head) error { return nil })
	if err != nil || len(versions) != 8 {
		t.Errorf("%d versions are kept, want 8: %v", len(versions), err)
	}
	if n, err := v.Expire(t.Context()); err != nil || n != 0 {
		t.Errorf("%d deleted secrets expired, %v", n, err)
	}
	if r, err := v.Verify(t.Context(), func([]Head) error { return nil }); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
