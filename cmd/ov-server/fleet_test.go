package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/channel"
)

// A fleet is replicas of the real program over one database, with one key, and
// a balancer before them.
type fleet struct {
	*servertest.Balancer
	dsn, dir string
	key      *channel.PrivateKey
	replicas []*process
}

// newFleet starts n replicas at once.
func newFleet(t testing.TB, dsn string, n int) *fleet {
	t.Helper()
	f := &fleet{Balancer: servertest.NewBalancer(t), dsn: dsn, dir: t.TempDir()}
	var err error
	if f.key, err = makeKey(filepath.Join(f.dir, "server.key")); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		f.replicas = append(f.replicas, f.launch(t, i))
	}
	for _, p := range f.replicas {
		p.ready(t)
		f.Add(strings.TrimPrefix(p.addr, "http://"))
	}
	return f
}

func (f *fleet) launch(t testing.TB, i int) *process {
	t.Helper()
	env := []string{"OV_SERVER_DATABASE=" + f.dsn, "OV_SERVER_RATE=1e9", "OV_SERVER_BURST=1000000000", "OV_SERVER_LOG_LEVEL=error"}
	return launch(t, env, "--data", filepath.Join(f.dir, fmt.Sprint(i)), "--key", filepath.Join(f.dir, "server.key"), "--listen", "127.0.0.1:0")
}

// killBusy is killOne in the middle of a request.
func (f *fleet) killBusy(t testing.TB, i int) {
	t.Helper()
	addr := strings.TrimPrefix(f.replicas[i].addr, "http://")
	wait(t, "a request", func() bool { return f.Busy(addr) > 0 })
	f.killOne(t, i)
}

// killOne kills replica i and starts it again, where the balancer finds it.
func (f *fleet) killOne(t testing.TB, i int) {
	t.Helper()
	f.replicas[i].kill(t)
	f.Remove(strings.TrimPrefix(f.replicas[i].addr, "http://"))
	f.replicas[i] = f.launch(t, i)
	f.replicas[i].ready(t)
	f.Add(strings.TrimPrefix(f.replicas[i].addr, "http://"))
}

// options are those of a client behind the balancer: each of its requests goes
// to the next replica.
func (f *fleet) options(id [16]byte, dev *servertest.Device) httpblob.Options {
	return httpblob.Options{
		URL: "http://" + f.Addr().String(), Vault: id, Signer: dev, ServerKey: f.key.Public(),
		HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute},
	}
}

// A scribe writes to a vault of its own and gives up on nothing: what was not
// answered is sent again as it is, until it is.
type scribe struct {
	id    [16]byte
	dev   *servertest.Device
	store *httpblob.Store
	from  int // the next record

	mu      sync.Mutex
	acked   []time.Time // when each commit was acknowledged
	offline int         // answers that did not come
}

func newScribe(t testing.TB, f *fleet) *scribe {
	t.Helper()
	s := &scribe{id: depottest.NewVault(), dev: servertest.NewDevice()}
	s.store = servertest.Open(t, f.options(s.id, s.dev))
	if err := servertest.NewSigned(s.store, s.id, s.dev).Commit(t.Context(), blobtest.Commit(1)); err != nil {
		t.Fatal(err)
	}
	return s
}

// write makes commits, each of so many records.
func (s *scribe) write(ctx context.Context, commits, records int) error {
	signed := servertest.NewSigned(s.store, s.id, s.dev)
	h, err := s.store.Head(ctx)
	for n := 0; n < commits && err == nil; n++ {
		var put []blob.Record
		for range records {
			put = append(put, numbered(s.from))
			s.from++
		}
		var c blob.Commit
		if c, err = signed.On(h, put...); err != nil {
			return err
		}
		if err = s.insist(ctx, c); err != nil {
			return fmt.Errorf("commit %d: %w", c.Seq, err)
		}
		h = blob.Head{Seq: c.Seq, Manifest: c.Manifest}
	}
	return err
}

// numbered is the record number i of a scribe; blobtest's ids have 16 bits.
func numbered(i int) blob.Record { return blobtest.Record(i%(1<<16), 1+i>>16) }

// insist commits c, however often the way there is lost.
func (s *scribe) insist(ctx context.Context, c blob.Commit) error {
	for {
		err := s.store.Commit(ctx, c)
		s.mu.Lock()
		if err == nil {
			s.acked = append(s.acked, time.Now())
		} else {
			s.offline++
		}
		s.mu.Unlock()
		if !errors.Is(err, httpblob.ErrOffline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *scribe) count() (acked, offline int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked), s.offline
}

// check fails unless the vault holds each record of write, once, in as many
// commits as there were.
func (s *scribe) check(t testing.TB, commits, records int) {
	t.Helper()
	h, err := s.store.Head(t.Context())
	if err != nil || h.Seq != uint64(1+commits) {
		t.Errorf("head %d, %v, want %d", h.Seq, err, 1+commits)
	}
	entries, err := s.store.Changes(t.Context(), 0)
	if err != nil || len(entries) != commits*records {
		t.Errorf("%d records, %v, want %d", len(entries), err, commits*records)
	}
	there := map[blob.Key]uint64{}
	for _, e := range entries {
		there[e.Key] = e.Seq
	}
	for i := range commits * records {
		if seq := there[numbered(i).Key]; seq != uint64(2+i/records) {
			t.Fatalf("record %d: of commit %d, want %d", i, seq, 2+i/records)
		}
	}
}
