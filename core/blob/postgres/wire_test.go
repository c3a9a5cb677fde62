package postgres

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
)

// A wire passes a database's connections on. Armed, it lets one message go to
// the database and cuts the connection before the answer.
type wire struct {
	net.Listener
	to   string // the database's socket
	mu   sync.Mutex
	last func(message []byte) bool // is it this one?
	done func()                    // waits until the database has done it
	cuts int
}

func newWire(t *testing.T, dsn string) (*wire, string) {
	t.Helper()
	conf, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	_, to := pgconn.NetworkAddress(conf.Host, conf.Port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &wire{Listener: l, to: to}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(in)
		}
	}()
	return w, "postgres://postgres@" + l.Addr().String() + "/" + conf.Database + "?sslmode=disable&pool_max_conns=1"
}

func (w *wire) serve(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("unix", w.to)
	if err != nil {
		return
	}
	defer out.Close()
	var mute atomic.Bool
	go func() {
		defer in.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := out.Read(b)
			if err != nil {
				return
			}
			if !mute.Load() {
				_, _ = in.Write(b[:n]) // the other side sees it too
			}
		}
	}()
	b := make([]byte, 1<<20)
	for {
		n, err := in.Read(b)
		if err != nil {
			return
		}
		done := w.is(b[:n])
		mute.Store(done != nil)
		if _, err := out.Write(b[:n]); err != nil {
			return
		}
		if done != nil {
			done()
			return
		}
	}
}

// is returns what to wait for if this is the last message.
func (w *wire) is(message []byte) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil || !w.last(message) {
		return nil
	}
	w.last = nil
	w.cuts++
	return w.done
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts
}

func (w *wire) arm(last func([]byte) bool, done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.done = last, done
}

// 19, at the database: the connection is lost after the commit and before its
// answer. The commit is found made, and was made once.
func TestAttack19AnswerLost(t *testing.T) {
	dsn := suite.DSN(t)
	through, address := newWire(t, dsn)
	seen, d := open(t, dsn), open(t, address)
	v := depottest.NewVault()
	do(t, d, v, commitOn(1, blobtest.Record(1, 1)))
	do(t, d, v, commitOn(2, blobtest.Record(2, 1))) // the statement is prepared now
	want := []blob.Record{blobtest.Record(2, 1)}
	for i, c := range []struct {
		what  string
		last  string // of the message, part
		purge []blob.Key
	}{{"one statement", "", nil}, {"one transaction", "commit\x00", []blob.Key{blobtest.Key(1, 1)}}} {
		seq := 3 + i
		r := blobtest.Record(seq, 1)
		next := commitOn(seq, r)
		next.Purge = c.purge
		through.arm(func(m []byte) bool {
			return bytes.Contains(m, []byte(c.last)) && !bytes.Contains(m, []byte("-- ping"))
		}, func() {
			for t.Context().Err() == nil {
				if h, err := seen.Head(context.WithoutCancel(t.Context()), v); err == nil && h.Seq == uint64(seq) {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
		before, err := d.Commit(t.Context(), v, next)
		if cuts := through.count(); err != nil || !before || cuts != i+1 {
			t.Fatalf("%s: before %v, %v, %d cuts", c.what, before, err, cuts)
		}
		if i == 0 {
			want = append(want, blobtest.Record(1, 1))
		} else {
			want = []blob.Record{blobtest.Record(2, 1), blobtest.Record(3, 1)}
		}
		want = append(want, r)
		check(t, seen, v, seq, want...)
	}
	fmt.Println("attack 19: the connection to the database is lost after the commit: found made, made once")
}
