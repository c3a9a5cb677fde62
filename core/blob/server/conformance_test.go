package server_test

import (
	"os"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// conform runs blobtest over clients of a server on d.
func conform(t *testing.T, d depot.Depot, sealed bool) {
	rig := servertest.Start(t, server.Config{Depot: d})
	type vault struct {
		id  depot.Vault
		dev *servertest.Device
	}
	var mu sync.Mutex
	vaults := map[*testing.T]vault{}
	blobtest.Run(t, func(t *testing.T) blob.Store {
		mu.Lock()
		defer mu.Unlock()
		v, ok := vaults[t]
		if !ok {
			v = vault{depottest.NewVault(), servertest.NewDevice()}
			vaults[t] = v
		}
		o := rig.Options(v.id, v.dev)
		if !sealed {
			o.ServerKey = nil
		}
		return servertest.NewSigned(servertest.Open(t, o), v.id, v.dev)
	})
}

func TestConformance(t *testing.T) {
	t.Run("Open", func(t *testing.T) { conform(t, nil, false) })
	if !testing.Short() { // under the race detector the cryptography is most of it
		t.Run("Sealed", func(t *testing.T) { conform(t, nil, true) })
	}
	t.Run("PostgreSQL", func(t *testing.T) { conform(t, openPostgres(t), false) })
}

var suite pgtest.Suite // of this test binary

func TestMain(m *testing.M) { os.Exit(suite.Run(m)) }

func openPostgres(t testing.TB) depot.Depot {
	t.Helper()
	d, err := postgres.Open(t.Context(), suite.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
