package depottest

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
)

// BenchCommits makes commits of one record of 1,000 bytes each from so many
// writers at once, each in a vault of its own, and reports how many a second are
// durable.
func BenchCommits(b *testing.B, d depot.Depot, writers int) {
	ids := make([]depot.Vault, writers)
	for i := range ids {
		ids[i] = NewVault()
		if _, err := d.Commit(b.Context(), ids[i], commit(1)); err != nil {
			b.Fatal(err)
		}
	}
	var next atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, v := range ids {
		wg.Go(func() {
			prev := sha256.Sum256(blobtest.Manifest(1))
			for seq := uint64(2); next.Add(1) <= int64(b.N); seq++ {
				m := fmt.Appendf(make([]byte, 0, 600), "%0600d", seq) // as long as a small vault's
				r := blobtest.Record(int(seq), 1)
				r.Data = make([]byte, 1000)
				key := sha256.Sum256(m)
				c := depot.Commit{Commit: blob.Commit{Base: seq - 1, Seq: seq, Manifest: m, Put: []blob.Record{r}}, Prev: prev, Chain: key, Key: key, Hash: key, Time: time.Now()}
				if _, err := d.Commit(b.Context(), v, c); err != nil {
					b.Error(err)
					return
				}
				prev = key
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(0, "ns/op")
}
