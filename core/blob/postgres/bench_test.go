package postgres

import (
	"testing"

	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

// BenchmarkCommits16 is over a cluster that syncs.
func BenchmarkCommits16(b *testing.B) {
	c, err := pgtest.Start(true)
	pgtest.Need(b, err)
	defer c.Stop()
	depottest.BenchCommits(b, open(b, c.Database(b)), 16)
}
