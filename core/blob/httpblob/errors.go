package httpblob

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// Errors beside those of every store.
var (
	ErrOffline = errors.New("server cannot be reached")
	ErrRefused = errors.New("server refuses this key")
	ErrQuota   = errors.New("server's quota is used up")
	ErrRate    = errors.New("too many requests")
	// ErrServer is an answer that a server of ours does not give.
	ErrServer = errors.New("unexpected answer of the server")
	// ErrSealedOnly says that the server, or the listener behind its proxy,
	// takes requests only from clients that have pinned its key.
	ErrSealedOnly = errors.New("server takes sealed requests only")
)

// A RateError is an ErrRate and says when to come back.
type RateError struct{ After time.Duration }

// Error implements error.
func (e *RateError) Error() string { return fmt.Sprintf("%v: try again in %s", ErrRate, e.After) }

// Unwrap makes it an ErrRate.
func (e *RateError) Unwrap() error { return ErrRate }

// A RefusedError is an ErrRefused and says why.
type RefusedError struct {
	Code    string // wire's
	Message string
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("%v: %s", ErrRefused, e.Message) }

// Unwrap makes it an ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// offline wraps what went wrong on the way to the server.
func offline(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrOffline, channel.ExplainTLS(err))
}

// problem returns the error that an answer stands for.
func (s *Store) problem(a *answer) error {
	var p wire.Problem
	if json.Unmarshal(a.body, &p) != nil || p.Code == "" {
		if a.status == 502 || a.status == 503 || a.status == 504 { // a proxy's
			return fmt.Errorf("%w: a proxy answers %d", ErrOffline, a.status)
		}
		return fmt.Errorf("%w: status %d", ErrServer, a.status)
	}
	switch p.Code {
	case wire.CodeEmpty:
		return blob.ErrEmpty
	case wire.CodeNotFound:
		return blob.ErrNotFound
	case wire.CodeConflict:
		return fmt.Errorf("head is %d: %w", p.Seq, blob.ErrConflict)
	case wire.CodeInvalid, wire.CodeTooLarge, wire.CodeIdempotency:
		return fmt.Errorf("%s: %w", p.Message, blob.ErrInvalid)
	case wire.CodeFull:
		return fmt.Errorf("%s: %w", p.Message, blob.ErrFull)
	case wire.CodeQuota:
		return fmt.Errorf("%s: %w", p.Message, ErrQuota)
	case wire.CodeRate:
		return &RateError{After: a.retryAfter}
	case wire.CodeSkew:
		return &RefusedError{p.Code, fmt.Sprintf("clocks differ: it is %s here and %s there", s.now().UTC().Format(time.RFC3339), p.Time)}
	case wire.CodeUnsigned, wire.CodeUnknownKey, wire.CodeSignature, wire.CodeReplayed, wire.CodeRevoked, wire.CodeExpired, wire.CodeForbidden:
		return &RefusedError{p.Code, p.Message}
	case wire.CodeSealedOnly:
		return ErrSealedOnly
	case wire.CodeUnavailable:
		return fmt.Errorf("%w: %s", ErrOffline, p.Message)
	}
	return fmt.Errorf("%w: %s", ErrServer, p.Message)
}
