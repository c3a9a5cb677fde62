package httpblob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 256 << 20

// A call is one request to the server.
type call struct {
	method, path, query string
	body                []byte
	idempotency         string
	etag                string // what we have: the answer may be "not changed"
	unsigned            bool
}

// An answer is what came back, of whatever transport.
type answer struct {
	status     int
	body       []byte
	etag       string
	retryAfter time.Duration
}

// do sends c and returns an answer that is a success, or "not changed".
// Everything else is an error.
func (s *Store) do(ctx context.Context, c call) (*answer, error) {
	fields, err := s.fields(c)
	if err != nil {
		return nil, err
	}
	send := s.plain
	if s.pinned != nil {
		send = s.sealed
	}
	a, err := send(ctx, c, fields)
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusNotModified || a.status >= 200 && a.status < 300 {
		return a, nil
	}
	return nil, s.problem(a)
}

// fields returns the header of c, with its signature.
func (s *Store) fields(c call) ([]channel.Field, error) {
	var out []channel.Field
	if !c.unsigned {
		r := channel.Request{Method: c.method, Host: s.base.Host, Path: c.path, Query: c.query, Body: sha256.Sum256(c.body)}
		auth, err := channel.Sign(r, s.o.Signer, s.now())
		if err != nil {
			return nil, err
		}
		out = append(out, channel.Field{Name: "Authorization", Value: auth})
	}
	if c.idempotency != "" {
		out = append(out, channel.Field{Name: wire.HeaderIdempotency, Value: c.idempotency})
	}
	if c.etag != "" {
		out = append(out, channel.Field{Name: "If-None-Match", Value: c.etag})
	}
	return out, nil
}

// plain sends c as it is, over TLS.
func (s *Store) plain(ctx context.Context, c call, fields []channel.Field) (*answer, error) {
	u := *s.base
	u.Path, u.RawQuery = c.path, c.query
	return s.post(ctx, c.method, &u, wire.TypeBinary, c.body, fields)
}

// sealed sends c inside a body that only the server can read.
func (s *Store) sealed(ctx context.Context, c call, fields []channel.Field) (*answer, error) {
	inner := channel.Message{Method: c.method, Host: s.base.Host, Path: c.path, Query: c.query, Fields: fields, Body: c.body}
	body, exchange, err := s.pinned.Seal(inner.Encode())
	if err != nil {
		return nil, err
	}
	u := *s.base
	u.Path = wire.PathSealed
	outer, err := s.post(ctx, http.MethodPost, &u, wire.TypeSealed, body, nil)
	if err != nil {
		return nil, err
	}
	if outer.status != http.StatusOK {
		return outer, nil // of a proxy, or of a server that could not open it: it is not believed to know more than that
	}
	plain, err := exchange.Open(outer.body)
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", s.base.Host, err)
	}
	m, err := channel.ParseMessage(plain)
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", s.base.Host, err)
	}
	return &answer{status: int(m.Status), body: m.Body, etag: m.Field("Etag"), retryAfter: seconds(m.Field("Retry-After"))}, nil
}

func (s *Store) post(ctx context.Context, method string, u *url.URL, kind string, body []byte, fields []channel.Field) (*answer, error) {
	watched, w := s.watch(ctx)
	defer w.stop()
	req, err := http.NewRequestWithContext(watched, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", kind)
		req.Body = io.NopCloser(w.moving(bytes.NewReader(body))) // its length and its copies are those of before
	}
	for _, f := range fields {
		req.Header.Set(f.Name, f.Value)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, offline(ctx, w.cause(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(w.moving(io.LimitReader(resp.Body, maxAnswer+1)))
	if err != nil {
		return nil, offline(ctx, fmt.Errorf("half an answer: %w", w.cause(err)))
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrServer, maxAnswer)
	}
	return &answer{status: resp.StatusCode, body: b, etag: resp.Header.Get("Etag"), retryAfter: seconds(resp.Header.Get("Retry-After"))}, nil
}

func seconds(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return time.Second
	}
	return time.Duration(min(n, 3600)) * time.Second
}

// again sends c up to three times while the server cannot be reached: what is
// asked for is the same however often it is asked. A server that fell silent is
// asked twice: the connection may be at fault, and the next one is another.
func (s *Store) again(ctx context.Context, c call) (*answer, error) {
	begin := time.Now()
	for try := 0; ; try++ {
		a, err := s.do(ctx, c)
		if try == 2 || !errors.Is(err, ErrOffline) || errors.Is(err, channel.ErrHybrid) || time.Since(begin) > s.o.Silence*3/2 {
			return a, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(try+1) * 150 * time.Millisecond):
		}
	}
}
