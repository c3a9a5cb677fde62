package server

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// maxSealed is what a sealed request may take: a body, its header, the padding.
const maxSealed = wire.MaxBody + 1<<20

// Nobody has signed for a sealed body before it is read. Large ones may take so
// much memory together; small ones, which are nearly all, always get through.
const (
	smallSealed = 64 << 10
	largeSealed = 512 << 20
)

// A budget is how many bytes are taken by bodies that are being answered.
type budget struct{ taken atomic.Int64 }

// take takes n bytes of the budget, if they are there. Give them back.
func (b *budget) take(n int64) (giveBack func(), ok bool) {
	if b.taken.Add(n) > largeSealed {
		b.taken.Add(-n)
		return nil, false
	}
	return func() { b.taken.Add(-n) }, true
}

// postSealed opens a sealed request, answers it as if it had come openly, and
// seals the answer to it. What goes wrong inside is told inside.
func (s *Server) postSealed(w http.ResponseWriter, r *http.Request) error {
	if isSealed(r.Context()) {
		return invalid("a sealed request within a sealed request")
	}
	if r.ContentLength > maxSealed {
		return tooLarge(maxSealed)
	}
	limit := int64(smallSealed)
	if r.ContentLength < 0 || r.ContentLength > smallSealed {
		giveBack, ok := s.large.take(maxSealed)
		if !ok {
			return channel.ErrBusy
		}
		defer giveBack()
		limit = maxSealed
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	if err != nil {
		return err
	}
	plain, exchange, err := s.c.Key.Open(body)
	if err != nil {
		return err
	}
	m, err := channel.ParseMessage(plain)
	if err != nil {
		return err
	}
	inner, err := openRequest(r, m)
	if err != nil {
		return err
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	s.handler.ServeHTTP(rec, inner)
	answer, err := exchange.Seal(rec.message().Encode())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", wire.TypeSealed)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(answer)
	return nil
}

// openRequest returns the request that a message is.
func openRequest(outer *http.Request, m *channel.Message) (*http.Request, error) {
	u, err := url.ParseRequestURI(m.Path)
	if err != nil || u.RawQuery != "" || u.Host != "" {
		return nil, channel.ErrMessage
	}
	u.RawQuery = m.Query
	ctx := context.WithValue(outer.Context(), sealedKey{}, true)
	inner, err := http.NewRequestWithContext(ctx, m.Method, u.String(), bytes.NewReader(m.Body))
	if err != nil {
		return nil, channel.ErrMessage
	}
	inner.Host, inner.RemoteAddr = m.Host, outer.RemoteAddr
	for _, f := range m.Fields {
		inner.Header.Set(f.Name, f.Value)
	}
	return inner, nil
}

// A recorder keeps an answer that is about to be sealed.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// message is what is sealed of the answer.
func (r *recorder) message() *channel.Message {
	m := &channel.Message{Status: uint16(r.status), Body: r.body.Bytes()}
	for _, name := range []string{"Content-Type", "Etag", "Retry-After"} {
		if v := r.header.Get(name); v != "" {
			m.Fields = append(m.Fields, channel.Field{Name: name, Value: v})
		}
	}
	return m
}
