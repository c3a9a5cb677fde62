package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

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
	case code(err) == stateFull:
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

// States that say how the database is, and nothing of what was asked.
const (
	stateReadOnly = "25006" // this host takes no writes: another one does now
	stateUnknown  = "40003" // whether it was done: CockroachDB's word for a lost answer
	stateCrowded  = "53300" // too many connections
	stateTooLong  = "57014" // statement_timeout
	stateFull     = "53100" // its disk
)

// gone reports whether the database went away or cannot be written to, as
// during a restart or a fail-over.
func gone(err error) bool {
	switch c := code(err); {
	case c == "":
	case strings.HasPrefix(c, "08"), strings.HasPrefix(c, "57P"), c == stateReadOnly, c == stateUnknown, c == stateCrowded, c == stateTooLong:
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
