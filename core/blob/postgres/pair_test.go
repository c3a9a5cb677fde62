package postgres

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

func pair(t *testing.T) *pgtest.Pair {
	t.Helper()
	if testing.Short() { // the race detector's run, which comes on top of the other
		t.Skip("two databases and their time-outs")
	}
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
	t.Parallel() // most of it is waiting
	p := pair(t)
	dsn := p.Database(t)
	hasty := times{patience: 10 * time.Second, ask: 5 * time.Second, probe: 500 * time.Millisecond}
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
	fmt.Println("attack 19: a commit that no standby has is not acknowledged, asked for again or not; an old primary that comes back is not written to")
}

// The primary does not die but hangs: its connections stay, and nothing comes.
// Once the standby is promoted, requests get through, the ones that come after
// the first without waiting for the old primary again; when it wakes it is asked
// nothing.
func TestPrimaryHangs(t *testing.T) {
	t.Parallel()
	p := pair(t)
	dsn := with(p.Database(t), "connect_timeout=2")
	d := openHasty(t, dsn, times{patience: 15 * time.Second, ask: 2 * time.Second, probe: 2 * time.Second})
	v := depottest.NewVault()
	do(t, d, v, commitOn(1))
	mustDo(t, p.Primary.Freeze())
	defer func() { _ = p.Primary.Thaw() }() // it may have ended
	mustDo(t, p.Promote())
	begin := time.Now()
	c := commitOn(2, blobtest.Record(2, 1))
	tries := 0
	for err := depot.ErrUnavailable; err != nil; tries++ {
		if !errors.Is(err, depot.ErrUnavailable) || tries == 5 {
			t.Fatal(err)
		}
		_, err = d.Commit(t.Context(), v, c)
	}
	fmt.Printf("attack 19: a primary that hangs: the next write %s after the standby took over, asked for %d times\n", time.Since(begin).Round(10*time.Millisecond), tries)
	d.pool.Reset()
	for range 3 {
		conn, err := d.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first := conn.Conn().Config().Port; int(first) == p.Primary.Port() {
			t.Error("the host that hangs was tried first again")
		}
		mustDo(t, conn.Conn().Close(t.Context()))
		conn.Release()
	}
	mustDo(t, p.Primary.Thaw())
	do(t, d, v, commitOn(3, blobtest.Record(3, 1)))
	check(t, d, v, 3, blobtest.Record(2, 1), blobtest.Record(3, 1))
	if h, err := open(t, p.Primary.Of(t, dsn)).Head(t.Context(), v); err != nil || h.Seq > 2 {
		t.Errorf("the old primary was written to: head %d, %v", h.Seq, err)
	}
}

// The host that answered last comes first, with and without TLS, by address, by
// name and by socket; the others keep their order.
func TestFavourite(t *testing.T) {
	conf, err := configure("postgres://u@a.example:1,b.example:2,127.0.0.1:3/ov?sslmode=prefer&host=a.example,b.example,127.0.0.1,/run/pg&port=1,2,3,4")
	mustDo(t, err)
	hosts := func(c *pgconn.Config) (out string) {
		for _, f := range append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...) {
			out += fmt.Sprintf("%d%v ", f.Port, f.TLSConfig != nil)
		}
		return out
	}
	const usual = "1true 1false 2true 2false 3true 3false 4false "
	f := &favourite{lookup: map[string][]string{"b.example": {"192.0.2.1", "2001:db8::2"}}}
	for addr, want := range map[string]string{
		"":                   usual,
		"192.0.2.9:2":        usual,
		"192.0.2.1:2":        "2true 2false 1true 1false 3true 3false 4false ",
		"[2001:db8::2]:2":    "2true 2false 1true 1false 3true 3false 4false ",
		"192.0.2.1:3":        usual,
		"127.0.0.1:3":        "3true 3false 1true 1false 2true 2false 4false ",
		"/run/pg/.s.PGSQL.4": "4false 1true 1false 2true 2false 3true 3false ",
	} {
		f.addr = addr
		c := conf.ConnConfig.Copy()
		f.sort(&c.Config)
		if got := hosts(&c.Config); got != want {
			t.Errorf("%q: %s, want %s", addr, got, want)
		}
		if h := c.Fallbacks[0].Host; addr == "192.0.2.1:2" && (c.Host != "b.example" || h != "b.example" || c.TLSConfig == nil) {
			t.Errorf("%s, then %s", c.Host, h)
		}
	}
	if got := hosts(&conf.ConnConfig.Config); got != usual {
		t.Errorf("the original was changed: %s", got)
	}
}
