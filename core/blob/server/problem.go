package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// A handler answers a request, or says why not.
type handler func(http.ResponseWriter, *http.Request) error

// A problem is an answer that is not a success. Its text never repeats what
// the request brought: neither ids nor bodies.
type problem struct {
	status   int
	code     string
	text     string
	retry    time.Duration
	seq      uint64
	manifest []byte
}

// Error implements error.
func (p *problem) Error() string { return p.text }

func invalid(format string, args ...any) error {
	return &problem{status: http.StatusBadRequest, code: wire.CodeInvalid, text: fmt.Sprintf(format, args...)}
}

func forbidden(text string) error {
	return &problem{status: http.StatusForbidden, code: wire.CodeForbidden, text: text}
}

func sealedOnly() error {
	return &problem{status: http.StatusForbidden, code: wire.CodeSealedOnly, text: "this listener has no TLS of its own: it takes sealed requests only"}
}

func tooLarge(limit int64) error {
	return &problem{status: http.StatusRequestEntityTooLarge, code: wire.CodeTooLarge, text: fmt.Sprintf("more than %d bytes", limit)}
}

func tooMany(retry time.Duration) error {
	return &problem{status: http.StatusTooManyRequests, code: wire.CodeRate, text: "too many requests", retry: retry}
}

// unauthorized is a 401.
func unauthorized(code, text string) error {
	return &problem{status: http.StatusUnauthorized, code: code, text: text}
}

// known are the errors of other packages, by the answer that each is.
func known() []struct {
	err    error
	status int
	code   string
	text   string
} {
	return []struct {
		err    error
		status int
		code   string
		text   string
	}{
		{depot.ErrUnavailable, http.StatusServiceUnavailable, wire.CodeUnavailable, "the database cannot be reached"},
		{blob.ErrEmpty, http.StatusNotFound, wire.CodeEmpty, "no such vault"},
		{blob.ErrNotFound, http.StatusNotFound, wire.CodeNotFound, "not found"},
		{blob.ErrConflict, http.StatusConflict, wire.CodeConflict, "it has changed meanwhile"},
		{blob.ErrInvalid, http.StatusBadRequest, wire.CodeInvalid, "the commit puts what is there or purges what is not"},
		{blob.ErrFull, http.StatusInsufficientStorage, wire.CodeFull, "the server's disk is full"},
		{depot.ErrQuota, http.StatusInsufficientStorage, wire.CodeQuota, "the vault has reached the server's quota"},
		{depot.ErrKeyReused, http.StatusUnprocessableEntity, wire.CodeIdempotency, "this idempotency key was used for another commit"},
		{wire.ErrMalformed, http.StatusBadRequest, wire.CodeInvalid, "malformed body"},
		{manifest.ErrAltered, http.StatusBadRequest, wire.CodeInvalid, "the manifest does not verify"},
		{manifest.ErrVersion, http.StatusBadRequest, wire.CodeInvalid, "the manifest was written by a newer version of ov"},
		{channel.ErrUnsigned, http.StatusUnauthorized, wire.CodeUnsigned, "the request is not signed"},
		{channel.ErrSignature, http.StatusUnauthorized, wire.CodeSignature, "the signature does not fit the request"},
		{channel.ErrSkew, http.StatusUnauthorized, wire.CodeSkew, "the clocks of client and server differ too much"},
		{channel.ErrReplayed, http.StatusUnauthorized, wire.CodeReplayed, "the request was seen before"},
		{channel.ErrBusy, http.StatusServiceUnavailable, wire.CodeUnavailable, "too many requests at once"},
		{channel.ErrSealed, http.StatusBadRequest, wire.CodeInvalid, "the sealed body does not open: is the pinned key this server's?"},
		{channel.ErrMessage, http.StatusBadRequest, wire.CodeInvalid, "malformed message"},
	}
}

// explain returns the problem that err is. What nobody foresaw is an internal
// error, whose text stays here.
func explain(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(tooBig.Limit).(*problem)
	}
	for _, k := range known() {
		if errors.Is(err, k.err) {
			return &problem{status: k.status, code: k.code, text: k.text}
		}
	}
	return &problem{status: http.StatusInternalServerError, code: wire.CodeInternal, text: "internal error"}
}

// tell writes the problem that err is.
func (s *Server) tell(w http.ResponseWriter, err error) *problem {
	p := explain(err)
	if p.status == http.StatusServiceUnavailable && p.retry == 0 {
		p.retry = 5 * time.Second
	}
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((p.retry+time.Second-1)/time.Second)))
	}
	body := wire.Problem{Code: p.code, Message: p.text, Seq: p.seq, Manifest: p.manifest}
	if p.code == wire.CodeSkew {
		body.Time = s.c.Now().UTC().Format(time.RFC3339)
	}
	writeJSON(w, p.status, body)
	return p
}

// writeJSON writes v, which marshals.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that has gone hears nothing
}

// writeBinary writes bytes of ours.
func writeBinary(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", wire.TypeBinary)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}
