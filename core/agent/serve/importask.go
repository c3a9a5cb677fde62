package serve

import (
	"context"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// importTime is how long an import may take once a person has let it through.
const importTime = 10 * time.Minute

// imported is what a person lets one MCP client import.
type imported struct {
	refs  map[secret.Ref]bool
	until time.Time
}

// mayImport reports whether a person lets client import all of refs; none asks
// for an import of any.
func (g *gate) mayImport(client string, refs []secret.Ref, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i, ok := g.imports[client]
	if !ok || !now.Before(i.until) {
		return false
	}
	for _, r := range refs {
		if !i.refs[r] {
			return false
		}
	}
	return true
}

// opImportAsk is how a coding agent's import gets through: the policy must allow
// it, and a person must, each time. What they see is what may be written.
func (s *Server) opImportAsk(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a agent.ImportAsk
	if err := args(f, &a); err != nil {
		return answer{}, err
	}
	if !c.actor.MCP() || len(a.Refs) == 0 || len(a.Refs) > agent.MaxAsk {
		return answer{}, fmt.Errorf("ask for an import: %w: for MCP clients, 1 to %d secrets", agent.ErrUsage, agent.MaxAsk)
	}
	for _, r := range a.Refs {
		if err := r.Check(); err != nil {
			return answer{}, err
		}
	}
	r := Request{Verb: VerbImport, Refs: a.Refs, Ask: true, Grant: agent.GrantRequest{Reason: a.Reason}}
	r.What = fmt.Sprintf("import %d secrets from %s", len(a.Refs), a.Source)
	if a.Replace {
		r.What += ", in place of those that exist"
	}
	note := c.record("vault_import", a.Refs[0].Space(), "IMPORTING", a.Reason, a.Refs...)
	return answer{}, s.gated(ctx, c, f, r, note, func(*opened) error {
		i := imported{refs: make(map[secret.Ref]bool, len(a.Refs)), until: s.c.Now().Add(importTime)}
		for _, r := range a.Refs {
			i.refs[r] = true
		}
		s.gate.mu.Lock()
		defer s.gate.mu.Unlock()
		s.gate.imports[c.actor.Client] = i
		return nil
	})
}
