// Package schema brings the tables of a SQLite file to the newest version: the
// local store's and the server's alike.
package schema

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
)

// A Schema is what a program keeps in its files.
type Schema struct {
	ID    int32    // SQLite's application_id, for file(1) and for us
	Kind  string   // what such a file is, for people: "store"
	Maker string   // the program that makes them
	Steps []string // bring a file from version i to i+1; only ever append
}

// Migrate brings db to the newest version, in one transaction. A file that is
// current costs one read; one of somebody else's is ErrCorrupt, untouched.
func (s Schema) Migrate(ctx context.Context, db *sql.DB) error {
	var version int
	var id int32
	if err := db.QueryRowContext(ctx, `SELECT user_version, application_id FROM pragma_user_version, pragma_application_id`).Scan(&version, &id); err != nil {
		return err
	}
	switch {
	case version > 0 && id != s.ID:
		return fmt.Errorf("not a %s of %s: %w", s.Kind, s.Maker, blob.ErrCorrupt)
	case version == len(s.Steps):
		return nil
	case version > len(s.Steps):
		return fmt.Errorf("%s has schema %d, this program knows %d: made by a newer version of %s", s.Kind, version, len(s.Steps), s.Maker)
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
	if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil || version >= len(s.Steps) {
		return err
	}
	for _, step := range s.Steps[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d; PRAGMA application_id = %d`, len(s.Steps), s.ID)); err != nil {
		return err
	}
	return tx.Commit()
}
