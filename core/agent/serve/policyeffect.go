package serve

import (
	"context"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
)

// opPolicyCheck says what a policy would change, secret by secret, before
// anybody stores it. It opens no secret: names are enough.
func (s *Server) opPolicyCheck(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var text agent.PolicyText
	if err := args(f, &text); err != nil {
		return answer{}, err
	}
	next, err := policy.Parse([]byte(text.Text))
	if err != nil {
		return answer{}, &agent.Error{Err: agent.ErrUsage, Message: "check " + err.Error()}
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	now, err := s.policy(ctx, o)
	if err != nil { // one that does not parse lets nothing through
		now = policy.Closed()
	}
	e := agent.Effect{Loosens: next.Says(), Changes: []agent.EffectChange{}}
	spaces, err := o.vault.Spaces(ctx)
	for _, sp := range spaces {
		heads, err := o.vault.Names(ctx, sp.App, sp.Env)
		if err != nil {
			return answer{}, err
		}
		refs := make([]secret.Ref, len(heads))
		for i, h := range heads {
			refs[i] = h.Ref
		}
		e.Changes = append(e.Changes, s.changes(now, next, refs)...)
	}
	return answer{args: e}, err
}

// changes tries every verb of every kind of client on the secrets of one
// environment and returns where the answers differ.
func (s *Server) changes(now, next *policy.Policy, refs []secret.Ref) []agent.EffectChange {
	var out []agent.EffectChange
	for _, client := range []string{"cli", "mcp:any", "machine:any"} {
		for _, verb := range policy.Verbs() {
			at := map[[2]string]int{} // index in out, by the two answers
			for _, ref := range refs {
				q := policy.Request{Verb: verb, Client: client, Refs: []secret.Ref{ref}, Reason: "any", Time: s.c.Now()}
				was, is := inWords(now.Decide(q)), inWords(next.Decide(q))
				if was == is {
					continue
				}
				i, ok := at[[2]string{was, is}]
				if !ok {
					i = len(out)
					at[[2]string{was, is}] = i
					out = append(out, agent.EffectChange{Space: ref.Space(), Verb: verb, Client: client, Before: was, After: is})
				}
				out[i].Secrets = append(out[i].Secrets, ref.Name)
			}
		}
	}
	return out
}

// inWords is a verdict in a word or two.
func inWords(v policy.Verdict) string {
	switch {
	case !v.Allow:
		return "denied"
	case v.Approval != policy.Never:
		return "asked (" + string(v.Approval) + ")"
	}
	return "allowed"
}
