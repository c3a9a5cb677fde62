package lite

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
)

func TestConformance(t *testing.T) {
	var once sync.Once
	var path string
	depottest.Run(t, func(t2 *testing.T) depot.Depot {
		once.Do(func() { path = filepath.Join(t.TempDir(), "a name with ? # % and space.db") })
		d, err := Open(t2.Context(), path)
		if err != nil {
			t2.Fatal(err)
		}
		return d
	})
}
