package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// size is small in make test and full in a campaign.
func size(small, full int) int {
	if os.Getenv("SCALE") != "" || os.Getenv("ATTACK") != "" {
		return full
	}
	return small
}

// wait waits for something that will be, for at most a minute.
func wait(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// Three replicas import: commits of many records, which travel in parts, each to
// the next replica. One replica after the other is killed in the middle. What
// was acknowledged is there, nothing is there twice, and the import ends right.
func TestAttack20KillReplica(t *testing.T) {
	f := newFleet(t, suite.DSN(t), 3)
	commits, kills := size(6, 40), size(3, 30)
	const records = 2500 // three parts
	s := newScribe(t, f)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.write(t.Context(), commits, records); err != nil {
			t.Error(err)
		}
	}()
	for i := range kills {
		wait(t, "progress", func() bool { acked, _ := s.count(); return t.Failed() || acked >= i*commits/(kills+1) })
		if t.Failed() {
			break
		}
		f.killBusy(t, i%3)
	}
	<-done
	s.check(t, commits, records)
	acked, offline := s.count()
	fmt.Printf("attack 20: %d replicas of three killed in the middle of a request, in an import of %d records: %d commits acknowledged, all there, once; %d answers did not come\n",
		kills, commits*records, acked, offline)
}

// A signed request that was taken by a replica which has since been killed, or
// that another replica has seen, leaves nothing a second time.
func TestFleetForgetsNothing(t *testing.T) {
	f := newFleet(t, suite.DSN(t), 2)
	s := newScribe(t, f)
	if err := s.write(t.Context(), 3, 1); err != nil {
		t.Fatal(err)
	}
	h, err := s.store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := servertest.NewSigned(s.store, s.id, s.dev).On(h, blobtest.Record(3, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if err := s.store.Commit(t.Context(), c); err != nil {
			t.Errorf("time %d: %v", i, err)
		}
		f.killOne(t, i%2)
	}
	s.check(t, 4, 1)
}

// Replicas that start while the database is away say that they live and are not
// ready, store nothing and acknowledge nothing. When it comes, all of them bring
// its schema up to date at once, and serve.
func TestStartWithoutDatabase(t *testing.T) {
	cluster, err := pgtest.Start(false)
	pgtest.Need(t, err)
	defer cluster.Stop()
	dsn := cluster.Database(t)
	if err := cluster.Down(false); err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, dsn, 3)
	status := func(p *process, path string) int {
		resp, err := http.Get(p.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for i, p := range f.replicas {
		if live, ready := status(p, "/healthz"), status(p, "/readyz"); live != 200 || ready != 503 {
			t.Errorf("replica %d without a database: %d, %d", i, live, ready)
		}
	}
	id, dev := depottest.NewVault(), servertest.NewDevice()
	st := servertest.NewSigned(servertest.Open(t, f.options(id, dev)), id, dev)
	if err := st.Commit(t.Context(), blobtest.Commit(1)); !errors.Is(err, httpblob.ErrOffline) {
		t.Errorf("a commit without a database: %v", err)
	}
	if err := cluster.Up(); err != nil {
		t.Fatal(err)
	}
	for _, p := range f.replicas {
		wait(t, "ready", func() bool { return status(p, "/readyz") == 200 })
	}
	if err := st.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); err != nil {
		t.Fatal(err)
	}
	blobtest.Check(t, st, 1, blobtest.Record(1, 1))
	for i, p := range f.replicas {
		if log := p.log.String(); strings.Count(log, "503 until it can") != 1 {
			t.Errorf("replica %d: %s", i, log)
		}
	}
	// What is wrong with an address is said at once.
	code, out := runs(t, nil, "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--database", strings.Replace(dsn, "/t", "/nowhere", 1))
	if code != 1 || !strings.Contains(out, "nowhere") {
		t.Errorf("a database that is not there: %d %s", code, out)
	}
}

// Of all replicas one collects, once in its time; after it another may.
func TestTurn(t *testing.T) {
	dsn := suite.DSN(t)
	var all []depot.Depot
	for range 3 {
		d, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		all = append(all, d)
	}
	now := time.Now()
	for _, at := range []time.Time{now, now.Add(collectEvery), now.Add(2 * collectEvery)} {
		var mine atomic.Int64
		var wg sync.WaitGroup
		for _, d := range all {
			wg.Go(func() {
				for _, late := range []time.Duration{0, time.Minute, collectEvery / 2} {
					ok, err := turn(t.Context(), d, at.Add(late))
					if err != nil {
						t.Error(err)
					}
					if ok {
						mine.Add(1)
					}
				}
			})
		}
		if wg.Wait(); mine.Load() != 1 {
			t.Errorf("%d replicas collect", mine.Load())
		}
	}
	if err := all[0].Close(); err != nil {
		t.Fatal(err)
	}
	if ok, err := turn(t.Context(), all[0], now.Add(9*collectEvery)); ok || err == nil {
		t.Errorf("without a database: %v, %v", ok, err)
	}
}
