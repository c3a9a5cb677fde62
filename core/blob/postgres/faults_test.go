package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

// with is dsn with a parameter more.
func with(dsn, parameter string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + parameter
	}
	return dsn + "?" + parameter
}

// commitOn is the commit seq of records on its predecessor, under a key of its own.
func commitOn(seq int, put ...blob.Record) depot.Commit {
	c := depot.Commit{Commit: blobtest.Commit(seq, put...), Chain: sha256.Sum256(blobtest.Manifest(seq)), Time: time.Now()}
	if seq > 1 {
		c.Prev = sha256.Sum256(blobtest.Manifest(seq - 1))
	}
	rand.Read(c.Key[:])
	rand.Read(c.Hash[:])
	return c
}

func do(t *testing.T, d *Depot, v depot.Vault, c depot.Commit) {
	t.Helper()
	if before, err := d.Commit(t.Context(), v, c); before || err != nil {
		t.Fatalf("commit %d: before %v, %v", c.Seq, before, err)
	}
}

func check(t *testing.T, d *Depot, v depot.Vault, seq int, want ...blob.Record) {
	t.Helper()
	blobtest.Check(t, depottest.Store{Depot: d, Vault: v}, seq, want...)
}

// direct is a connection of the test's own to the database of dsn.
func direct(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Serializable is how CockroachDB runs everything: there what clashes is refused
// with 40001 and is run again. The whole suite passes so, and has clashed.
func TestConformanceSerializable(t *testing.T) {
	cluster, err := pgtest.Start(false)
	pgtest.Need(t, err)
	defer cluster.Stop()
	dsn := with(cluster.Database(t), "default_transaction_isolation=serializable")
	depottest.Run(t, func(t *testing.T) depot.Depot { return open(t, dsn) })
	// One vault, sixteen replicas: whoever is late by a moment clashes.
	for try := 0; !bytes.Contains(cluster.Log(), []byte("could not serialize access")); try++ {
		if try == 50 {
			t.Fatal("nothing clashed")
		}
		v := depottest.NewVault()
		d := open(t, dsn)
		do(t, d, v, commitOn(1))
		var wg sync.WaitGroup
		var done atomic.Int64
		for range 16 {
			wg.Go(func() {
				_, err := d.Commit(t.Context(), v, commitOn(2))
				if err == nil {
					done.Add(1)
				} else if !errors.Is(err, blob.ErrConflict) {
					t.Error(err)
				}
			})
		}
		if wg.Wait(); done.Load() != 1 {
			t.Fatalf("%d of 16 commits on one head were made", done.Load())
		}
	}
}

// What clashes is run again, so often and no more; what broke is as well; what
// took too long is not.
func TestRetry(t *testing.T) {
	d := open(t, suite.DSN(t))
	for state, want := range map[string]int{"40001": tries, "40P01": tries, "08006": goneTries, "57P01": goneTries, "40003": goneTries, "25006": goneTries, "57014": 1, "23505": 1, "42601": 1} {
		n := 0
		err := d.do(t.Context(), func(context.Context) error {
			n++
			return &pgconn.PgError{Code: state}
		})
		if code(err) != state || n != want {
			t.Errorf("%s: run %d times, want %d; %v", state, n, want, err)
		}
		n = 0
		err = d.do(t.Context(), func(context.Context) error {
			if n++; n == 1 {
				return &pgconn.PgError{Code: state}
			}
			return nil
		})
		if (err == nil) != (want > 1) {
			t.Errorf("%s, once: %v after %d", state, err, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := d.do(ctx, func(context.Context) error {
		n++
		cancel()
		return &pgconn.PgError{Code: "40001"}
	})
	if n != 1 || err == nil {
		t.Errorf("run %d times for a caller who has gone, %v", n, err)
	}
}

// Two transactions wait for each other; PostgreSQL ends ours (40P01), which is
// run again.
func TestDeadlock(t *testing.T) {
	dsn := suite.DSN(t)
	d := open(t, dsn)
	v := depottest.NewVault()
	do(t, d, v, commitOn(1, blobtest.Record(1, 1)))
	c := commitOn(2)
	c.Purge = []blob.Key{blobtest.Key(1, 1)} // in one transaction: first the answer, then the head
	other := direct(t, with(dsn, "deadlock_timeout=1min"))
	run(t, other, `BEGIN`)
	run(t, other, `UPDATE vaults SET seq = seq WHERE id = $1`, v[:])
	done := make(chan error, 1)
	go func() {
		_, err := d.Commit(context.WithoutCancel(t.Context()), v, c)
		done <- err
	}()
	watch := direct(t, dsn)
	for waiting := 0; waiting == 0; time.Sleep(5 * time.Millisecond) {
		if err := watch.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	run(t, other, `INSERT INTO answers (vault, key, hash, time) VALUES ($1, $2, $2, 0)`, v[:], c.Key[:]) // until ours is ended
	run(t, other, `ROLLBACK`)
	if err := <-done; err != nil {
		t.Error(err)
	}
	check(t, d, v, 2)
	var deadlocks int
	for range 400 { // PostgreSQL's own count comes late
		if err := watch.QueryRow(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&deadlocks); err != nil {
			t.Fatal(err)
		}
		if deadlocks > 0 {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Error("there was no deadlock")
}

// With every connection taken a request waits as long as it may, is told that
// the database cannot be reached, and the next one goes through.
func TestPoolExhausted(t *testing.T) {
	d := open(t, with(suite.DSN(t), "pool_max_conns=1"))
	v := depottest.NewVault()
	do(t, d, v, commitOn(1))
	busy, err := d.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.times.patience = 100 * time.Millisecond
	c := commitOn(2, blobtest.Record(1, 1))
	for what, f := range map[string]func() error{
		"commit": func() error { _, err := d.Commit(t.Context(), v, c); return err },
		"head":   func() error { _, err := d.Head(t.Context(), v); return err },
		"ping":   func() error { return d.Ping(t.Context()) },
		"note": func() error {
			return d.PutNote(t.Context(), v, depot.Note{Kind: depot.NotePart, ID: []byte{1}, Version: 1}, time.Now())
		},
	} {
		if err := f(); !errors.Is(err, depot.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	busy.Release()
	d.times = usual()
	do(t, d, v, c)
	check(t, d, v, 2, blobtest.Record(1, 1))
}

// A statement that takes longer than it may is ended, is not run again, and
// leaves nothing.
func TestStatementTimeout(t *testing.T) {
	dsn := suite.DSN(t)
	d := open(t, with(dsn, "statement_timeout=100"))
	v := depottest.NewVault()
	do(t, d, v, commitOn(1, blobtest.Record(1, 1)))
	other := direct(t, dsn)
	run(t, other, `BEGIN`)
	run(t, other, `UPDATE vaults SET seq = seq WHERE id = $1`, v[:])
	simple, whole := commitOn(2, blobtest.Record(2, 1)), commitOn(2)
	whole.Purge = []blob.Key{blobtest.Key(1, 1)}
	for _, c := range []depot.Commit{simple, whole} {
		if _, err := d.Commit(t.Context(), v, c); !errors.Is(err, depot.ErrUnavailable) || code(err) != stateTooLong {
			t.Errorf("%v", err)
		}
		check(t, d, v, 1, blobtest.Record(1, 1))
	}
	run(t, other, `ROLLBACK`)
	do(t, d, v, simple)
	check(t, d, v, 2, blobtest.Record(1, 1), blobtest.Record(2, 1))
}

// A host hangs when it does not answer in time: not when its caller goes away,
// which would have strangers close everybody's connections.
func TestHung(t *testing.T) {
	d := open(t, suite.DSN(t))
	gone, leave := context.WithCancel(t.Context())
	leave()
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	soon, leaveSoon := context.WithCancel(t.Context())
	defer leaveSoon()
	for _, c := range []struct {
		what string
		ctx  context.Context
		want bool
	}{{"has gone before", gone, false}, {"goes meanwhile", soon, false}, {"waits", late, true}} {
		conn, err := d.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c.ctx == soon {
			time.AfterFunc(50*time.Millisecond, leaveSoon)
		}
		if _, err = conn.Exec(c.ctx, `SELECT pg_sleep(30)`); err == nil || hung(err) != c.want {
			t.Errorf("a caller who %s: %v", c.what, err)
		}
		conn.Release()
	}
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// A program that starts while its database is away works when it is there: the
// schema is made then. What is wrong with an address is said at once.
func TestDatabaseAway(t *testing.T) {
	cluster, err := pgtest.Start(false)
	pgtest.Need(t, err)
	defer cluster.Stop()
	dsn := cluster.Database(t)
	if err := cluster.Down(false); err != nil {
		t.Fatal(err)
	}
	d := open(t, dsn)
	v := depottest.NewVault()
	if _, err := d.Commit(t.Context(), v, commitOn(1)); !errors.Is(err, depot.ErrUnavailable) {
		t.Errorf("commit: %v", err)
	}
	for range 2 {
		if err := d.Ping(t.Context()); !errors.Is(err, depot.ErrUnavailable) {
			t.Errorf("ping: %v", err)
		}
	}
	if err := cluster.Up(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := d.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	do(t, d, v, commitOn(1, blobtest.Record(1, 1)))
	check(t, d, v, 1, blobtest.Record(1, 1))
	nowhere := strings.Replace(dsn, "/t", "/nowhere", 1)
	if d, err := Open(t.Context(), nowhere); err == nil {
		d.Close()
		t.Error("a database that is not there was opened")
	}
}

// A host that stops taking writes under open connections is left: the next
// request looks for one that does.
func TestReadOnly(t *testing.T) {
	dsn := suite.DSN(t)
	d := open(t, dsn)
	v := depottest.NewVault()
	do(t, d, v, commitOn(1))
	conn := direct(t, dsn)
	name := conn.Config().Database
	run(t, conn, "ALTER DATABASE "+name+" SET default_transaction_read_only = on")
	err := d.Ping(t.Context())
	for try := 0; err == nil && try < 20; try++ { // the pool may be opening one just now, of before
		d.pool.Reset() // as connections of after a switch-over
		err = d.Ping(t.Context())
	}
	if !errors.Is(err, depot.ErrUnavailable) {
		t.Errorf("a host that takes no writes: %v", err)
	}
	run(t, conn, "SET default_transaction_read_only = off")
	run(t, conn, "ALTER DATABASE "+name+" SET default_transaction_read_only = off")
	do(t, d, v, commitOn(2))
	// And one that was opened before.
	held, err := d.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(t, held.Conn(), "SET default_transaction_read_only = on")
	held.Release()
	do(t, d, v, commitOn(3, blobtest.Record(1, 1)))
	check(t, d, v, 3, blobtest.Record(1, 1))
}

// Collect goes through more vaults than fit into one piece, and through what
// belongs to none.
func TestCollectPieces(t *testing.T) {
	dsn := suite.DSN(t)
	d := open(t, dsn)
	const vaults = 2*collectAtOnce + 500
	ids := make([][]byte, vaults)
	for i := range ids {
		v := depottest.NewVault()
		ids[i] = v[:]
	}
	conn := direct(t, dsn)
	run(t, conn, `INSERT INTO vaults (id, seq, chain, records, bytes, created) SELECT id, 2000, '', 0, 0, 0 FROM unnest($1::BYTEA[]) AS v (id)`, ids)
	ids = append(ids, make([]byte, 16), bytes.Repeat([]byte{0xff}, 16))
	run(t, conn, `INSERT INTO answers (vault, key, hash, time) SELECT id, k::TEXT::BYTEA, '', k FROM unnest($1::BYTEA[]) AS v (id), generate_series(1, 2) AS k`, ids)
	run(t, conn, `INSERT INTO manifests (vault, seq, time, body) SELECT id, 2000 - 999 * k, 1, '' FROM unnest($1::BYTEA[]) AS v (id), generate_series(0, 2) AS k`, ids)
	run(t, conn, `INSERT INTO notes (vault, kind, id, version, expires, body) SELECT id, k, '', 1, k, '' FROM unnest($1::BYTEA[]) AS v (id), generate_series(0, 3) AS k`, ids)
	got, err := d.Collect(t.Context(), depot.Retention{Now: time.UnixMilli(2)})
	if want := (depot.Collected{Answers: vaults + 2, Manifests: vaults, Notes: 2 * (vaults + 2)}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for table, want := range map[string]int{"answers": vaults + 2, "manifests": 2*vaults + 6, "notes": 2 * (vaults + 2), "vaults": vaults} {
		var n int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d, %v, want %d", table, n, err, want)
		}
	}
}
