package httpblob

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/opaquevault/ov/core/blob/wire"
)

// Witness stores the checkpoint of this device's audit log. A smaller size than
// the server has seen, or another note of the same size, is blob.ErrConflict:
// then Witnessed tells what the server has.
func (s *Store) Witness(ctx context.Context, c wire.Checkpoint) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = s.again(ctx, call{method: http.MethodPut, path: s.path("witness"), body: body})
	return s.fail("witness on", err)
}

// Witnessed returns the newest checkpoint of this device's audit log, or
// blob.ErrNotFound.
func (s *Store) Witnessed(ctx context.Context) (c wire.Checkpoint, err error) {
	a, err := s.get(ctx, s.path("witness"), "")
	if err != nil {
		return c, s.fail("read witness of", err)
	}
	if err := json.Unmarshal(a.body, &c); err != nil {
		return c, s.fail("read witness of", ErrServer)
	}
	return c, nil
}
