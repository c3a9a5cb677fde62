package postgres

import (
	"context"
	"errors"
	"fmt"
)

// errNewer says that a later version of the program made the schema.
var errNewer = errors.New("made by a newer version of ov-server")

// migrate brings the schema up to date, before anything else is asked of the
// database. When that was away while the program started, the first request
// that reaches it does so.
func (d *Depot) migrate(ctx context.Context) error {
	if d.current.Load() {
		return nil
	}
	select {
	case d.migrating <- struct{}{}:
		defer func() { <-d.migrating }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.current.Load() {
		return nil
	}
	// Of several replicas that start at once one may find a table half made.
	var err error
	for range tries {
		err = d.steps(ctx)
		if c := code(err); c != "23505" && c != "42P07" && c != "42710" { // what a half made table is called
			break
		}
	}
	d.current.Store(err == nil)
	return err
}

// steps runs the migrations that the database has not seen.
func (d *Depot) steps(ctx context.Context) error {
	if _, err := d.pool.Exec(ctx, mTable); err != nil {
		return err
	}
	var version int
	if err := d.pool.QueryRow(ctx, mVersion).Scan(&version); err != nil {
		return err
	}
	steps := migrations()
	if version > len(steps) {
		return fmt.Errorf("database has schema %d, this program knows %d: %w", version, len(steps), errNewer)
	}
	for i, step := range steps[version:] {
		for _, statement := range step {
			if _, err := d.pool.Exec(ctx, statement); err != nil {
				return err
			}
		}
		if _, err := d.pool.Exec(ctx, mDone, version+i+1); err != nil {
			return err
		}
	}
	return nil
}
