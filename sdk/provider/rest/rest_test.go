package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

func client(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c.With(func(r *http.Request) error { r.Header.Set("Authorization", "Bearer t0ken"); return nil })
}

func TestStatus(t *testing.T) {
	for status, want := range map[int]provider.Code{
		400: provider.Invalid, 401: provider.Unauthenticated, 403: provider.Denied, 404: provider.NotFound,
		410: provider.NotFound, 413: provider.TooLarge, 429: provider.Throttled, 500: provider.Unavailable,
		503: provider.Unavailable, 302: provider.Invalid,
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			w.Write([]byte(`{"message":"says why"}`))
		})
		_, _, err := c.Do(t.Context(), Call{Path: "/x"})
		e, ok := err.(*provider.Error)
		if !ok || e.Code != want || !strings.Contains(e.Message, "says why") || e.RetryAfter != 7*time.Second {
			t.Errorf("status %d: %#v, want code %v", status, err, want)
		}
	}
}

func TestMessages(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"plain"}`:                 "plain",
		`{"error":{"message":"nested"}}`:    "nested",
		`{"errors":["one","two"]}`:          "one",
		`{"errors":[{"message":"listed"}]}`: "listed",
		`not json`:                          "HTTP 400",
	} {
		c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400); w.Write([]byte(body)) })
		if _, _, err := c.Do(t.Context(), Call{Path: "/x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", body, err, want)
		}
	}
}

// TestRedirectKeepsCredentials: a service that redirects gets no second call.
func TestRedirectKeepsCredentials(t *testing.T) {
	other := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other++ }))
	defer elsewhere.Close()
	c := client(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	if _, _, err := c.Do(t.Context(), Call{Path: "/x"}); err == nil || other != 0 {
		t.Errorf("redirect followed %d times, error %v", other, err)
	}
}

// TestAnswerIsNotQuoted: a broken answer may hold values.
func TestAnswerIsNotQuoted(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"value": hunter2-canary}`)) })
	var out struct{ Value string }
	if _, _, err := c.Do(t.Context(), Call{Path: "/x", Out: &out}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestAddress(t *testing.T) {
	for addr, ok := range map[string]bool{
		"https://vault.example.com": true, "http://127.0.0.1:8200": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://vault.example.com": false, "ftp://x": false, "": false, "vault.example.com": false, "https://user:pw@example.com": false,
	} {
		if _, err := New(addr); (err == nil) != ok {
			t.Errorf("New(%q): %v", addr, err)
		} else if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("error quotes the password: %v", err)
		}
	}
}

func TestGoneAndCancelled(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	c, _ := New(s.URL)
	s.Close()
	if _, _, err := c.Do(t.Context(), Call{Path: "/x"}); provider.CodeOf(err) != provider.Unavailable {
		t.Errorf("server gone: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := c.Do(ctx, Call{Path: "/x"}); provider.Retryable(err) {
		t.Errorf("cancelled: %v is worth a retry", err)
	}
}
