package httpblob

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// signer signs with nothing: what is asked here checks no signature.
type signer struct{ err error }

func (signer) Key() channel.KeyID            { return channel.Device([16]byte{1}) }
func (s signer) Sign([]byte) ([]byte, error) { return make([]byte, 64), s.err }

// against returns a client of a server that answers with f.
func against(t *testing.T, f http.HandlerFunc) *Store {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	s, err := New(Options{URL: srv.URL, Signer: signer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Every code of a server is an error that a caller can tell from the others.
func TestProblems(t *testing.T) {
	for code, want := range map[string]error{
		wire.CodeInvalid: blob.ErrInvalid, wire.CodeTooLarge: blob.ErrInvalid, wire.CodeIdempotency: blob.ErrInvalid, wire.CodeEmpty: blob.ErrEmpty,
		wire.CodeNotFound: blob.ErrNotFound, wire.CodeConflict: blob.ErrConflict, wire.CodeFull: blob.ErrFull, wire.CodeQuota: ErrQuota, wire.CodeRate: ErrRate,
		wire.CodeUnsigned: ErrRefused, wire.CodeUnknownKey: ErrRefused, wire.CodeSignature: ErrRefused, wire.CodeSkew: ErrRefused, wire.CodeReplayed: ErrRefused,
		wire.CodeRevoked: ErrRefused, wire.CodeExpired: ErrRefused, wire.CodeForbidden: ErrRefused, wire.CodeSealedOnly: ErrSealedOnly,
		wire.CodeUnavailable: ErrOffline, wire.CodeInternal: ErrServer, "something new": ErrServer,
	} {
		s := against(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(418)
			_ = json.NewEncoder(w).Encode(wire.Problem{Code: code, Message: "as it is", Seq: 5, Time: "2026-01-02T03:04:05Z"})
		})
		_, err := s.Head(t.Context())
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", code, err, want)
		}
		if r, ok := errors.AsType[*RateError](err); code == wire.CodeRate && (!ok || r.After != 7*time.Second) {
			t.Errorf("%v", err)
		}
		if r, ok := errors.AsType[*RefusedError](err); want == ErrRefused && (!ok || r.Code != code) {
			t.Errorf("%v", err)
		}
	}
}

// What no server of ours says: a proxy's pages, a redirect, answers that are not
// what was asked for.
func TestOtherAnswers(t *testing.T) {
	asks := map[string]func(*Store) error{
		"head":     func(s *Store) error { _, err := s.Head(t.Context()); return err },
		"changes":  func(s *Store) error { _, err := s.Changes(t.Context(), 0); return err },
		"get":      func(s *Store) error { _, err := s.Get(t.Context(), []blob.Key{{Kind: 4, Version: 1}}); return err },
		"key":      func(s *Store) error { _, err := s.ServerKey(t.Context()); return err },
		"locate":   func(s *Store) error { _, err := s.locate(t.Context()); return err },
		"requests": func(s *Store) error { _, err := s.Requests(t.Context()); return err },
		"witness":  func(s *Store) error { _, err := s.Witnessed(t.Context()); return err },
		"ask":      func(s *Store) error { _, err := s.Ask(t.Context(), nil); return err },
	}
	answers := map[string]http.HandlerFunc{
		"a page":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>welcome</html>")) },
		"nothing": func(http.ResponseWriter, *http.Request) {},
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
		},
		"a proxy's 404": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "not here", 404) },
		"records too many": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(wire.EncodeRecords(make([]blob.Record, 3)))
		},
	}
	for what, f := range answers {
		for ask, do := range asks {
			if err := do(against(t, f)); err == nil || errors.Is(err, blob.ErrEmpty) || errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s, %s: %v", ask, what, err)
			}
		}
	}
	for _, status := range []int{502, 503, 504} {
		s := against(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", status) })
		if _, err := s.Head(t.Context()); !errors.Is(err, ErrOffline) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// Another record than was asked for is an error, not a gift.
func TestGetOther(t *testing.T) {
	s := against(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(wire.EncodeRecords([]blob.Record{{Key: blob.Key{Kind: 4, Version: 2}}}))
	})
	if _, err := s.Get(t.Context(), []blob.Key{{Kind: 4, Version: 1}}); !errors.Is(err, ErrServer) {
		t.Errorf("%v", err)
	}
}

// A signer that cannot sign, as of a locked vault, is asked nothing more.
func TestSignerFails(t *testing.T) {
	locked := errors.New("locked")
	asked := false
	s := against(t, func(http.ResponseWriter, *http.Request) { asked = true })
	s.o.Signer = signer{locked}
	if _, err := s.Head(t.Context()); !errors.Is(err, locked) || asked {
		t.Errorf("%v, asked %v", err, asked)
	}
}

func TestSplit(t *testing.T) {
	recs := func(sizes ...int) (out []blob.Record) {
		for _, n := range sizes {
			out = append(out, blob.Record{Data: make([]byte, n)})
		}
		return out
	}
	many := make([]int, 2001)
	for what, c := range map[string]struct {
		recs []blob.Record
		want []int
	}{
		"none":        {nil, []int{0}},
		"few":         {recs(1, 2, 3), []int{3}},
		"many":        {recs(many...), []int{1000, 1000, 1}},
		"large":       {recs(partBytes/2, partBytes/2, 1, partBytes/2, partBytes), []int{1, 2, 1, 1}},
		"one too big": {recs(partBytes * 2), []int{1}},
	} {
		var got []int
		n := 0
		for _, part := range split(c.recs) {
			got = append(got, len(part))
			n += len(part)
		}
		if len(got) != len(c.want) || n != len(c.recs) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", what, got, c.want)
			}
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[string]time.Duration{"": time.Second, "x": time.Second, "-1": time.Second, "5": 5 * time.Second, "99999999": time.Hour} {
		if got := seconds(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// The errors name the server, never the vault or what was asked.
func TestErrorsNameTheServer(t *testing.T) {
	s := against(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", 500) })
	s.o.Vault = [16]byte{0xab, 0xcd, 0xef}
	_, err := s.Head(t.Context())
	if err == nil || !strings.Contains(err.Error(), s.base.Host) || strings.Contains(err.Error(), "abcdef") {
		t.Errorf("%v", err)
	}
}
