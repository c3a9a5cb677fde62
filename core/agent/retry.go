package agent

import (
	"context"
	"errors"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// A lost connection says that the agent is gone, as it is for a moment when it
// locks itself by replacing its process. What was not sent was not done; of what
// was sent and not answered nobody knows.
type lost struct {
	cause error
	sent  bool
}

// Error says nothing of what was asked.
func (l *lost) Error() string {
	return ErrUnavailable.Error() + ": connection lost: " + l.cause.Error()
}

// Unwrap makes it an ErrUnavailable.
func (l *lost) Unwrap() []error { return []error{ErrUnavailable, l.cause} }

// send is do, once more when s turns out to be the connection of an agent that
// has replaced itself. It returns the session that answered.
func (c *Client) send(ctx context.Context, s *session, connect func(context.Context) (*session, error), op string, args any, values ...secret.Value) (*wire.Frame, *session, error) {
	f, err := s.do(ctx, op, args, values, nil)
	if s.reap == nil && again(err, op) {
		if s, err = connect(ctx); err != nil {
			return nil, nil, err
		}
		f, err = s.do(ctx, op, args, values, nil)
	}
	return f, s, err
}

// again reports whether a request may be sent a second time after err.
func again(err error, op string) bool {
	l := (*lost)(nil)
	if !errors.As(err, &l) || !l.sent {
		return l != nil
	}
	switch op { // those that change nothing, or nothing more the second time
	case wire.OpStatus, wire.OpGrant, wire.OpMayPut, wire.OpList, wire.OpInfo, wire.OpSpaces, wire.OpHistory, wire.OpVerify,
		wire.OpAuditShow, wire.OpAuditVerify, wire.OpAuditExposed, wire.OpPolicyShow, wire.OpPolicyExplain, wire.OpPolicyCheck,
		wire.OpPending, wire.OpCatalogShow, wire.OpImportCompare, wire.OpImportSeal, wire.OpImportOpen:
		return true
	}
	return false
}
