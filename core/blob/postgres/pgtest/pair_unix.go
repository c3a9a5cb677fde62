//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	loopback = "127.0.0.1"
	// theStandby is the name under which the standby asks the primary for its log.
	theStandby = "standby"
)

// A Pair is a primary on loopback and a standby that confirms each of its commits.
type Pair struct{ Primary, Standby *Cluster }

// StartPair makes both and waits until commits are confirmed.
func StartPair() (*Pair, error) {
	primary, err := newCluster(true)
	if err != nil {
		return nil, err
	}
	if primary.port, err = freePort(); err != nil {
		primary.Stop()
		return nil, err
	}
	// On the command line, so that it stays when the primary comes back, and the
	// standby, which begins as its copy, does not have it.
	primary.more = []string{"-c", "synchronous_standby_names=" + theStandby}
	if err := primary.empty(); err != nil {
		return nil, err
	}
	p := &Pair{Primary: primary}
	if err := p.addStandby(); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (p *Pair) addStandby() error {
	standby, err := newCluster(true)
	if err != nil {
		return err
	}
	if standby.port, err = freePort(); err != nil {
		standby.Stop()
		return err
	}
	from := fmt.Sprintf("host=%s port=%d user=postgres application_name=%s", loopback, p.Primary.port, theStandby)
	if err := standby.begin("pg_basebackup", "-D", standby.data(), "-d", from, "-R", "-X", "stream", "-c", "fast"); err != nil {
		return err
	}
	p.Standby = standby
	return p.confirmed()
}

// confirmed waits until the primary waits for the standby, for at most a minute.
func (p *Pair) confirmed() error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		state, err := p.Primary.ask(`SELECT coalesce(max(sync_state), '') FROM pg_stat_replication`)
		if err != nil || state == "sync" {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("standby does not confirm (%q): %s", state, p.Standby.Log())
		}
	}
}

// ask returns the one value of a query.
func (c *Cluster) ask(query string) (s string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.dsn("postgres"))
	if err != nil {
		return "", err
	}
	return s, errors.Join(conn.QueryRow(ctx, query).Scan(&s), conn.Close(ctx))
}

// Promote makes the standby a primary, as an administrator does, and returns
// when it is one. It has no standby of its own then, and waits for none.
func (p *Pair) Promote() error {
	if out, err := p.Standby.command("pg_ctl", "promote", "-D", p.Standby.data(), "-w", "-t", "60").CombinedOutput(); err != nil {
		return fmt.Errorf("pg_ctl promote: %w: %s", err, out)
	}
	return nil
}

// Database makes a new database on the primary and returns its address on both
// hosts, the primary first.
func (p *Pair) Database(t testing.TB) string {
	t.Helper()
	name := p.Primary.create(t)
	return fmt.Sprintf("postgres://postgres@%s:%d,%s:%d/%s?sslmode=disable", loopback, p.Primary.port, loopback, p.Standby.port, name)
}

// Port returns the port on loopback; 0 for a cluster that has none.
func (c *Cluster) Port() int { return c.port }

// Of returns the address of the database of dsn on one host alone.
func (c *Cluster) Of(t testing.TB, dsn string) string {
	t.Helper()
	conf, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c.dsn(conf.Database)
}

// Stop stops both and removes all of them.
func (p *Pair) Stop() {
	p.Primary.Stop()
	if p.Standby != nil {
		p.Standby.Stop()
	}
}

// freePort returns a port of loopback that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
