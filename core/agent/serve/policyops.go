package serve

import (
	"context"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

func (s *Server) opPolicyShow(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	text, err := o.vault.Sealed(ctx, vault.Policy) // as it is, so that one that does not parse can be mended
	if errors.Is(err, vault.ErrNotFound) {
		return answer{args: agent.PolicyText{Text: policy.DefaultText}}, nil
	}
	if err != nil {
		return answer{}, err
	}
	out := agent.PolicyText{Text: string(text), Own: true}
	if p, err := policy.Parse(text); err == nil { // one that does not parse weakens nothing
		out.Loosen = loosened(&p.Loosen)
	}
	return answer{args: out}, nil
}

// opPolicySet stores a policy that parses, for the master password. What was
// approved under the old one is void.
func (s *Server) opPolicySet(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var p agent.PolicyText
	if err := s.personOnly(c, "set policy"); err != nil {
		return answer{}, err
	}
	a, err := s.freshOp(ctx, c, f, "policy_set", &p, func(o *opened, _ secret.Value) error {
		if _, err := policy.Parse([]byte(p.Text)); err != nil {
			return &agent.Error{Err: agent.ErrUsage, Message: "set " + err.Error()}
		}
		return o.vault.PutSealed(ctx, vault.Policy, []byte(p.Text))
	})
	if err == nil {
		s.gate.forget()
	}
	return a, err
}

// opPolicyExplain says what the policy makes of a request, and changes nothing.
func (s *Server) opPolicyExplain(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var q agent.ExplainRequest
	if err := args(f, &q); err != nil {
		return answer{}, err
	}
	refs, err := s.resolve(ctx, &q.Grant)
	if err != nil {
		return answer{}, err
	}
	p, err := s.currentPolicy(ctx)
	if q.Policy != "" {
		if p, err = policy.Parse([]byte(q.Policy)); err != nil {
			err = &agent.Error{Err: agent.ErrUsage, Message: err.Error()}
		}
	}
	if err != nil {
		return answer{}, err
	}
	actor := c.actor
	if q.Client != "" {
		actor.Client = clean(q.Client)
	}
	out := make([]agent.Explanation, len(refs))
	for i, ref := range refs {
		r := (&Request{Verb: Verb(q.Verb), Actor: actor, Refs: []secret.Ref{ref}, Grant: q.Grant, Time: s.c.Now()}).policy()
		v := p.Decide(r)
		out[i] = agent.Explanation{Ref: ref.String(), Allow: v.Allow, Approval: string(v.Approval)}
		for _, step := range p.Explain(r, ref) {
			out[i].Steps = append(out[i].Steps, agent.ExplainStep{Rule: step.Rule, Why: step.Why, Fits: step.Fits})
		}
	}
	return answer{args: out}, nil
}

// approvalRecord is what an approval leaves in the log.
func (c *client) approvalRecord(p *pending, event string) audit.Record {
	return c.record("approval", "", event, fmt.Sprintf("%s: %s", p.id, p.lines[0]))
}
