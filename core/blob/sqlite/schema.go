package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/schema"
)

// applicationID marks the file as ours ("ovlt"), for file(1) and for us.
const applicationID = 0x6f766c74

// migrations bring a file from version i to i+1. Only ever append.
func migrations() []string {
	return []string{`
		CREATE TABLE manifests (
			seq  INTEGER PRIMARY KEY,
			body BLOB NOT NULL
		) STRICT;
		CREATE TABLE records (
			kind    INTEGER NOT NULL,
			id      BLOB NOT NULL,
			version INTEGER NOT NULL,
			seq     INTEGER NOT NULL,
			grp     BLOB NOT NULL,
			sum     BLOB NOT NULL,
			data    BLOB NOT NULL,
			PRIMARY KEY (kind, id, version)
		) STRICT;
		CREATE INDEX changes ON records (seq, kind, id, version, grp, sum);`}
}

// migrate brings the file to the newest version.
func migrate(ctx context.Context, db *sql.DB) error {
	return schema.Schema{ID: applicationID, Kind: "store", Maker: "ov", Steps: migrations()}.Migrate(ctx, db)
}

// fail says which store could not be read or written, and gives SQLite's
// error codes the names of package blob.
func (s *Store) fail(verb string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			err = fmt.Errorf("%w (%w)", blob.ErrCorrupt, err)
		case lib.SQLITE_FULL:
			err = fmt.Errorf("%w (%w)", blob.ErrFull, err)
		case lib.SQLITE_IOERR:
			if e.Code() == lib.SQLITE_IOERR_SHORT_READ {
				err = fmt.Errorf("%w (%w)", blob.ErrCorrupt, err)
			}
		}
	}
	return fmt.Errorf("%s store %s: %w", verb, s.path, err)
}

// Check runs SQLite's own check over the whole file and returns what it found
// wrong, nothing when all is well.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	db, err := s.connect(ctx, false)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, `PRAGMA integrity_check`)
	if err != nil {
		return nil, s.fail("check", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return found, s.fail("check", err)
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	return found, s.fail("check", rows.Err())
}
