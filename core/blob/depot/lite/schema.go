package lite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
)

// applicationID marks the file as a server's ("ovsv").
const applicationID = 0x6f767376

// migrations bring a file from version i to i+1. Only ever append.
func migrations() []string {
	return []string{`
		CREATE TABLE vaults (
			id      BLOB PRIMARY KEY,
			seq     INTEGER NOT NULL,
			chain   BLOB NOT NULL,
			records INTEGER NOT NULL,
			bytes   INTEGER NOT NULL,
			locator BLOB,
			created INTEGER NOT NULL
		) STRICT, WITHOUT ROWID;
		CREATE UNIQUE INDEX locators ON vaults (locator) WHERE locator IS NOT NULL;
		CREATE TABLE manifests (
			vault BLOB NOT NULL,
			seq   INTEGER NOT NULL,
			time  INTEGER NOT NULL,
			body  BLOB NOT NULL,
			PRIMARY KEY (vault, seq)
		) STRICT;
		CREATE TABLE records (
			vault   BLOB NOT NULL,
			kind    INTEGER NOT NULL,
			id      BLOB NOT NULL,
			version INTEGER NOT NULL,
			seq     INTEGER NOT NULL,
			grp     BLOB NOT NULL,
			sum     BLOB NOT NULL,
			size    INTEGER NOT NULL,
			data    BLOB NOT NULL,
			PRIMARY KEY (vault, kind, id, version)
		) STRICT;
		CREATE INDEX changes ON records (vault, seq, kind, id, version, grp, sum);
		CREATE TABLE answers (
			vault BLOB NOT NULL,
			key   BLOB NOT NULL,
			hash  BLOB NOT NULL,
			time  INTEGER NOT NULL,
			PRIMARY KEY (vault, key)
		) STRICT, WITHOUT ROWID;
		CREATE TABLE notes (
			vault   BLOB NOT NULL,
			kind    INTEGER NOT NULL,
			id      BLOB NOT NULL,
			version INTEGER NOT NULL,
			expires INTEGER NOT NULL,
			body    BLOB NOT NULL,
			PRIMARY KEY (vault, kind, id)
		) STRICT;
		CREATE INDEX expiry ON notes (expires) WHERE expires > 0;`}
}

// migrate brings the schema to the newest version, in one transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	steps := migrations()
	var version, app int
	if err := db.QueryRowContext(ctx, `SELECT user_version, application_id FROM pragma_user_version, pragma_application_id`).Scan(&version, &app); err != nil {
		return err
	}
	switch {
	case version == len(steps) && app == applicationID:
		return nil
	case version > len(steps) && app == applicationID:
		return fmt.Errorf("database has schema %d, this program knows %d: made by a newer version of ov-server", version, len(steps))
	case version > 0 && app != applicationID:
		return fmt.Errorf("not a database of ov-server: %w", blob.ErrCorrupt)
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

// fail gives SQLite's error codes the names of packages blob and depot.
func (d *Depot) fail(verb string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			err = fmt.Errorf("%w (%w)", blob.ErrCorrupt, err)
		case lib.SQLITE_FULL:
			err = fmt.Errorf("%w (%w)", blob.ErrFull, err)
		case lib.SQLITE_BUSY, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY:
			err = fmt.Errorf("%w (%w)", depot.ErrUnavailable, err)
		}
	}
	return fmt.Errorf("%s database %s: %w", verb, d.path, err)
}
