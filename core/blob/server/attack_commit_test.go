package server_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/manifest"
)

// What a device did: commit on base, or read the head.
type input struct {
	write     bool
	base, seq uint64
	sum       manifest.Hash // of the manifest
}

type output struct {
	ok  bool // the commit was made
	seq uint64
	sum manifest.Hash
}

type headState struct {
	seq uint64
	sum manifest.Hash
}

// model is a vault's head: a commit is made exactly when it is on the head, and
// a read tells the head.
func model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return headState{} },
		Step: func(state, in, out any) (bool, any) {
			s, i, o := state.(headState), in.(input), out.(output)
			if !i.write {
				return o.seq == s.seq && o.sum == s.sum, s
			}
			if !o.ok {
				return s.seq != i.base, s
			}
			return s.seq == i.base, headState{i.seq, i.sum}
		},
		Equal: func(a, b any) bool { return a == b },
	}
}

// A history is what all devices did, in the order in which they came to know.
type history struct {
	mu     sync.Mutex
	begin  time.Time
	events []porcupine.Operation
	made   int // commits
}

func (s *history) now() int64 { return time.Since(s.begin).Nanoseconds() }

func (s *history) note(client int, in input, call int64, out output) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: s.now()})
	if out.ok {
		s.made++
	}
}

// live reads the head and commits on it, once.
func (s *history) live(t *testing.T, client int, w *servertest.Signed, put blob.Record) error {
	call := s.now()
	h, err := w.Store.Head(t.Context())
	if err != nil {
		return err
	}
	s.note(client, input{}, call, output{seq: h.Seq, sum: manifest.Chain(h.Manifest)})
	c, err := w.On(h, put)
	if err != nil {
		return err
	}
	call = s.now()
	if err = w.Store.Commit(t.Context(), c); err != nil && !errors.Is(err, blob.ErrConflict) {
		return err
	}
	s.note(client, input{write: true, base: c.Base, seq: c.Seq, sum: manifest.Chain(c.Manifest)}, call, output{ok: err == nil})
	return nil
}

