package audit

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A clock is set back, and ten years on, and right again: what came since a time
// is found all the same, by its place in the log. A record keeps the time that
// the clock showed, and the log is sound.
func TestClockJumps(t *testing.T) {
	l := openLog(t, t.TempDir())
	base := access(0).Time
	at := func(d time.Duration) time.Time { return base.Add(d) }
	for i, when := range []time.Duration{
		0,               // 1: before
		time.Hour,       // 2: since then
		-24 * time.Hour, // 3: a day back
		-23 * time.Hour,
		10 * 365 * 24 * time.Hour, // 5: ten years on
		2 * time.Hour,             // 6: right again
	} {
		r := access(i)
		r.Time, r.Names = at(when), []string{fmt.Sprintf("shop/production/NAME_%d", i+1)}
		if err := l.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	l.now = func() time.Time { return at(3 * time.Hour) }
	for _, c := range []struct {
		since time.Duration
		want  []uint64
	}{
		{-48 * time.Hour, []uint64{1, 2, 3, 4, 5, 6}},
		{0, []uint64{1, 2, 3, 4, 5, 6}},
		{30 * time.Minute, []uint64{2, 3, 4, 5, 6}},
		{90 * time.Minute, []uint64{5, 6}}, // which of them the fifth is, nobody knows
		{150 * time.Minute, []uint64{5}},
	} {
		var pages []uint64
		for after := uint64(0); ; { // page by page, as they are read
			page, err := l.Page(after, 2, at(c.since))
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				pages = append(pages, e.N)
			}
			after = page[len(page)-1].N
		}
		if !slices.Equal(pages, c.want) {
			t.Errorf("since %s: records %d, want %d", c.since, pages, c.want)
		}
		exposed, err := l.Exposed(at(c.since), "")
		if err != nil || len(exposed) != len(c.want) {
			t.Errorf("since %s: %d exposed, %v, want %d", c.since, len(exposed), err, len(c.want))
		}
	}
	if r, err := l.Verify(); err != nil || r.Bad != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
