package serve

import (
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/policy"
)

// loosens refuses what weakens protection and is not in the sealed policy.
func (s *Server) loosens(p *policy.Policy, r *Request) (Decision, bool) {
	no := func(reason, hint string) (Decision, bool) {
		return Decision{Rule: "loosen", Reason: reason, Hint: hint}, true
	}
	if off := lanesOff(r, p.Loosen.Lanes); off != "" {
		who := s.around(r.Actor)
		if r.Actor.MCP() {
			who = r.Actor.Client
		}
		if off == "all" || who != "" {
			return no("masking on the lanes "+off+" may not be switched off here", `the sealed policy can allow it: lanes under [loosen], "ov policy edit"`)
		}
	}
	if r.Actor.MCP() && (r.Verb == VerbCreate || r.Verb == VerbUpdate) && r.From == agent.FromAParameter && !p.Loosen.ValueParameter {
		return no("a value in a parameter has been seen by the model, its provider and its logs", `the sealed policy can allow it: value_parameter under [loosen], "ov policy edit"`)
	}
	return Decision{}, false
}

// lanesOff returns the masking lanes that r does without and that may not be:
// "all" when none is left.
func lanesOff(r *Request, may []string) string {
	if r.Verb != VerbRun && r.Verb != VerbSession || r.Grant.Lanes == "" || r.Grant.Lanes == "all" {
		return ""
	}
	on := strings.Split(r.Grant.Lanes, ",")
	var off []string
	some := false
	for _, lane := range policy.Lanes() {
		switch {
		case slices.Contains(on, lane):
			some = true
		case !slices.Contains(may, lane):
			off = append(off, lane)
		}
	}
	if !some {
		return "all"
	}
	return strings.Join(off, ",")
}
