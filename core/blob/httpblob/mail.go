package httpblob

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/opaquevault/ov/core/blob/wire"
)

// Ask leaves a request of a new device on the server, for a device of the
// vault to see, and returns the request's id. The Signer's key has channel.RoleNew;
// it alone can read the reply. A request lives for ten minutes.
func (s *Store) Ask(ctx context.Context, body []byte) (id string, err error) {
	a, err := s.again(ctx, call{method: http.MethodPost, path: s.path("requests"), body: body})
	if err != nil {
		return "", s.fail("leave request on", err)
	}
	var r wire.Request
	if err := json.Unmarshal(a.body, &r); err != nil || r.ID == "" {
		return "", s.fail("leave request on", ErrServer)
	}
	return r.ID, nil
}

// Requests returns the requests that wait for a reply.
func (s *Store) Requests(ctx context.Context) ([]wire.Request, error) {
	a, err := s.get(ctx, s.path("requests"), "")
	if err != nil {
		return nil, s.fail("read requests from", err)
	}
	var list []wire.Request
	if err := json.Unmarshal(a.body, &list); err != nil {
		return nil, s.fail("read requests from", ErrServer)
	}
	return list, nil
}

// Reply leaves the reply to a request.
func (s *Store) Reply(ctx context.Context, id string, body []byte) error {
	_, err := s.again(ctx, call{method: http.MethodPut, path: s.path("requests", id, "reply"), body: body})
	return s.fail(fmt.Sprintf("reply to request %q on", id), err)
}

// TakeReply returns the reply to a request and removes both. It is
// blob.ErrNotFound as long as there is none.
func (s *Store) TakeReply(ctx context.Context, id string) ([]byte, error) {
	a, err := s.get(ctx, s.path("requests", id, "reply"), "")
	if err != nil {
		return nil, s.fail("read reply from", err)
	}
	_, err = s.again(ctx, call{method: http.MethodDelete, path: s.path("requests", id)})
	return a.body, s.fail("remove request from", err)
}

// Dismiss removes a request without a reply.
func (s *Store) Dismiss(ctx context.Context, id string) error {
	_, err := s.again(ctx, call{method: http.MethodDelete, path: s.path("requests", id)})
	return s.fail("remove request from", err)
}
