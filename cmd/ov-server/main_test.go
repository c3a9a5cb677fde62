package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/disktest"
)

var suite pgtest.Suite // of this test binary

// TestMain is ov-server itself when the tests start it.
func TestMain(m *testing.M) {
	if os.Getenv("BE_OV_SERVER") != "" {
		main()
	}
	os.Exit(suite.Run(m))
}

// A process is a running ov-server.
type process struct {
	cmd  *exec.Cmd
	pipe io.Reader
	out  []string // what it said before it was ready
	addr string
	log  syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func command(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append([]string{"BE_OV_SERVER=1", "PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// start runs `ov-server serve` and waits until it says what to do next.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := launch(t, env, args...)
	p.ready(t)
	return p
}

// launch runs `ov-server serve`.
func launch(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(t, env, append([]string{"serve"}, args...)...)}
	p.cmd.Stderr = &p.log
	var err error
	if p.pipe, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// ready waits until it says what to do next.
func (p *process) ready(t testing.TB) {
	t.Helper()
	lines := bufio.NewScanner(p.pipe)
	for lines.Scan() {
		p.out = append(p.out, lines.Text())
		if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "address" {
			p.addr = f[1]
		}
		if strings.HasPrefix(lines.Text(), "Next") {
			go func() { _, _ = io.Copy(io.Discard, p.pipe) }()
			return
		}
	}
	t.Fatalf("it ended: %s", p.log.String())
}

// kill ends it at once.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // killed
}

// stop ends it as a service manager does, and waits.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, p.log.String())
	}
}

// store is a client of p, which has pinned its key.
func (p *process) store(t *testing.T, id [16]byte, dev *servertest.Device, roots *x509.CertPool) *servertest.Signed {
	t.Helper()
	o := httpblob.Options{URL: p.addr, Vault: id, Signer: dev, RootCAs: roots}
	key, err := servertest.Open(t, o).ServerKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if o.ServerKey = key; !strings.Contains(strings.Join(p.out, "\n"), fingerprint(key)) {
		t.Errorf("it did not say its fingerprint: %q", p.out)
	}
	return servertest.NewSigned(servertest.Open(t, o), id, dev)
}

