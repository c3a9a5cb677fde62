package serve

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
)

// maxReplay is how many lines of the log are looked at.
const maxReplay = 100_000

// opPolicyReplay says what a policy would have said to the uses in the log.
func (s *Server) opPolicyReplay(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var q agent.ReplayRequest
	if err := args(f, &q); err != nil {
		return answer{}, err
	}
	p, err := policy.Parse([]byte(q.Policy))
	if err != nil {
		return answer{}, &agent.Error{Err: agent.ErrUsage, Message: "replay " + err.Error()}
	}
	s.late.Wait()
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	entries, err := o.log.Show(min(cmp.Or(max(q.Last, 0), maxReplay), maxReplay))
	if err != nil {
		return answer{}, err
	}
	names, err := o.names(ctx)
	if err != nil {
		return answer{}, err
	}
	return answer{args: replay(p, entries, names)}, nil
}

// replay counts the uses of entries by who, what, where and the two answers.
func replay(p *policy.Policy, entries []audit.Entry, names map[string]string) []agent.Replayed {
	index, out := map[agent.Replayed]int{}, []agent.Replayed{}
	for _, e := range entries {
		verb := verbOf(e.Op)
		if verb == "" || !slices.Contains([]string{"ACCESSED", "DENIED", "WRITING", "DELETING"}, e.Event) {
			continue
		}
		for _, mac := range e.Names {
			ref, err := secret.ParseRef(names[mac], secret.Ref{})
			if err != nil {
				continue // gone meanwhile
			}
			r := agent.Replayed{Verb: verb, Client: e.Actor.Client, Space: ref.Space(), Was: "let through"}
			if e.Event == "DENIED" {
				r.Was = "refused or asked"
			}
			v, depends := p.Replay(policy.Request{Verb: verb, Client: e.Actor.Client, Reason: e.Reason, Time: e.Time}, ref)
			if r.Rule = v.Rule; depends != "" {
				r.Rule, r.Would = depends, "depends on the command"
			} else {
				r.Would = inWords(v)
			}
			i, ok := index[r]
			if !ok {
				i = len(out)
				index[r] = i
				out = append(out, r)
			}
			out[i].Times++
		}
	}
	slices.SortStableFunc(out, func(a, b agent.Replayed) int { return cmp.Compare(b.Times, a.Times) })
	return out
}

// verbOf is the verb of the policy that an op of the log stands for, or "".
func verbOf(op string) string {
	verb, ok := strings.CutPrefix(op, "vault_")
	if !ok {
		if verb, ok = strings.CutPrefix(op, "secret_"); !ok {
			return ""
		}
		if verb == string(agent.Upsert) {
			verb = "update"
		}
	}
	if !slices.Contains(policy.Verbs(), verb) {
		return ""
	}
	return verb
}
