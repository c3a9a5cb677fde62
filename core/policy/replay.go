package policy

import "github.com/opaquevault/ov/core/secret"

// Replay decides about a use of ref that is over, of which only the verb, the
// client, the secret and the time are known. depends names the rule that would
// have decided by the command, its folder, its environment or the delivery, and
// is "" when none of these matter.
func (p *Policy) Replay(r Request, ref secret.Ref) (v Verdict, depends string) {
	for i := range p.Rules {
		rule := p.Rules[i]
		blind := rule
		blind.Executables, blind.Argv, blind.Dirs, blind.Env, blind.Delivery = nil, nil, nil, nil, nil
		if blind.misfit(&r, ref) != "" {
			continue
		}
		if len(rule.Executables)+len(rule.Argv)+len(rule.Dirs)+len(rule.Env)+len(rule.Delivery) > 0 {
			return Verdict{}, rule.Name
		}
		return rule.verdict(&r, ref), ""
	}
	return Verdict{Rule: "none", Approval: Always}, ""
}