// 18: 16 devices, each with its own client, over two replicas; every history of
// commits and reads that comes out must be one that a single head could give.
func TestAttack18Linearizable(t *testing.T) {
	devices, writes := 16, 12
	if campaign() {
		writes = 200
	}
	depots(t, func(t *testing.T, c server.Config) {
		if c.Depot == nil {
			c.Depot = servertest.NewDepot(t)
		}
		rigs := []*servertest.Rig{servertest.Start(t, c), servertest.Start(t, c)}
		id := depottest.NewVault()
		first := servertest.NewDevice()
		all := []*servertest.Device{first}
		for len(all) < devices {
			all = append(all, servertest.NewDevice())
		}
		founder := &vault{rig: rigs[0], id: id, dev: first, Signed: servertest.NewSigned(rigs[0].Store(t, id, first), id, first)}
		if err := founder.Commit(t.Context(), blobtest.Commit(1)); err != nil {
			t.Fatal(err)
		}
		relist(t, founder, func(m *manifest.Manifest) {
			for _, d := range all[1:] {
				m.Devices = append(m.Devices, d.Listed())
			}
		})
		start, err := founder.Store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		story := &history{begin: time.Now()}
		story.note(0, input{write: true, base: 0, seq: start.Seq, sum: manifest.Chain(start.Manifest)}, 0, output{ok: true})
		var wg sync.WaitGroup
		for n, dev := range all {
			rig := rigs[n%2]
			o := rig.Options(id, dev)
			o.ServerKey = nil // the transport is another test's
			st := servertest.Open(t, o)
			wg.Go(func() {
				for i := range writes {
					if err := story.live(t, n, servertest.NewSigned(st, id, dev), blobtest.Record(1000*n+i, 1)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		events, made := story.events, story.made
		if res := porcupine.CheckOperationsTimeout(model(), events, 10*time.Minute); res != porcupine.Ok {
			t.Errorf("%d events: %s", len(events), res)
		}
		h, err := c.Depot.Head(t.Context(), id)
		if err != nil || h.Seq != start.Seq+uint64(made-1) || h.Records != int64(made-1) {
			t.Errorf("head %+v, %v, after %d commits", h, err, made)
		}
		fmt.Printf("attack 18: %s: %d devices, %d commits and reads, %d commits made: linearizable\n", t.Name(), devices, len(events), made)
	})
}

// A breaker passes connections on, and breaks one after its request was answered
// and before the answer is passed back.
type breaker struct {
	net.Listener
	to    string
	armed atomic.Bool
	broke atomic.Int64
}

func newBreaker(t *testing.T, to string) *breaker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &breaker{Listener: l, to: to}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(in)
		}
	}()
	return b
}

func (b *breaker) serve(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", b.to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in) }()
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		if n > 0 && b.armed.CompareAndSwap(true, false) {
			b.broke.Add(1)
			return // the server has answered: nobody hears it
		}
		if _, werr := in.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// 19: 100 times the line is cut after the commit was made and before its answer
// came: the client asks again, and there is one row.
func TestAttack19LostAnswer(t *testing.T) {
	n := 20
	if campaign() {
		n = 100
	}
	depots(t, func(t *testing.T, c server.Config) {
		rig := servertest.Start(t, c)
		b := newBreaker(t, rig.HTTP.Listener.Addr().String())
		id, dev := depottest.NewVault(), servertest.NewDevice()
		o := rig.Options(id, dev)
		o.URL = "http://" + b.Addr().String()
		st := servertest.Open(t, o)
		w := servertest.NewSigned(st, id, dev)
		if err := w.Commit(t.Context(), blobtest.Commit(1)); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			h, err := st.Head(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			next, err := w.On(h, blobtest.Record(i, 1))
			if err != nil {
				t.Fatal(err)
			}
			b.armed.Store(true)
			if err := st.Commit(t.Context(), next); err != nil {
				t.Fatalf("commit %d: %v", i, err)
			}
			if b.armed.Load() {
				t.Fatal("the line was not cut")
			}
		}
		h, err := rig.Depot.Head(t.Context(), id)
		if err != nil || h.Seq != uint64(n+1) || h.Records != int64(n) || b.broke.Load() != int64(n) {
			t.Errorf("%+v, %v after %d commits, %d cut", h, err, n, b.broke.Load())
		}
		fmt.Printf("attack 19: %s: %d answers lost: %d rows\n", t.Name(), b.broke.Load(), h.Records)
	})
}

// The same key with another commit is refused; with the same one it is told
// what it was told, also after the head has moved on.
func TestIdempotency(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		body := v.commitBody(t, 2, blobtest.Record(2, 1))
		post := func(key string, body []byte) answer {
			return send(t, rig, request{method: "POST", path: v.path("commits"), body: body, signer: v.dev, header: idempotency(key)})
		}
		if a := post("a", body); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if err := v.Commit(t.Context(), blobtest.Commit(3)); err != nil {
			t.Fatal(err)
		}
		if a := post("a", body); a.status != 200 || string(a.body) != "{\"seq\":2}\n" {
			t.Errorf("again: %d %s", a.status, a.body)
		}
		if a := post("b", body); a.status != http.StatusConflict || a.Seq != 3 || len(a.Manifest) == 0 {
			t.Errorf("under another key: %d %s", a.status, a.body)
		}
		a := post("a", v.commitBody(t, 4))
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("another commit under the key: %d %s", a.status, a.body)
		}
		if a := post("", body); a.status != 400 {
			t.Errorf("no key: %d", a.status)
		}
		if h, err := rig.Depot.Head(t.Context(), v.id); err != nil || h.Seq != 3 || h.Records != 2 {
			t.Errorf("%+v, %v", h, err)
		}
	})
}