// Without any configuration it works: a database in a folder of the user's, a
// key, sealed requests on loopback, and it says what to do next.
func TestServe(t *testing.T) {
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_DATA_HOME=" + filepath.Join(home, "data")}
	args := []string{"--listen", "127.0.0.1:0"} // so that tests can run side by side
	p := start(t, env, args...)
	if said := strings.Join(p.out, "\n"); !strings.Contains(said, "http://127.0.0.1:") || !strings.Contains(said, "sealed requests only") {
		t.Errorf("%s", said)
	}
	id, dev := depottest.NewVault(), servertest.NewDevice()
	s := p.store(t, id, dev, nil)
	if err := s.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); err != nil {
		t.Fatal(err)
	}
	_, err := servertest.Open(t, httpblob.Options{URL: p.addr, Vault: id, Signer: dev}).Head(t.Context())
	if !errors.Is(err, httpblob.ErrSealedOnly) {
		t.Errorf("unsealed: %v", err)
	}
	for path, want := range map[string]string{"/healthz": `"ok"`, "/readyz": `"ready"`, "/metrics": "ov_requests_total", "/openapi.json": `"3.1.0"`, "/": "<title>ov-server</title>"} {
		if b := get(t, p.addr+path); !strings.Contains(b, want) {
			t.Errorf("%s: %.80s", path, b)
		}
	}
	dir := filepath.Join(home, "data", "ov-server")
	for name, mode := range map[string]os.FileMode{"": 0o700, "server.db": 0o600, "server.key": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	p.stop(t)
	again := start(t, env, args...)
	blobtest.Check(t, again.store(t, id, dev, nil), 1, blobtest.Record(1, 1))
	again.stop(t)
	for _, log := range []string{p.log.String(), again.log.String()} {
		if !strings.Contains(log, `"msg":"stopped"`) || strings.Contains(log, fmt.Sprintf("%x", id)) {
			t.Errorf("%s", log)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// certificate writes one for 127.0.0.1 and returns the pool that trusts it.
func certificate(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	private, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: s.Certificate().Raw}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return cert, key, pool
}

// With a certificate of its own it speaks TLS 1.3 with the hybrid group and
// nothing else, sealed or not; a client without the group or the certificate
// says which side lacks what.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := certificate(t, dir)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	metrics := free.Addr().String()
	free.Close()
	p := start(t, []string{"HOME=" + dir}, "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--metrics-listen", metrics)
	for path, want := range map[string]string{"/healthz": `"ok"`, "/readyz": `"ready"`, "/metrics": "ov_requests_running", "/v1/key": "404"} {
		if b := get(t, "http://"+metrics+path); !strings.Contains(b, want) {
			t.Errorf("%s: %.80s", path, b)
		}
	}
	id, dev := depottest.NewVault(), servertest.NewDevice()
	open := servertest.NewSigned(servertest.Open(t, httpblob.Options{URL: p.addr, Vault: id, Signer: dev, RootCAs: pool}), id, dev)
	if err := open.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); err != nil {
		t.Fatal(err)
	}
	blobtest.Check(t, p.store(t, id, dev, pool), 1, blobtest.Record(1, 1))
	for what, conf := range map[string]*tls.Config{
		"X25519 alone": {RootCAs: pool, CurvePreferences: []tls.CurveID{tls.X25519}},
		"TLS 1.2":      {RootCAs: pool, MaxVersion: tls.VersionTLS12},
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
		_, err := servertest.Open(t, httpblob.Options{URL: p.addr, Vault: id, Signer: dev, HTTP: client}).Head(t.Context())
		if !errors.Is(err, httpblob.ErrOffline) || !errors.Is(err, channel.ErrHybrid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = servertest.Open(t, httpblob.Options{URL: p.addr, Vault: id, Signer: dev, RootCAs: x509.NewCertPool()}).Head(t.Context())
	if !errors.Is(err, httpblob.ErrOffline) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
	p.stop(t)
	_, err = servertest.Open(t, httpblob.Options{URL: p.addr, Vault: id, Signer: dev, RootCAs: pool}).Head(t.Context())
	if !errors.Is(err, httpblob.ErrOffline) {
		t.Errorf("server down: %v", err)
	}
}

// A request under way when the service manager says stop is answered.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	p := start(t, []string{"HOME=" + dir, "OV_SERVER_DRAIN_DELAY=300ms"}, "--data", dir, "--listen", "127.0.0.1:0")
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.addr, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := "not sealed at all"
	fmt.Fprintf(conn, "POST /v1/sealed HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:5])
	time.Sleep(50 * time.Millisecond) // it is being read
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(p.log.String(), `"draining"`) && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Fprint(conn, body[5:])
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("%v, %v", resp, err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// runs runs a command to its end in this process.
func runs(t *testing.T, env []string, args ...string) (code int, out string) {
	t.Helper()
	var b bytes.Buffer
	code = run(args, env, &b, &b)
	return code, b.String()
}

// A backup of a running SQLite server goes into PostgreSQL, where it serves on.
func TestBackupRestore(t *testing.T) {
	dsn := suite.DSN(t)
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	p := start(t, nil, "--data", data, "--listen", "127.0.0.1:0")
	id, dev := depottest.NewVault(), servertest.NewDevice()
	s := p.store(t, id, dev, nil)
	for seq := 1; seq <= 3; seq++ {
		if err := s.Commit(t.Context(), blobtest.Commit(seq, blobtest.Record(seq, 1))); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := runs(t, nil, "backup", "--data", data, file); code != 0 || !strings.Contains(out, "1 vaults") {
		t.Fatalf("%d %s", code, out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	p.stop(t)
	if code, out := runs(t, nil, "restore", "--data", data, file); code == 0 || !strings.Contains(out, "empty database") {
		t.Errorf("restore over what is there: %d %s", code, out)
	}
	if code, out := runs(t, nil, "restore", "--database", dsn, "--data", data, file); code != 0 || !strings.Contains(out, "1 vaults") {
		t.Fatalf("%d %s", code, out)
	}
	moved := start(t, []string{"OV_SERVER_DATABASE=" + dsn}, "--data", data, "--listen", "127.0.0.1:0")
	s = moved.store(t, id, dev, nil)
	blobtest.Check(t, s, 3, blobtest.Record(1, 1), blobtest.Record(2, 1), blobtest.Record(3, 1))
	if err := s.Commit(t.Context(), blobtest.Commit(4)); err != nil {
		t.Error(err, moved.log.String())
	}
	moved.stop(t)
	if code, out := runs(t, nil, "gc", "--database", dsn, "--data", data); code != 0 || !strings.Contains(out, "removed") {
		t.Errorf("gc: %d %s", code, out)
	}
	for _, c := range []struct{ id, says string }{{"x", "not an id"}, {strings.Repeat("0", 32), "not here"}, {fmt.Sprintf("%x", id), "removed"}, {fmt.Sprintf("%x", id), "not here"}} {
		if _, out := runs(t, nil, "remove", "--database", dsn, "--data", data, c.id); !strings.Contains(out, c.says) {
			t.Errorf("remove %s: %s", c.id, out)
		}
	}
	// A file that was cut is not read at all.
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := runs(t, nil, "restore", "--data", filepath.Join(dir, "fresh"), file); code == 0 || !strings.Contains(out, "damaged or cut") {
		t.Errorf("a cut file: %d %s", code, out)
	}
}

// A full disk: nothing is acknowledged that is not there, the client is told,
// and when there is room again it goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	disk := disktest.Mount(t, dir, "2m") // without one: the answer to a full disk is TestFailingDepot's as well
	p := start(t, nil, "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")
	id, dev := depottest.NewVault(), servertest.NewDevice()
	s := p.store(t, id, dev, nil)
	var stored []blob.Record
	var full error
	for i := 1; i < 500 && full == nil; i++ {
		r := blobtest.Record(i, 1)
		r.Data = make([]byte, 20_000)
		if full = s.Commit(t.Context(), blobtest.Commit(i, r)); full == nil {
			stored = append(stored, r)
		}
	}
	if !errors.Is(full, blob.ErrFull) || len(stored) < 3 {
		t.Fatalf("%d stored, %v", len(stored), full)
	}
	blobtest.Check(t, s, len(stored), stored...)
	disk.Grow("16m")
	next := blobtest.Record(999, 1)
	if err := s.Commit(context.WithoutCancel(t.Context()), blobtest.Commit(len(stored)+1, next)); err != nil {
		t.Fatal(err)
	}
	blobtest.Check(t, s, len(stored)+1, append(stored, next)...)
	p.stop(t)
}
