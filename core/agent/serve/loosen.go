package serve

import (
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/policy"
)

// loosened is what clients are told of l.
func loosened(l *policy.Loosen) agent.Loosened {
	return agent.Loosened{FailOpen: l.FailOpenScanners}
}

// loosens refuses what weakens protection and is not in the sealed policy.
func (s *Server) loosens(p *policy.Policy, r *Request) (Decision, bool) {
	if r.Actor.MCP() && (r.Verb == VerbCreate || r.Verb == VerbUpdate) && r.From == agent.FromAParameter && !p.Loosen.ValueParameter {
		return Decision{Rule: "loosen", Reason: "a value in a parameter has been seen by the model, its provider and its logs",
			Hint: `the sealed policy can allow it: value_parameter under [loosen], "ov policy edit"`}, true
	}
	return Decision{}, false
}
