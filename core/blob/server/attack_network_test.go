package server_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/faulttest"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/manifest"
)

// How long a device of these tests takes silence for a partition, and what no
// request may take whatever happens: the silence, a second try, and what a loaded
// machine adds.
const (
	shortSilence = time.Second
	noRequest    = 40 * shortSilence
)

// A badNetwork is several replicas over one depot, with links between devices
// and replicas, and between replicas and the database if it is another program.
type badNetwork struct {
	depot  depot.Depot // reached directly
	rigs   []*servertest.Rig
	links  []*faulttest.Link
	random *rand.Rand
}

const replicas = 3

func newBadNetwork(t *testing.T, kind string, seed uint64) *badNetwork {
	t.Helper()
	n := &badNetwork{random: rand.New(rand.NewPCG(seed, 1))}
	if kind == "SQLite" {
		n.depot = servertest.NewDepot(t)
		for range replicas {
			n.rigs = append(n.rigs, servertest.Start(t, server.Config{Depot: n.depot}))
		}
		return n
	}
	dsn := suite.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	n.depot = openDepot(t, dsn)
	for i := range replicas {
		link := faulttest.NewLink(t, filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"), seed+uint64(i))
		n.links = append(n.links, link)
		through := fmt.Sprintf("postgres://postgres@%s%s?sslmode=disable", link.Addr(), u.Path)
		n.rigs = append(n.rigs, servertest.Start(t, server.Config{Depot: openDepot(t, through)}))
	}
	return n
}

func openDepot(t *testing.T, dsn string) depot.Depot {
	t.Helper()
	d, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// store is a client of a replica, behind a link of its own.
func (n *badNetwork) store(t *testing.T, replica int, id depot.Vault, dev *servertest.Device) *httpblob.Store {
	t.Helper()
	rig := n.rigs[replica%len(n.rigs)]
	link := faulttest.NewLink(t, rig.HTTP.Listener.Addr().String(), uint64(100+len(n.links)))
	n.links = append(n.links, link)
	o := rig.Options(id, dev)
	o.URL, o.Silence = link.URL(), shortSilence
	return servertest.Open(t, o)
}

// storm makes the network bad, here and there, now and then, until it is told to
// stop; then it is good again.
func (n *badNetwork) storm(stop <-chan struct{}) {
	bad := []faulttest.Weather{
		faulttest.Partition(),
		{Stalled: [2]bool{faulttest.Up: true}},
		{Stalled: [2]bool{faulttest.Down: true}},
		{Delay: 30 * time.Millisecond, Jitter: 100 * time.Millisecond, Hold: 200 * time.Millisecond},
		{Cut: [2]float64{faulttest.Up: 0.1, faulttest.Down: 0.1}},
		{Cut: [2]float64{faulttest.Down: 0.4}},
		{Half: 0.3, Piece: 700},
		{Refuse: true},
	}
	good := func() {
		for _, l := range n.links {
			l.Set(faulttest.Weather{})
		}
	}
	defer good()
	for {
		for _, l := range n.links {
			switch n.random.IntN(8) {
			case 0, 1, 2, 3: // as it was
			case 4:
				l.Set(faulttest.Weather{})
			case 5, 6:
				l.Set(bad[n.random.IntN(len(bad))])
			case 7:
				if n.random.IntN(2) == 0 {
					l.Freeze()
				} else {
					l.Break()
				}
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(100+n.random.IntN(700)) * time.Millisecond):
		}
		if n.random.IntN(6) == 0 {
			good() // so that there is something to lose
		}
	}
}

// A stormLog is what came of requests in a bad network.
type stormLog struct {
	history
	unknown []porcupine.Operation // commits of which nobody heard
	offline atomic.Int64
	longest atomic.Int64
}

// took notes how long a request took.
func (s *stormLog) took(call int64) {
	for d := s.now() - call; ; {
		most := s.longest.Load()
		if d <= most || s.longest.CompareAndSwap(most, d) {
			return
		}
	}
}

// live reads the head and commits on it; what cannot be reached is none of the
// history's errors.
func (s *stormLog) live(ctx context.Context, client int, w *servertest.Signed, put blob.Record) (made bool, err error) {
	call := s.now()
	h, err := w.Store.Head(ctx)
	s.took(call)
	if errors.Is(err, httpblob.ErrOffline) {
		s.offline.Add(1)
		return false, nil
	} else if err != nil {
		return false, err
	}
	s.note(client, input{}, call, output{seq: h.Seq, sum: manifest.Chain(h.Manifest)})
	c, err := w.On(h, put)
	if err != nil {
		return false, err
	}
	call = s.now()
	in := input{write: true, base: c.Base, seq: c.Seq, sum: manifest.Chain(c.Manifest)}
	err = w.Store.Commit(ctx, c)
	s.took(call)
	switch {
	case errors.Is(err, httpblob.ErrOffline):
		s.offline.Add(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unknown = append(s.unknown, porcupine.Operation{ClientId: client, Input: in, Call: call})
		return false, nil
	case err != nil && !errors.Is(err, blob.ErrConflict):
		return false, err
	}
	s.note(client, in, call, output{ok: err == nil})
	return err == nil, nil
}

// settle decides what nobody heard of by what is stored: a commit that is there
// was made, at some time; one that is not had no effect. It returns how many.
func (s *stormLog) settle(t *testing.T, d depot.Depot, id depot.Vault, head uint64) (made int) {
	t.Helper()
	stored := map[manifest.Hash]bool{}
	for seq := uint64(1); seq <= head; seq++ {
		m, err := d.Manifest(t.Context(), id, seq)
		if err != nil {
			t.Fatal(err)
		}
		stored[manifest.Chain(m)] = true
	}
	for _, e := range s.events {
		if in := e.Input.(input); in.write && e.Output.(output).ok && !stored[in.sum] {
			t.Errorf("commit %d was acknowledged and is not there", in.seq)
		}
	}
	for _, op := range s.unknown {
		if stored[op.Input.(input).sum] {
			op.Output, op.Return = output{ok: true}, math.MaxInt64
			op.ClientId = 1000 + made // it may still be under way while its device goes on
			s.events = append(s.events, op)
			made++
		}
	}
	return made
}

// 18, in a bad network: 16 devices over three replicas; links between devices and
// replicas, and replicas and PostgreSQL, are partitioned one way or both, slow,
// cut, half closed, refused and forgotten. What was acknowledged is there, once;
// the history is one of a single head; no request hangs; afterwards all go on.
func TestAttack18BadNetwork(t *testing.T) {
	devices, lasts := 16, 4*time.Second
	if testing.Short() {
		lasts = time.Second
	}
	if campaign() {
		lasts = time.Minute
	}
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		t.Run(kind, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			n := newBadNetwork(t, kind, seed)
			id, first := depottest.NewVault(), servertest.NewDevice()
			all := []*servertest.Device{first}
			for len(all) < devices {
				all = append(all, servertest.NewDevice())
			}
			founder := &vault{rig: n.rigs[0], id: id, dev: first, Signed: servertest.NewSigned(n.rigs[0].Store(t, id, first), id, first)}
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
			log := &stormLog{history: history{begin: time.Now()}}
			log.note(0, input{write: true, base: 0, seq: start.Seq, sum: manifest.Chain(start.Manifest)}, 0, output{ok: true})
			var stores []*httpblob.Store
			for i, dev := range all {
				stores = append(stores, n.store(t, i, id, dev))
			}
			over := make(chan struct{})
			var wg, weather sync.WaitGroup
			weather.Go(func() { n.storm(over) })
			for i, dev := range all {
				wg.Go(func() {
					w := servertest.NewSigned(stores[i], id, dev)
					for j := 0; ; j++ {
						ended := false
						select {
						case <-over:
							ended = true
						default:
						}
						put := blobtest.Record(j, 1)
						put.ID[4] = byte(i) // nobody else's
						made, err := log.live(t.Context(), i, w, put)
						if err != nil {
							t.Errorf("device %d: %v", i, err)
							return
						}
						if ended && made { // each got one through after the storm
							return
						}
						if time.Since(log.begin) > lasts+2*time.Minute {
							t.Errorf("device %d: nothing gets through after the storm", i)
							return
						}
					}
				})
			}
			time.Sleep(lasts)
			close(over)
			weather.Wait()
			wg.Wait()
			h, err := n.depot.Head(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			late := log.settle(t, n.depot, id, h.Seq)
			if made := log.made + late; h.Seq != start.Seq+uint64(made-1) || h.Records != int64(made-1) {
				t.Errorf("head %+v after %d commits", h, made)
			}
			if res := porcupine.CheckOperationsTimeout(model(), log.events, 10*time.Minute); res != porcupine.Ok {
				t.Errorf("%d events: %s", len(log.events), res)
			}
			longest := time.Duration(log.longest.Load())
			if longest > noRequest {
				t.Errorf("a request took %s", longest)
			}
			var s faulttest.Stats
			for _, l := range n.links {
				one := l.Stats()
				s.Cuts, s.Halves, s.Refused, s.Connections = s.Cuts+one.Cuts, s.Halves+one.Halves, s.Refused+one.Refused, s.Connections+one.Connections
			}
			if !testing.Short() && (log.offline.Load() == 0 || s.Cuts == 0) {
				t.Errorf("no bad network: %d offline, %+v", log.offline.Load(), s)
			}
			fmt.Printf("attack 18, bad network, %s: %d devices, %d replicas, %s of partitions and %d cut, %d half closed, %d refused of %d connections: %d commits acknowledged, all there once; %d times offline, %d of those made after all; linearizable; longest request %s at a silence of %s\n",
				strings.TrimPrefix(t.Name(), "TestAttack18BadNetwork/"), devices, replicas, lasts, s.Cuts, s.Halves, s.Refused, s.Connections, log.made-1, log.offline.Load(), late, longest.Round(time.Millisecond), shortSilence)
		})
	}
}
