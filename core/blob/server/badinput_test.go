package server_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// A body of a gibibyte is refused by its announcement, or as it comes, and is
// never held.
func TestGiantBody(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	for what, path := range map[string]string{"commit": v.path("commits"), "part": v.path("uploads", strings.Repeat("0", 32), "0"), "records": v.path("records"), "sealed": wire.PathSealed} {
		method := "POST"
		if what == "part" {
			method = "PUT"
		}
		for _, announced := range []bool{true, false} {
			body := &endless{}
			body.left.Store(1 << 30)
			req, err := http.NewRequestWithContext(t.Context(), method, rig.HTTP.URL+path, body)
			if err != nil {
				t.Fatal(err)
			}
			if req.ContentLength = -1; announced {
				req.ContentLength = 1 << 30
			}
			auth, err := channel.Sign(channel.Request{Method: method, Host: req.URL.Host, Path: path}, v.dev, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", auth)
			req.Header.Set(wire.HeaderIdempotency, "x")
			resp, err := http.DefaultClient.Do(req)
			if err != nil { // the server may close before the client has stopped writing
				if left := body.left.Load(); left < 1<<29 {
					t.Errorf("%s: %d bytes were taken, %v", what, 1<<30-left, err)
				}
				continue
			}
			resp.Body.Close()
			if left := body.left.Load(); resp.StatusCode != http.StatusRequestEntityTooLarge || left < 1<<29 {
				t.Errorf("%s, announced %v: %d, %d bytes were taken", what, announced, resp.StatusCode, 1<<30-left)
			}
		}
	}
	blobtest.Check(t, v, 1, blobtest.Record(1, 1))
}

// An endless reader gives zeros.
type endless struct{ left atomic.Int64 }

// Read implements io.Reader.
func (e *endless) Read(b []byte) (int, error) {
	n := min(int64(len(b)), e.left.Load())
	clear(b[:n])
	if e.left.Add(-n); n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

// Half a request: the connection ends in the body. Nothing is stored, and the
// server goes on.
func TestHalfRequest(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	body := v.commitBody(t, 2, blobtest.Record(2, 1))
	r := channel.Request{Method: "POST", Host: rig.HTTP.Listener.Addr().String(), Path: v.path("commits"), Body: sha256.Sum256(body)}
	for _, cut := range []int{0, 1, len(body) / 2, len(body) - 1} {
		auth, err := channel.Sign(r, v.dev, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n%s: half%d\r\nContent-Length: %d\r\n\r\n", r.Path, r.Host, auth, wire.HeaderIdempotency, cut, len(body))
		_, _ = conn.Write(body[:cut])
		_ = conn.(*net.TCPConn).CloseWrite()
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			if resp.StatusCode != 400 {
				t.Errorf("cut at %d: %d", cut, resp.StatusCode)
			}
			resp.Body.Close()
		}
		conn.Close()
	}
	blobtest.Check(t, v, 1, blobtest.Record(1, 1))
}

// A failing depot fails as it is told.
type failing struct {
	depot.Depot
	err error
}

func (f *failing) Head(ctx context.Context, v depot.Vault) (depot.Head, error) {
	if f.err != nil {
		return depot.Head{}, f.err
	}
	return f.Depot.Head(ctx, v)
}

func (f *failing) Commit(ctx context.Context, v depot.Vault, c depot.Commit) (bool, error) {
	if f.err != nil {
		return false, f.err
	}
	return f.Depot.Commit(ctx, v, c)
}

func (f *failing) Ping(ctx context.Context) error {
	if f.err != nil {
		return f.err
	}
	return f.Depot.Ping(ctx)
}

// What goes wrong below has a status, a code, and a name at the client; what was
// not foreseen is an internal error whose text stays on the server.
func TestFailingDepot(t *testing.T) {
	log := &logbook{}
	d := &failing{Depot: servertest.NewDepot(t)}
	rig := servertest.Start(t, server.Config{Depot: d, Log: slog.New(slog.NewJSONHandler(log, nil))})
	v := newVault(t, rig)
	for _, c := range []struct {
		err    error
		status int
		code   string
		client error
	}{
		{depot.ErrUnavailable, 503, wire.CodeUnavailable, httpblob.ErrOffline},
		{blob.ErrFull, 507, wire.CodeFull, blob.ErrFull},
		{depot.ErrQuota, 507, wire.CodeQuota, httpblob.ErrQuota},
		{errors.New("the plan of row 17 is CANARY"), 500, wire.CodeInternal, httpblob.ErrServer},
	} {
		d.err = fmt.Errorf("write: %w", c.err)
		a := send(t, rig, request{method: "GET", path: v.path("head"), signer: v.dev})
		wantProblem(t, c.code, a, c.status, c.code)
		if c.status == 503 && a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		if strings.Contains(string(a.body), "CANARY") || strings.Contains(string(a.body), "row 17") {
			t.Errorf("an answer tells what only the log may: %s", a.body)
		}
		_, err := v.Store.Head(t.Context())
		want(t, c.code, err, c.client)
		if a := send(t, rig, request{method: "GET", path: "/readyz"}); a.status != 503 {
			t.Errorf("%s: ready: %d", c.code, a.status)
		}
		if a := send(t, rig, request{method: "GET", path: "/healthz"}); a.status != 200 {
			t.Errorf("%s: alive: %d", c.code, a.status)
		}
	}
	d.err = nil
	blobtest.Check(t, v, 1, blobtest.Record(1, 1))
	if !strings.Contains(log.String(), "row 17") {
		t.Error("the log does not tell the cause")
	}
	rig.Server.Drain()
	wantProblem(t, "draining", send(t, rig, request{method: "GET", path: "/readyz"}), 503, wire.CodeUnavailable)
}

// panicking panics with what it was given.
type panicking struct{ depot.Depot }

func (panicking) Changes(_ context.Context, v depot.Vault, _ uint64) ([]blob.Entry, error) {
	panic(fmt.Sprintf("CANARY of vault %x", v))
}

// 24: a panic is an internal error that says nothing, in the answer or the log.
func TestAttack24Panic(t *testing.T) {
	log := &logbook{}
	rig := servertest.Start(t, server.Config{Depot: panicking{servertest.NewDepot(t)}, Log: slog.New(slog.NewJSONHandler(log, nil))})
	v := newVault(t, rig)
	a := send(t, rig, request{method: "GET", path: v.path("changes"), query: "since=0", signer: v.dev, header: http.Header{"X-Note": {"CANARY"}, "User-Agent": {"CANARY"}}})
	wantProblem(t, "a panic", a, 500, wire.CodeInternal)
	send(t, rig, request{method: "POST", path: v.path("commits"), signer: v.dev, body: []byte(`{"CANARY":`), header: idempotency("CANARY")})
	send(t, rig, request{method: "GET", path: "/CANARY", query: "CANARY=1"})
	if text := log.String(); strings.Contains(text, "CANARY") || strings.Contains(string(a.body), "CANARY") {
		t.Errorf("%s\n%s", text, a.body)
	}
	if !strings.Contains(log.String(), "panic of type string at") || !strings.Contains(log.String(), "badinput_test.go") {
		t.Errorf("the log does not say where: %s", log)
	}
	if a := send(t, rig, request{method: "GET", path: "/metrics"}); !strings.Contains(string(a.body), "ov_panics_total 1") {
		t.Error("the panic was not counted")
	}
	fmt.Println("attack 24: panics, headers, paths and malformed bodies: nothing of them in answer or log")
}

// A clock that is off is told apart from everything else, with both times.
func TestClockOff(t *testing.T) {
	c := newClock()
	rig := servertest.Start(t, server.Config{Now: c.now})
	v := newVault(t, rig)
	c.add(time.Hour)
	_, err := v.Store.Head(t.Context())
	refused, ok := errors.AsType[*httpblob.RefusedError](err)
	if !ok || refused.Code != wire.CodeSkew || !strings.Contains(err.Error(), "here and") || strings.Count(err.Error(), "Z") < 2 {
		t.Errorf("%v", err)
	}
	want(t, "an hour off", err, httpblob.ErrRefused)
}

// Ids that are SQL are no ids; keys of records are bytes, whatever they spell.
func TestSQLInNames(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		evil := blobtest.Record(2, 1)
		copy(evil.ID[:], `x'); DROP TABLE records; --`)
		copy(evil.Group[:], `'; DELETE FROM x`)
		if err := v.Commit(t.Context(), blobtest.Commit(2, evil)); err != nil {
			t.Fatal(err)
		}
		blobtest.Check(t, v, 2, blobtest.Record(1, 1), evil)
		for _, path := range []string{
			v.path("manifests", "1%20OR%201=1"), v.path("records", "4", "x'%3B%20DROP%20TABLE%20records", "1"), v.path("records", "4%20", strings.Repeat("0", 64), "1"),
			v.path("records", "256", strings.Repeat("0", 64), "1"), v.path("records", "4", strings.Repeat("0", 64), "-1"), v.path("manifests", "18446744073709551615"),
		} {
			wantProblem(t, path, send(t, rig, request{method: "GET", path: path, signer: v.dev}), 400, wire.CodeInvalid)
		}
		for _, q := range []string{"", "since=", "since=-1", "since=1;since=2", "since=9999999999999999999", "since=0'--"} {
			wantProblem(t, q, send(t, rig, request{method: "GET", path: v.path("changes"), query: q, signer: v.dev}), 400, wire.CodeInvalid)
		}
		blobtest.Check(t, v, 2, blobtest.Record(1, 1), evil)
	})
}

// No server, and servers that are something else.
func TestOffline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dev := servertest.NewDevice()
	_, err = servertest.Open(t, httpblob.Options{URL: "http://" + addr, Signer: dev}).Head(t.Context())
	want(t, "nobody there", err, httpblob.ErrOffline)
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = servertest.Open(t, httpblob.Options{URL: "http://" + addr, Signer: dev}).Head(cut)
	want(t, "cancelled", err, context.Canceled)
	for bad, says := range map[string]string{
		"http://ov.example": "loopback", "ftp://127.0.0.1": "https://", "https://": "https://", "https://h/path": "https://", "https://u:hunter2@h": "https://", "://": "address",
	} {
		_, err := httpblob.New(httpblob.Options{URL: bad, Signer: dev})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := httpblob.New(httpblob.Options{URL: "https://h", ServerKey: []byte("short")}); !errors.Is(err, channel.ErrKey) {
		t.Errorf("a pinned key that is none: %v", err)
	}
}
