// Package sqlite is a blob.Store in one SQLite file.
package sqlite

import (
	"context"
	"errors"

	"github.com/opaquevault/ov/core/blob"
)

// Open opens or makes the store at path. Nothing is written before the first
// commit.
func Open(ctx context.Context, path string) (blob.Store, error) {
	return nil, errors.ErrUnsupported
}
