//go:build linux

package lite

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opaquevault/ov/core/blob/depot/depottest"
)

func BenchmarkCommits16(b *testing.B) {
	d, err := Open(b.Context(), filepath.Join(b.TempDir(), "server.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	depottest.BenchCommits(b, d, 16)
}

// BenchmarkFdatasync is what the disk gives: appends of a page, one by one.
func BenchmarkFdatasync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
}
