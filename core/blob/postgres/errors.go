package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// fail gives the database's errors the names of packages blob and depot. It
// does not repeat details: those may quote keys.
func fail(verb string, err error) error {
	switch {
	case err == nil, errors.Is(err, pgx.ErrNoRows), errors.Is(err, context.Canceled):
		return err
	case gone(err):
		err = fmt.Errorf("%w (%w)", depot.ErrUnavailable, err)
	case code(err) == "53100": // disk_full
		err = fmt.Errorf("%w (%w)", blob.ErrFull, err)
	}
	return fmt.Errorf("%s database: %w", verb, err)
}

// code is the SQLSTATE of err, "" if the database did not answer.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// gone reports whether the database went away or cannot be written to, as
// during a restart or a fail-over.
func gone(err error) bool {
	switch c := code(err); {
	case c == "":
	case strings.HasPrefix(c, "08"), strings.HasPrefix(c, "57P"), c == "25006", c == "53300", c == "57014":
		return true
	default:
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	text := err.Error()
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(text, "unexpected EOF") || strings.Contains(text, "conn closed") || strings.Contains(text, "closed pool")
}

// clash reports whether err is one of two transactions at once, which goes away
// when one of them is run again.
func clash(err error) bool { return code(err) == "40001" || code(err) == "40P01" }

// tries is how often a transaction is run.
const tries = 8

// retry runs f until it does not clash with another transaction, and once more
// when the connection turned out to be gone: what f does, it may do twice.
func (d *Depot) retry(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		again := clash(err) && try < tries || err != nil && gone(err) && try < 3
		if !again || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(rand.IntN(20*try)+1) * time.Millisecond):
		}
	}
}
