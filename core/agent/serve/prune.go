package serve

import (
	"context"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
)

// opAuditPrunable says what a prune would remove.
func (s *Server) opAuditPrunable(_ context.Context, _ *client, f *wire.Frame) (answer, error) {
	var r agent.PruneRequest
	if err := args(f, &r); err != nil {
		return answer{}, err
	}
	s.late.Wait()
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	p, err := prune(o, &r, true)
	return answer{args: p}, err
}

// opAuditPrune removes the oldest part of the log, for the password: what is left
// says so, and what was taken away by anybody else is still found missing.
func (s *Server) opAuditPrune(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	if c.actor.MCP() {
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "prune audit log: denied: a coding agent's tools do not shorten the record of what they did"}
	}
	var r agent.PruneRequest
	var p agent.PruneReport
	s.late.Wait()
	a, err := s.freshOp(ctx, c, f, "audit_prune", &r, func(o *opened, _ secret.Value) (err error) {
		p, err = prune(o, &r, false)
		return err
	})
	a.args = p
	return a, err
}

func prune(o *opened, r *agent.PruneRequest, dry bool) (agent.PruneReport, error) {
	if r.Before.IsZero() && r.Keep == 0 {
		return agent.PruneReport{}, &agent.Error{Err: agent.ErrUsage, Message: "prune audit log: say what may go"}
	}
	p, err := o.log.Prune(audit.PruneOptions{Before: r.Before, Keep: r.Keep, Dry: dry})
	return agent.PruneReport{Removed: p.Records, Left: p.Left, Newest: p.Newest, Last: p.Last, Note: p.Note}, err
}
