package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

// 19, the whole of it: N writers over three replicas over a primary and its
// synchronous standby. In the middle of their writes the primary is killed and
// the standby promoted; later the old primary comes back. No acknowledged write
// is lost, none is there twice, and the old primary is not written to.
func TestAttack19FailOverUnderWriters(t *testing.T) {
	pair, err := pgtest.StartPair()
	pgtest.Need(t, err)
	defer pair.Stop()
	dsn := pair.Database(t)
	f := newFleet(t, dsn, 3)
	const writers = 16
	each := size(25, 625)
	var scribes []*scribe
	for range writers {
		scribes = append(scribes, newScribe(t, f))
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for _, s := range scribes {
		wg.Go(func() {
			if err := s.write(t.Context(), each, 1); err != nil {
				t.Error(err)
			}
		})
	}
	written := func(part int) {
		wait(t, fmt.Sprintf("%d of %d writes", part, writers*each), func() bool {
			n := 0
			for _, s := range scribes {
				acked, _ := s.count()
				n += acked
			}
			return n >= part
		})
	}

	// 1. The fail-over, with a third of the writes made.
	written(writers * each / 3)
	killed := time.Now()
	if err := pair.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := pair.Promote(); err != nil {
		t.Fatal(err)
	}
	promoted := time.Now()

	// 2. The old primary comes back, with half of them made; replicas die after it,
	// so that new ones have to find the right host.
	written(writers * each / 2)
	if err := pair.Primary.Up(); err != nil {
		t.Fatal(err)
	}
	old := heads(t, pair.Primary.Of(t, dsn), scribes)
	for i := range f.replicas {
		f.killOne(t, i)
	}
	wg.Wait()
	took := time.Since(begin)

	// 3. What is there.
	for _, s := range scribes {
		s.check(t, each, 1)
	}
	if now := heads(t, pair.Primary.Of(t, dsn), scribes); !maps.Equal(old, now) {
		t.Error("the old primary was written to")
	}
	if h := slices.Max(slices.Collect(maps.Values(old))); h > uint64(1+each) {
		t.Errorf("the old primary has a head of %d", h)
	}
	report(scribes, killed, promoted, took)
}

// heads returns where the vaults stand in the database of dsn.
func heads(t *testing.T, dsn string, scribes []*scribe) map[depot.Vault]uint64 {
	t.Helper()
	d, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out := map[depot.Vault]uint64{}
	for _, s := range scribes {
		h, err := d.Head(t.Context(), s.id)
		if err != nil {
			t.Fatal(err)
		}
		out[s.id] = h.Seq
	}
	return out
}

// report prints the figures. The outage is the longest time without an
// acknowledged write that ended after the primary was killed.
func report(scribes []*scribe, killed, promoted time.Time, took time.Duration) {
	var all []time.Time
	offline := 0
	for _, s := range scribes {
		all = append(all, s.acked...)
		offline += s.offline
	}
	slices.SortFunc(all, time.Time.Compare)
	var outage time.Duration
	for i := 1; i < len(all); i++ {
		if all[i].After(killed) {
			outage = max(outage, all[i].Sub(all[i-1]))
		}
	}
	ms := func(d time.Duration) string { return d.Round(time.Millisecond).String() }
	fmt.Printf("attack 19: primary killed and standby promoted in the middle of %d writes by %d writers over 3 replicas: "+
		"all acknowledged in %s, all there, once; pg_ctl promote returned %s after the kill; at most %s without an acknowledged write; "+
		"%d answers did not come and were asked for again; the old primary came back and was not written to\n",
		len(all), len(scribes), ms(took), ms(promoted.Sub(killed)), ms(outage), offline)
}
