package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// Large sealed bodies share a budget; when it is used up small ones go on.
func TestSealedBudget(t *testing.T) {
	s := newTestServer(t)
	post := func(size int64) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, wire.PathSealed, io.LimitReader(zeros{}, max(size, 0)))
		r.ContentLength = size
		s.ServeHTTP(w, r)
		return w.Code
	}
	if code := post(1 << 20); code != 400 { // it is read, and does not open
		t.Errorf("with room: %d", code)
	}
	var back []func()
	for {
		f, ok := s.large.take(maxSealed)
		if !ok {
			break
		}
		back = append(back, f)
	}
	if n := int64(len(back)); n != largeSealed/maxSealed {
		t.Errorf("%d bodies at once", n)
	}
	for size, want := range map[int64]int{1 << 20: 503, -1: 503, smallSealed: 400, 100: 400, maxSealed + 1: 413} {
		if code := post(size); code != want {
			t.Errorf("%d bytes without room: %d, want %d", size, code, want)
		}
	}
	for _, f := range back {
		f()
	}
	if s.large.taken.Load() != 0 || post(1<<20) != 400 {
		t.Errorf("%d bytes are not given back", s.large.taken.Load())
	}
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// What is inside a sealed body is a request to this server and nothing else.
func TestSealedInside(t *testing.T) {
	s := newTestServer(t)
	pinned, err := channel.ParseServerKey(s.c.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(m *channel.Message) (*channel.Message, int) {
		t.Helper()
		body, exchange, err := pinned.Seal(m.Encode())
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, wire.PathSealed, bytes.NewReader(body)))
		if w.Code != 200 {
			return nil, w.Code
		}
		plain, err := exchange.Open(w.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		a, err := channel.ParseMessage(plain)
		if err != nil {
			t.Fatal(err)
		}
		return a, 200
	}
	if a, code := ask(&channel.Message{Method: "GET", Host: "h", Path: "/healthz"}); code != 200 || a.Status != 200 || !strings.Contains(string(a.Body), "ok") {
		t.Errorf("%d, %+v", code, a)
	}
	if a, code := ask(&channel.Message{Method: "GET", Host: "h", Path: "/v1/vaults/" + strings.Repeat("0", 32) + "/head"}); code != 200 || a.Status != 401 {
		t.Errorf("unsigned: %d, %+v", code, a)
	}
	if a, code := ask(&channel.Message{Method: "POST", Host: "h", Path: wire.PathSealed}); code != 200 || a.Status != 400 {
		t.Errorf("sealed within sealed: %d, %+v", code, a)
	}
	for _, m := range []*channel.Message{{Method: "GET", Path: "http://elsewhere.example/"}, {Method: "GET", Path: "relative"}, {Method: "GET", Path: ""}, {Method: "BAD METHOD", Path: "/"}, {Method: "GET", Path: "/?a=b"}} {
		if _, code := ask(m); code != 400 {
			t.Errorf("%+v: %d", m, code)
		}
	}
	body, _, err := pinned.Seal([]byte("no message"))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, wire.PathSealed, bytes.NewReader(body)))
	if w.Code != 400 {
		t.Errorf("no message: %d", w.Code)
	}
}

// Errors of other packages have an answer each; the first that fits counts.
func TestExplain(t *testing.T) {
	for _, k := range known() {
		if p := explain(errors.Join(errors.New("context"), k.err)); p.status != k.status || p.code != k.code || p.text == "" {
			t.Errorf("%v: %+v", k.err, p)
		}
	}
	if p := explain(errors.New("something CANARY")); p.status != 500 || strings.Contains(p.text, "CANARY") {
		t.Errorf("%+v", p)
	}
	if p := explain(&http.MaxBytesError{Limit: 5}); p.status != 413 {
		t.Errorf("%+v", p)
	}
}
