package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/opaquevault/ov/core/blob/depot"
)

// Of several hosts, target_session_attrs takes the first that says that it is
// not read-only. So does a primary that was thought dead, was replaced, and came
// back: it takes writes, and with synchronous replication answers none, for
// nobody confirms them. A host is used here when a write on it was answered.

// errSilent says that a host answers no write.
var errSilent = errors.New("the host answers no write: a primary that was replaced, or one without its standby")

// probe has each new connection show that its host answers writes, where there
// are several hosts to choose from.
func probe(conf *pgxpool.Config, within time.Duration) {
	c := conf.ConnConfig
	first := c.ValidateConnect
	if first == nil || !several(&c.Config) {
		return
	}
	c.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := first(ctx, conn); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return write(ctx, conn)
	}
}

// several reports whether c names more than one host; a host without TLS after
// the same one with it is no other.
func several(c *pgconn.Config) bool {
	for _, other := range c.Fallbacks {
		if other.Host != c.Host || other.Port != c.Port {
			return true
		}
	}
	return false
}

// write writes a note that no other connection touches, and that is collected
// soon. Where the tables are not made yet, whoever makes them finds out.
func write(ctx context.Context, conn *pgconn.PgConn) error {
	n := depot.Note{Kind: depot.NoteProbe, ID: make([]byte, 16), Expires: time.Now()}
	rand.Read(n.ID)
	args := [][]byte{
		make([]byte, len(depot.Vault{})), binary.BigEndian.AppendUint16(nil, uint16(n.Kind)), n.ID,
		binary.BigEndian.AppendUint64(nil, uint64(n.Expiry())), {},
	}
	formats := []int16{1} // binary, all of them
	_, err := conn.ExecParams(ctx, wOverNote, args, nil, formats, nil).Close()
	switch {
	case code(err) == "42P01": // no such table
		return nil
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", errSilent, err)
	}
	return err
}
