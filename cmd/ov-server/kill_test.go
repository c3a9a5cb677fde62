package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/depot/lite"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// A writer commits to a vault of its own and counts what was acknowledged.
type writer struct {
	id    [16]byte
	dev   *servertest.Device
	store *httpblob.Store
	acked int
}

// write commits until stop, whatever becomes of the server meanwhile.
func (w *writer) write(t *testing.T, stop *atomic.Bool, total *atomic.Int64) {
	signed := servertest.NewSigned(w.store, w.id, w.dev)
	for i := 0; !stop.Load(); i++ {
		h, err := w.store.Head(t.Context())
		if err == nil {
			var c blob.Commit
			if c, err = signed.On(h, blobtest.Record(i, 1)); err == nil {
				err = w.store.Commit(t.Context(), c)
			}
		}
		switch {
		case err == nil:
			w.acked++
			total.Add(1)
		case !errors.Is(err, httpblob.ErrOffline):
			t.Error(err)
			return
		}
	}
}

// 20, at the server: it is killed again and again under writers. Every commit
// that it acknowledged is there, and none is half there.
func TestAttack20KillServer(t *testing.T) {
	writers, kills := 6, 3
	if os.Getenv("ATTACK") != "" {
		writers, kills = 16, 100
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, nil, "--data", data, "--listen", addr)
	key, err := readKey(filepath.Join(data, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var total atomic.Int64
	var wg sync.WaitGroup
	all := make([]*writer, writers)
	for i := range all {
		w := &writer{id: depottest.NewVault(), dev: servertest.NewDevice()}
		w.store = servertest.Open(t, httpblob.Options{URL: "http://" + addr, Vault: w.id, Signer: w.dev, ServerKey: key.Public()})
		if err := servertest.NewSigned(w.store, w.id, w.dev).Commit(t.Context(), blobtest.Commit(1)); err != nil {
			t.Fatal(err)
		}
		all[i] = w
		wg.Go(func() { w.write(t, &stop, &total) })
	}
	for range kills {
		for from, deadline := total.Load(), time.Now().Add(time.Minute); total.Load() < from+int64(writers); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no commits get through")
			}
		}
		p.kill(t)
		p = start(t, nil, "--data", data, "--listen", addr)
	}
	stop.Store(true)
	wg.Wait()
	p.stop(t)
	d, err := lite.Open(t.Context(), filepath.Join(data, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, w := range all {
		h, err := d.Head(t.Context(), w.id)
		entries, err2 := d.Changes(t.Context(), w.id, 0)
		if err != nil || err2 != nil || h.Seq < uint64(w.acked+1) || h.Records != int64(h.Seq-1) || len(entries) != int(h.Records) {
			t.Errorf("%d acknowledged: head %d, %d records, %d entries, %v, %v", w.acked, h.Seq, h.Records, len(entries), err, err2)
		}
	}
	fmt.Printf("attack 20: ov-server killed %d times under %d writers: %d commits acknowledged, all there, once\n", kills, writers, total.Load())
}
