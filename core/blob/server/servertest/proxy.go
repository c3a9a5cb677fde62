package servertest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// A Proxy stands before a server as those of companies do: it ends the TLS of
// what comes, keeps all of it, and passes it on, changed if a test says so.
type Proxy struct {
	*httptest.Server
	mu                sync.Mutex
	seen              bytes.Buffer
	requests, answers [][]byte
	change            func(request bool, body []byte) []byte
}

// NewProxy starts a Proxy before the server at a URL.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{}
	rp := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			b, err := io.ReadAll(r.Body)
			dump, _ := httputil.DumpResponse(r, false)
			b = p.pass(&p.answers, dump, b)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
			r.Header.Set("Content-Length", fmt.Sprint(len(b)))
			return err
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, false)
		b, _ := io.ReadAll(r.Body)
		b = p.pass(&p.requests, dump, b)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		rp.ServeHTTP(rw, r)
	}))
	p.Server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}
	p.Server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// pass keeps a message, as it came, and returns the body that goes on.
func (p *Proxy) pass(kept *[][]byte, head, body []byte) []byte {
	p.mu.Lock()
	p.seen.Write(head)
	p.seen.Write(body)
	*kept = append(*kept, bytes.Clone(body))
	change := p.change
	p.mu.Unlock()
	if change == nil {
		return body
	}
	return change(kept == &p.requests, body)
}

// Alter has every later body go through f, which may keep or change it; nil: as it is.
func (p *Proxy) Alter(f func(request bool, body []byte) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.change = f
}

// Log is all that went through, head and body, as it came.
func (p *Proxy) Log() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.seen.Bytes())
}

// Bodies are those of the requests and of the answers, as they came.
func (p *Proxy) Bodies() (requests, answers [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests), slices.Clone(p.answers)
}

// A Tap passes TCP connections on, byte by byte, and keeps what went through.
type Tap struct {
	Address string
	mu      sync.Mutex
	seen    bytes.Buffer
}

// NewTap starts a Tap before the server at an address.
func NewTap(t testing.TB, to string) *Tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &Tap{Address: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			go func() { defer out.Close(); io.Copy(io.MultiWriter(out, p), in) }()
			go func() { defer in.Close(); io.Copy(io.MultiWriter(in, p), out) }()
		}
	}()
	return p
}

// Write keeps b.
func (p *Tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Write(b)
}

// Log is all that went through, in both directions.
func (p *Tap) Log() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.seen.Bytes())
}
