package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

func pair(t *testing.T) *pgtest.Pair {
	t.Helper()
	p, err := pgtest.StartPair()
	pgtest.Need(t, err)
	t.Cleanup(p.Stop)
	return p
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openHasty(t *testing.T, dsn string, h times) *Depot {
	t.Helper()
	d, err := openWith(t.Context(), dsn, h)
	mustDo(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// A commit that no standby has confirmed is not acknowledged: not when it is
// made, and not when it is asked for again and found, though the primary shows
// it by then. The standby that takes over has not got it, and makes it, once.
// The old primary comes back, takes writes and is written to by nobody.
func TestAttack19FailOver(t *testing.T) {
	p := pair(t)
	dsn := p.Database(t)
	hasty := times{patience: 10 * time.Second, probe: 500 * time.Millisecond}
	d := openHasty(t, dsn, hasty)
	v := depottest.NewVault()
	do(t, d, v, commitOn(1, blobtest.Record(1, 1)))

	// 1. The standby is lost, then the primary.
	mustDo(t, p.Standby.Down(true))
	d.times.patience = time.Second
	simple := commitOn(2, blobtest.Record(2, 1))
	if _, err := d.Commit(t.Context(), v, simple); !errors.Is(err, depot.ErrUnavailable) {
		t.Fatalf("without its standby: %v", err)
	}
	old := p.Primary.Of(t, dsn)
	alone := open(t, old)
	alone.times = d.times
	for h := (depot.Head{}); h.Seq != 2; time.Sleep(time.Millisecond) {
		var err error
		if h, err = alone.Head(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	for what, db := range map[string]*Depot{"the same replica": d, "another": alone} {
		if before, err := db.Commit(t.Context(), v, simple); !errors.Is(err, depot.ErrUnavailable) {
			t.Errorf("%s: what the primary alone has was acknowledged: before %v, %v", what, before, err)
		}
	}
	if err := openHasty(t, dsn, hasty).Ping(t.Context()); !errors.Is(err, depot.ErrUnavailable) {
		t.Errorf("a replica that starts now: %v", err)
	}
	mustDo(t, p.Primary.Kill())

	// 2. The standby takes over.
	mustDo(t, p.Standby.Up())
	mustDo(t, p.Promote())
	d.times = hasty
	h, err := d.Head(t.Context(), v)
	if err != nil || h.Seq != 1 {
		t.Fatalf("head %d, %v", h.Seq, err)
	}
	do(t, d, v, simple)
	check(t, d, v, 2, blobtest.Record(1, 1), blobtest.Record(2, 1))

	// 3. The old primary comes back.
	mustDo(t, p.Primary.Up())
	fresh := openHasty(t, dsn, hasty) // it asks the old one first
	for seq, db := range []*Depot{3: d, 4: fresh, 5: openHasty(t, dsn, hasty)} {
		if db != nil {
			do(t, db, v, commitOn(seq, blobtest.Record(seq, 1)))
		}
	}
	check(t, fresh, v, 5, blobtest.Record(1, 1), blobtest.Record(2, 1), blobtest.Record(3, 1), blobtest.Record(4, 1), blobtest.Record(5, 1))
	if h, err := open(t, old).Head(t.Context(), v); err != nil || h.Seq > 2 {
		t.Errorf("the old primary was written to: head %d, %v", h.Seq, err)
	}
	mustDo(t, p.Standby.Down(false))
	if err := fresh.Ping(t.Context()); !errors.Is(err, depot.ErrUnavailable) {
		t.Errorf("with the old primary alone: %v", err)
	}
	if _, err := fresh.Commit(t.Context(), v, commitOn(6)); !errors.Is(err, depot.ErrUnavailable) {
		t.Errorf("a commit with the old primary alone: %v", err)
	}
}
