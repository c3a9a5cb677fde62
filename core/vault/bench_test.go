package vault

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
)

func benchVault(b *testing.B, n int) *Vault {
	b.Helper()
	dir := b.TempDir()
	st := sqlite.Open(filepath.Join(dir, "vault.db"))
	v, _, err := Create(b.Context(), st, dir, text(password), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { v.Close(); st.Close() })
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < n; i += 64 {
				if _, err := v.Put(context.Background(), ref(b, fmt.Sprintf("NAME_%d", i)), text(fmt.Sprint("value-", i)), PutOptions{}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return v
}

// BenchmarkOpenSpace is what a grant of a whole environment costs in an agent
// that runs: 50 and 10,000 secrets, read from the store and opened.
func BenchmarkOpenSpace(b *testing.B) {
	for _, n := range []int{50, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			v := benchVault(b, n)
			for b.Loop() {
				out, err := v.OpenSpace(b.Context(), "shop", "development", yes)
				if err != nil || len(out) != n {
					b.Fatal(len(out), err)
				}
			}
		})
	}
}

// BenchmarkUnlock is a one-shot agent's start: password, keys, state, 50 values.
func BenchmarkUnlock(b *testing.B) {
	for _, n := range []int{50, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			v := benchVault(b, n)
			for b.Loop() {
				st := sqlite.Open(filepath.Join(v.dir, "vault.db"))
				again, err := Unlock(b.Context(), st, v.dir, text(password), Options{})
				if err != nil {
					b.Fatal(err)
				}
				refs := make([]secret.Ref, 50)
				for i := range refs {
					refs[i] = ref(b, fmt.Sprintf("NAME_%d", i))
				}
				if _, err := again.Open(b.Context(), refs, yes); err != nil {
					b.Fatal(err)
				}
				again.Close()
				st.Close()
			}
		})
	}
}

// BenchmarkPut is durable writes, from one writer and from 16: the target is
// 3,000 a second from 16, and 3 times what the bare sync gives.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			v := benchVault(b, 100)
			var n atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					for n.Add(1) <= int64(b.N) {
						if _, err := v.Put(context.Background(), ref(b, fmt.Sprintf("W_%d", w)), text("value"), PutOptions{}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// BenchmarkSync is the bare cost of durability here: 4 KiB and a sync.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
}

// BenchmarkVerify opens and checks a vault of 10,000.
func BenchmarkVerify(b *testing.B) {
	v := benchVault(b, 10_000)
	for b.Loop() {
		r, err := v.Verify(b.Context(), yes)
		if err != nil || r.Readable != 10_000 {
			b.Fatal(r, err)
		}
	}
}
