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
	"github.com/opaquevault/ov/core/blob/schema"
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

// migrate brings the file to the newest version.
func migrate(ctx context.Context, db *sql.DB) error {
	return schema.Schema{ID: applicationID, Kind: "database", Maker: "ov-server", Steps: migrations()}.Migrate(ctx, db)
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
