package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// The real programs, three replicas of ov-server over one PostgreSQL behind a
// balancer: `ov import` goes on when the replica that it speaks to is killed, and
// ends right. Each secret is there, in one version; a second device reads all.
func TestImportOverReplicas(t *testing.T) {
	cluster, err := pgtest.Start(true)
	pgtest.Need(t, err)
	defer cluster.Stop()
	dsn := cluster.Database(t)
	w := newWorld(t, t.TempDir())
	t.Cleanup(func() { w.leave(t) })
	secrets, kills := size(600, 10_000), size(2, 12)
	if os.Getenv("SCALE") != "" {
		secrets, kills = 10_000, 12
	}
	balancer := servertest.NewBalancer(t)
	var replicas []*serverProc
	for i := range 3 {
		s := &serverProc{program: filepath.Join(filepath.Dir(w.env["OV_PROGRAM"]), "ov-server"), data: filepath.Join(w.work, fmt.Sprint("server", i)),
			log: filepath.Join(w.work, fmt.Sprintf("server%d.log", i)), env: []string{"OV_SERVER_DATABASE=" + dsn}}
		if i > 0 { // they share one key
			s.env = append(s.env, "OV_SERVER_KEY="+filepath.Join(replicas[0].data, "server.key"))
		}
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.stop)
		replicas = append(replicas, s)
		balancer.Add(s.address)
	}
	a, b, kit := filepath.Join(w.work, "a"), filepath.Join(w.work, "b"), filepath.Join(w.work, "kit")
	w.must(t, "", "--home", a, "vault", "init", "--server", "http://"+balancer.Addr().String(), "--kit", kit)
	var file strings.Builder
	for i := range secrets {
		fmt.Fprintf(&file, "SCALE_%05d=value-%d-of-a-replica\n", i, i)
	}
	source := w.file(t, "many.env", file.String())

	// 1. The import, and what is done to the replicas meanwhile.
	cmd := w.command("--home", a, "import", source, "--yes")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	killed := 0
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for err, done := error(nil), false; !done; {
		select {
		case err = <-ended:
			if done = true; err != nil {
				t.Fatalf("import: %v\n%s", err, out.Bytes())
			}
		case <-time.After(5 * time.Millisecond):
			if killed < kills && records(t, conn) > (killed+1)*secrets/(kills+1) {
				killBusy(t, balancer, replicas)
				killed++
			}
		}
	}
	took := time.Since(begin)

	// 2. What is there.
	if want := fmt.Sprintf("%d written, %d of them read back", secrets, secrets); !strings.Contains(out.String(), want) || killed != kills {
		t.Errorf("%d replicas killed\n%s", killed, out.Bytes()[max(0, out.Len()-500):])
	}
	w.must(t, "", "--home", b, "vault", "join", "--server", "http://"+balancer.Addr().String(), "--kit", kit)
	for _, home := range []string{a, b} {
		checkImported(t, w, home, secrets)
	}
	fmt.Printf("import over replicas: ov import of %d secrets in %s, %d replicas killed in the middle: each there, once\n", secrets, took.Round(10*time.Millisecond), killed)
	sizes(t, conn, secrets)
}

// records counts what the server has.
func records(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), `SELECT coalesce(sum(records), 0) FROM vaults`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// killBusy kills the replica that has a connection, and starts it again.
func killBusy(t *testing.T, b *servertest.Balancer, replicas []*serverProc) {
	t.Helper()
	for _, s := range replicas {
		if b.Busy(s.address) == 0 {
			continue
		}
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait() // killed
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkImported fails unless the vault of home has each secret, once, with its value.
func checkImported(t *testing.T, w *world, home string, secrets int) {
	t.Helper()
	var list []struct {
		Name    string
		Version int
	}
	if err := json.Unmarshal([]byte(w.must(t, "", "--home", home, "secret", "list", "--json").stdout), &list); err != nil {
		t.Fatal(err)
	}
	for i, s := range list {
		if want := fmt.Sprintf("SCALE_%05d", i); s.Name != want || s.Version != 1 {
			t.Fatalf("%s: %s, version %d, want %s, version 1", home, s.Name, s.Version, want)
		}
	}
	if len(list) != secrets {
		t.Errorf("%s: %d secrets, want %d", home, len(list), secrets)
	}
	if r := w.must(t, "", "--home", home, "vault", "verify"); !strings.Contains(r.stdout, fmt.Sprintf("%d of %d records are readable", secrets, secrets)) {
		t.Errorf("%s: %s", home, r.stdout)
	}
	script := fmt.Sprintf(`test "$A" = value-%d-of-a-replica`, secrets-1)
	w.must(t, "", "--home", home, "run", "--secrets", fmt.Sprintf("A=SCALE_%05d", secrets-1), "--", "sh", "-c", script)
}

// sizes prints what a secret and a commit take in the database.
func sizes(t *testing.T, conn *pgx.Conn, secrets int) {
	t.Helper()
	for _, table := range []string{"vaults", "records", "manifests", "answers", "notes"} {
		var rows, bytes, indexes int
		var row float64
		sql := fmt.Sprintf(`SELECT count(*), avg(pg_column_size(r.*)), pg_table_size('%s'), pg_indexes_size('%s') FROM %s AS r`, table, table, table)
		if err := conn.QueryRow(t.Context(), sql).Scan(&rows, &row, &bytes, &indexes); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("import over replicas: %-9s %6d rows of %4.0f bytes, %8d bytes on disk and %7d of indexes\n", table, rows, row, bytes, indexes)
	}
	var data, manifest float64
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT avg(size) FROM records WHERE kind = 4), (SELECT avg(length(body)) FROM manifests)`).Scan(&data, &manifest); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("import over replicas: a secret's record %.0f bytes, a manifest %.0f, of %d secrets\n", data, manifest, secrets)
}
