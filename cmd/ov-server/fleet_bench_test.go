package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// BenchmarkReplicas is what one and three replicas of the real program answer
// over one PostgreSQL that syncs: 16 clients, a vault each, sealed requests,
// everything on this machine.
func BenchmarkReplicas(b *testing.B) {
	cluster, err := pgtest.Start(true)
	pgtest.Need(b, err)
	defer cluster.Stop()
	for _, n := range []int{1, 3} {
		f := newFleet(b, cluster.Database(b), n)
		var scribes []*scribe
		for range 16 {
			s := newScribe(b, f)
			o := f.options(s.id, s.dev)
			o.HTTP = nil // connections stay
			s.store = servertest.Open(b, o)
			scribes = append(scribes, s)
		}
		for what, ask := range map[string]func(*scribe, int64) error{
			"commits": func(s *scribe, n int64) error { return s.write(b.Context(), int(n), 1) },
			"reads":   func(s *scribe, n int64) error { return s.read(b, n) },
		} {
			b.Run(fmt.Sprintf("%s/%d", what, n), func(b *testing.B) {
				b.ResetTimer()
				each := int64(b.N)/int64(len(scribes)) + 1
				var failed atomic.Int64
				var wg sync.WaitGroup
				for _, s := range scribes {
					wg.Go(func() {
						if err := ask(s, each); err != nil {
							failed.Add(1)
						}
					})
				}
				wg.Wait()
				if failed.Load() > 0 {
					b.Fatal("clients failed:", failed.Load())
				}
				b.ReportMetric(float64(each*int64(len(scribes)))/b.Elapsed().Seconds(), what+"/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// read asks for a manifest, n times.
func (s *scribe) read(b *testing.B, n int64) error {
	for range n {
		if _, err := s.store.Manifest(b.Context(), 1); err != nil {
			return err
		}
	}
	return nil
}
