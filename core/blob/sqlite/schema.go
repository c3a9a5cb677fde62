package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/opaquevault/ov/core/blob"
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

// migrate brings the schema to the newest version, in one transaction. A file
// that is current costs one read.
func migrate(ctx context.Context, db *sql.DB) error {
	steps := migrations()
	var version, app int
	if err := db.QueryRowContext(ctx, `SELECT user_version, application_id FROM pragma_user_version, pragma_application_id`).Scan(&version, &app); err != nil {
		return err
	}
	switch {
	case version == len(steps) && app == applicationID:
		return nil
	case version > len(steps):
		return fmt.Errorf("store has schema %d, this program knows %d: made by a newer version of ov", version, len(steps))
	case version > 0 && app != applicationID:
		return fmt.Errorf("not a store of ov: %w", blob.ErrCorrupt)
	}
	if _, err := db.ExecContext(ctx, `PRAGMA journal_mode = WAL`); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	// Another process may have been faster.
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version == len(steps) {
		return err
	}
	for _, step := range steps[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d; PRAGMA application_id = %d`, len(steps), applicationID)); err != nil {
		return err
	}
	return tx.Commit()
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
