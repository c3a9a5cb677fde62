package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/disktest"
)

// away answers nothing, then hands over to the service again: as a network
// that is gone for a while. It counts the connections that it dropped.
type away struct {
	service http.Handler
	until   atomic.Int64 // Unix nanoseconds
	after   atomic.Int64 // reads that still get through
	length  time.Duration
	lists   atomic.Int64 // listings that are cut off
	dropped atomic.Int64
}

func (a *away) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/data/") && a.after.Add(-1) == 0 {
		a.until.Store(time.Now().Add(a.length).UnixNano())
	}
	listing := r.Method == "SCAN" && a.lists.Add(-1) >= 0
	if listing || time.Now().UnixNano() < a.until.Load() {
		a.dropped.Add(1)
		panic(http.ErrAbortHandler)
	}
	a.service.ServeHTTP(w, r)
}

// TestNetworkGone: a listing that breaks off and ten seconds without an answer
// in the middle of an import lose nothing.
func TestNetworkGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 40 {
		w.service.set(fmt.Sprintf("KEY_%02d", i), fmt.Sprintf("value number %02d", i))
	}
	gone := &away{service: w.service.Config.Handler, length: 10 * time.Second}
	gone.after.Store(15)
	gone.lists.Store(2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: gone}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	w.env = append(w.env, "VAULT_ADDR=http://"+l.Addr().String())
	w.must(t, "import", "vault://secret", "-a", "gone", "--yes").says(t, "40 written, 40 of them read back")
	if n := gone.dropped.Load(); n < 8 {
		t.Errorf("%d calls met the outage: it did not happen", n)
	}
}

// TestNobodyThere: an address that nothing answers at is an error of seconds.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "VAULT_ADDR=http://127.0.0.1:1")
	w.exits(t, 1, "import", "vault://secret").says(t, "127.0.0.1:1", "refused")
	w.env = append(w.env, "VAULT_ADDR=https://nosuch.invalid")
	w.exits(t, 1, "import", "vault://secret").says(t, "nosuch.invalid")
}

// TestListDenied: who may read but not list is told what is missing.
func TestListDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.service.set("KEY", "may be read by name")
	inner := w.service.Config.Handler
	w.service.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == "SCAN" || r.Method == "LIST" || r.URL.Query().Get("list") == "true" {
			http.Error(rw, `{"errors":["permission denied"]}`, http.StatusForbidden)
			return
		}
		inner.ServeHTTP(rw, r)
	})
	w.exits(t, 1, "import", "vault://secret", "-a", "l", "--yes").says(t, "permission denied", "list")
}

// TestDiskFull: an import onto a full disk acknowledges nothing that is not
// there, and goes on when there is room.
func TestDiskFull(t *testing.T) {
	w := newWorld(t)
	w.must(t, "agent", "stop")
	small := filepath.Join(w.dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	disk := disktest.Mount(t, small, "900k")
	w.home = filepath.Join(small, "ov")
	w.env = append(w.env, "OV_HOME="+w.home)
	w.must(t, "vault", "init", "--kit", filepath.Join(w.dir, "kit-small"))
	w.must(t, "unlock")
	for i := range 300 {
		w.service.set(fmt.Sprintf("KEY_%03d", i), fmt.Sprintf("canary-%03d-", i)+strings.Repeat("x", 2000))
	}
	r := w.exits(t, 1, "import", "vault://secret", "-a", "f", "--yes")
	if strings.Contains(r.out+r.err, "canary") {
		t.Error("a value is shown")
	}
	disk.Grow("32m")
	w.must(t, "import", "resume")
	w.must(t, "import", "vault://secret", "-a", "f", "--yes")
	got := w.versions(t, "f")
	if len(got) != 300 {
		t.Errorf("%d secrets, want 300", len(got))
	}
	for name, n := range got {
		if n != 1 {
			t.Errorf("%s has version %d", name, n)
		}
	}
	w.must(t, "import", "verify", "vault://secret", "-a", "f")
	w.must(t, "vault", "verify")
	w.must(t, "audit", "verify")
	w.clean(t, "canary-007-"+strings.Repeat("x", 50))
}
