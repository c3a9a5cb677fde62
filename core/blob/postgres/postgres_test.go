package postgres

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

var suite pgtest.Suite // of this test binary

func TestMain(m *testing.M) { os.Exit(suite.Run(m)) }

func open(t testing.TB, dsn string) *Depot {
	t.Helper()
	d, err := Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestConformance(t *testing.T) {
	dsn := suite.DSN(t)
	depottest.Run(t, func(t *testing.T) depot.Depot { return open(t, dsn) })
}

// Replicas that start at once on an empty database all come up.
func TestMigrateAtOnce(t *testing.T) {
	dsn := suite.DSN(t)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			d, err := Open(context.WithoutCancel(t.Context()), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			d.Close()
		})
	}
	wg.Wait()
	d := open(t, dsn)
	var version, rows int
	if err := d.pool.QueryRow(t.Context(), `SELECT max(version), count(*) FROM ov_schema`).Scan(&version, &rows); err != nil || version != len(migrations()) || rows != version {
		t.Errorf("schema %d in %d rows, %v", version, rows, err)
	}
}

// A schema of later than this program's is refused.
func TestNewerSchema(t *testing.T) {
	dsn := suite.DSN(t)
	d := open(t, dsn)
	if _, err := d.pool.Exec(t.Context(), mDone, 99); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("%v", err)
	}
}

func TestConfigure(t *testing.T) {
	conf, err := configure("postgres://u:hunter2@a.example,b.example:6432/ov")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(conf.ConnConfig.Fallbacks); n == 0 || conf.ConnConfig.ValidateConnect == nil {
		t.Errorf("%d other hosts; checks which one takes writes: %v", n, conf.ConnConfig.ValidateConnect != nil)
	}
	if conf.MaxConns != maxConns || conf.ConnConfig.RuntimeParams["statement_timeout"] == "" {
		t.Errorf("%+v", conf.ConnConfig.RuntimeParams)
	}
	for _, bad := range []string{"postgres://u:hunter2@[::1/ov", "postgres://u:hunter2@h:port/ov", "postgres://u:hunter2@h/ov?sslmode=perhaps"} {
		if _, err := configure(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	// Nor does a database that is away tell the password.
	d, err := Open(t.Context(), "postgres://u:hunter2@127.0.0.1:1,127.0.0.1:2/ov?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Ping(t.Context()); !errors.Is(err, depot.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
