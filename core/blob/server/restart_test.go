package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// writeOn commits until stop, whatever becomes of the database meanwhile. At the
// end the head has as many commits as were acknowledged, and those whose answer
// never came.
func writeOn(t *testing.T, v *vault, st *httpblob.Store, stop *atomic.Bool, acked, offline *atomic.Int64) {
	n := 0
	for i := 0; !stop.Load(); i++ {
		h, err := st.Head(t.Context())
		if err == nil {
			var c blob.Commit
			if c, err = v.On(h, blobtest.Record(100+i, 1)); err == nil {
				err = st.Commit(t.Context(), c)
			}
		}
		switch {
		case err == nil:
			n++
			acked.Add(1)
		case errors.Is(err, httpblob.ErrOffline):
			offline.Add(1)
		default:
			t.Error(err)
			return
		}
	}
	if h, err := st.Head(t.Context()); err != nil || h.Seq < uint64(n+1) {
		t.Errorf("head %d, %v, after %d acknowledged commits", h.Seq, err, n)
	}
}

// PostgreSQL is stopped as by a crash, and started again, while devices write.
// Clients hear 503 with Retry-After, or nothing at all; what was acknowledged is
// there, once.
func TestAttack19DatabaseRestart(t *testing.T) {
	cluster, err := pgtest.Start(true)
	pgtest.Need(t, err)
	defer cluster.Stop()
	d, err := postgres.Open(t.Context(), cluster.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	rig := servertest.Start(t, server.Config{Depot: d})
	writers, restarts := 6, 1
	if campaign() {
		writers, restarts = 16, 10
	}
	var stop atomic.Bool
	var acked, offline atomic.Int64
	var vaults []*vault
	var wg sync.WaitGroup
	for range writers {
		v := newVault(t, rig)
		o := rig.Options(v.id, v.dev)
		o.ServerKey = nil
		st := servertest.Open(t, o)
		vaults = append(vaults, v)
		wg.Go(func() { writeOn(t, v, st, &stop, &acked, &offline) })
	}
	progress := func() {
		t.Helper()
		from, deadline := acked.Load(), time.Now().Add(time.Minute)
		for acked.Load() < from+int64(writers) {
			if time.Now().After(deadline) {
				t.Fatal("no commits get through")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for range restarts {
		progress()
		if err := cluster.Down(true); err != nil {
			t.Fatal(err)
		}
		a := send(t, rig, request{method: "GET", path: vaults[0].path("head"), signer: vaults[0].dev})
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			t.Errorf("database away: %d %v %s", a.status, a.header, a.body)
		}
		if err := cluster.Up(); err != nil {
			t.Fatal(err)
		}
	}
	progress()
	stop.Store(true)
	wg.Wait()
	// None is doubled or lost: the number of records is that of the commits.
	for _, v := range vaults {
		h, err := d.Head(t.Context(), v.id)
		entries, err2 := d.Changes(t.Context(), v.id, 0)
		if err != nil || err2 != nil || h.Records != int64(h.Seq) || len(entries) != int(h.Seq) {
			t.Errorf("%+v, %d entries, %v, %v", h, len(entries), err, err2)
		}
	}
	fmt.Printf("attack 19: PostgreSQL crashed %d times under %d writers: %d commits acknowledged and kept, %d times offline\n", restarts, writers, acked.Load(), offline.Load())
}
