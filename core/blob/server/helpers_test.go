package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// campaign is set for the long forms of the attacks.
func campaign() bool { return os.Getenv("ATTACK") != "" }

// A vault is one that a rig holds, and its device.
type vault struct {
	*servertest.Signed
	rig *servertest.Rig
	id  depot.Vault
	dev *servertest.Device
}

// newVault makes a vault of one commit with one record.
func newVault(t testing.TB, rig *servertest.Rig) *vault {
	t.Helper()
	v := &vault{rig: rig, id: depottest.NewVault(), dev: servertest.NewDevice()}
	v.Signed = servertest.NewSigned(rig.Store(t, v.id, v.dev), v.id, v.dev)
	if err := v.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); err != nil {
		t.Fatal(err)
	}
	return v
}

// A request is one that is sent openly, signed by whom one likes, and changed
// after it was signed if one likes.
type request struct {
	method, path, query string
	body                []byte
	signer              channel.Signer
	at                  time.Time // signed at; zero: now
	header              http.Header
	change              func(*http.Request)
}

// An answer is what came back.
type answer struct {
	status int
	body   []byte
	header http.Header
	wire.Problem
}

func send(t testing.TB, rig *servertest.Rig, r request) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, rig.HTTP.URL+r.path, bytes.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.RawQuery = r.query
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.signer != nil {
		if r.at.IsZero() {
			r.at = time.Now()
		}
		signed := channel.Request{Method: r.method, Host: req.URL.Host, Path: req.URL.EscapedPath(), Query: r.query, Body: sha256.Sum256(r.body)}
		auth, err := channel.Sign(signed, r.signer, r.at)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", auth)
	}
	if r.change != nil {
		r.change(req)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(a.body, &a.Problem) // many answers are none
	return a
}

// path is that of something of the vault.
func (v *vault) path(parts ...string) string {
	return wire.PathVaults + hex.EncodeToString(v.id[:]) + "/" + strings.Join(parts, "/")
}

// commitBody is the next commit of the vault, as it travels.
func (v *vault) commitBody(t testing.TB, seq int, put ...blob.Record) []byte {
	t.Helper()
	c, err := v.Wrap(t.Context(), blobtest.Commit(seq, put...))
	if err != nil {
		t.Fatal(err)
	}
	return (&wire.Commit{Commit: c}).Encode()
}

func idempotency(key string) http.Header { return http.Header{wire.HeaderIdempotency: {key}} }

func wantProblem(t testing.TB, what string, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.Code != code {
		t.Errorf("%s: %d %q (%s), want %d %q", what, a.status, a.Code, a.Message, status, code)
	}
}

func want(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: %v, want %v", what, err, target)
	}
}

// A logbook keeps what a server logs.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String returns all of it.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A clock is set by the test.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// depots runs a test over both kinds of depot.
func depots(t *testing.T, test func(*testing.T, server.Config)) {
	t.Run("SQLite", func(t *testing.T) { test(t, server.Config{}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, server.Config{Depot: openPostgres(t)}) })
}

func readCloser(b []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(b)) }
