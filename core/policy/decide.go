package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

// Decide holds every secret of r against the rules and returns the strictest
// of the verdicts, with the limits of all of them: a secret whose use is limited
// does not escape in the company of others.
func (p *Policy) Decide(r Request) Verdict {
	refs := r.Refs
	if len(refs) == 0 {
		return Verdict{Allow: true, Approval: Never, Rule: "none", Why: "no secret is asked for"}
	}
	worst := p.all(&r, refs)
	if by := r; r.By != "" {
		by.Verb, by.By = r.By, ""
		worst = worst.and(p.all(&by, refs))
	}
	return worst
}

// all decides about every one of refs, for one verb.
func (p *Policy) all(r *Request, refs []secret.Ref) Verdict {
	worst := p.decide(r, refs[0])
	for _, ref := range refs[1:] {
		worst = worst.and(p.decide(r, ref))
	}
	return worst
}

// and returns the stricter of two verdicts, with the limits of both.
func (v Verdict) and(w Verdict) Verdict {
	limits := slices.Clone(v.Limits)
	for _, l := range w.Limits {
		if !slices.Contains(limits, l) {
			limits = append(limits, l)
		}
	}
	pin := v.PIN
	switch {
	case w.Approval == Never:
	case v.Approval == Never:
		pin = w.PIN
	default:
		pin = pin && w.PIN // enough for both
	}
	if stricter(w, v) {
		v = w
	}
	v.Limits, v.PIN = limits, pin
	return v
}

func stricter(a, b Verdict) bool {
	if a.Allow != b.Allow {
		return b.Allow
	}
	return a.Approval.rank() > b.Approval.rank()
}

func (p *Policy) decide(r *Request, ref secret.Ref) Verdict {
	for i := range p.Rules {
		if p.Rules[i].misfit(r, ref) == "" {
			return p.Rules[i].verdict(r, ref)
		}
	}
	// A checked policy ends with a rule that fits everything.
	return Verdict{Rule: "none", Approval: Always, Why: "no rule fits " + ref.String()}
}

func (r *Rule) verdict(q *Request, ref secret.Ref) Verdict {
	v := Verdict{Allow: true, Approval: r.Approval, Rule: r.Name, PIN: r.PIN, Bound: len(r.Executables)+len(r.Dirs)+len(r.Env) > 0}
	if r.Max > 0 {
		v.Limits = []Limit{{r.Name, r.Max, time.Duration(r.Per)}}
	}
	switch {
	case r.Deny:
		v.Allow, v.Why = false, fmt.Sprintf("%s of %s by %s is denied", q.Verb, ref, q.Client)
	case r.Reason && strings.TrimSpace(q.Reason) == "":
		v.Allow, v.Why = false, fmt.Sprintf("%s of %s needs a reason", q.Verb, ref)
	case q.Verb == "session" && (v.Bound || r.Approval == Always):
		v.Allow, v.Why = false, fmt.Sprintf("%s is for single commands, not for a session", ref)
	case r.Approval != Never:
		v.Why = fmt.Sprintf("%s of %s by %s is asked for (%s)", q.Verb, ref, q.Client, r.Approval)
	default:
		v.Why = fmt.Sprintf("%s of %s by %s is allowed", q.Verb, ref, q.Client)
	}
	return v
}

// A Step is one line of an explanation.
type Step struct {
	Rule string
	Why  string // why the rule does not fit, or what it says
	Fits bool
}

// Explain goes through the rules for one secret of r and says of each why it
// does not fit, up to the one that does.
func (p *Policy) Explain(r Request, ref secret.Ref) []Step {
	var steps []Step
	for i := range p.Rules {
		rule := &p.Rules[i]
		if why := rule.misfit(&r, ref); why != "" {
			steps = append(steps, Step{Rule: rule.Name, Why: why})
			continue
		}
		return append(steps, Step{Rule: rule.Name, Why: rule.verdict(&r, ref).Why, Fits: true})
	}
	return steps
}

// misfit says why the rule does not fit; "" means that it does.
func (r *Rule) misfit(q *Request, ref secret.Ref) string {
	switch {
	case !r.Until.IsZero() && q.Time.After(r.Until):
		return "it ended " + r.Until.Format(time.DateOnly)
	case len(r.Refs) > 0 && !slices.ContainsFunc(r.Refs, func(p string) bool { return refFits(p, ref) }):
		return "not for " + ref.String()
	case len(r.Who) > 0 && !slices.ContainsFunc(r.Who, func(w string) bool { return whoFits(w, q.Client) }):
		return "not for " + q.Client
	case len(r.Verbs) > 0 && !slices.Contains(r.Verbs, q.Verb):
		return "not for " + q.Verb
	case len(r.Delivery) > 0 && !slices.Contains(r.Delivery, deliveryOf(q, ref)):
		return "not for delivery as " + deliveryOf(q, ref)
	case len(r.Dirs) > 0 && !slices.ContainsFunc(r.Dirs, func(d string) bool { return dirFits(d, q.Dir) }):
		return "not in the folder " + quote(q.Dir)
	}
	return r.commandMisfit(q)
}

func (r *Rule) commandMisfit(q *Request) string {
	if len(r.Executables) > 0 {
		if why := r.executableMisfit(q); why != "" {
			return why
		}
	}
	if len(r.Argv) > 0 && len(q.Argv) > 0 && !ownName(q.Argv[0], q.Declared, q.Executable) {
		return "not under the name " + quote(q.Argv[0])
	}
	if len(r.Argv) > 0 && (len(q.Argv) == 0 || !slices.ContainsFunc(r.Argv, func(p string) bool { return argvFits(p, q.Argv[1:]) })) {
		return "not with these arguments"
	}
	if len(r.Executables) > 0 || len(r.Env) > 0 {
		for _, e := range q.Env {
			if name, value, _ := strings.Cut(e, "="); !slices.Contains(r.Env, name) && !harmless(name, value, q.Homes) {
				return "not with the variable " + quote(name)
			}
		}
	}
	return ""
}

func (r *Rule) executableMisfit(q *Request) string {
	named := false
	for _, e := range r.Executables {
		path, sum, hashed := strings.Cut(e, "#sha256:")
		if path != q.Executable {
			continue
		}
		named = true
		if !r.Deny && q.Loose != nil && q.Loose() {
			return quote(q.Executable) + " can be written by others than you and root"
		}
		if !hashed {
			return ""
		}
		if q.Sum != nil {
			if got, err := q.Sum(); err == nil && strings.EqualFold(got, sum) {
				return ""
			}
		}
	}
	if named {
		return quote(q.Executable) + " is another file than the rule names"
	}
	return "not for the program " + quote(q.Executable)
}

func deliveryOf(q *Request, ref secret.Ref) string {
	if d := q.Delivery[ref.String()]; d != "" {
		return d
	}
	return "env"
}

func quote(s string) string { return fmt.Sprintf("%.200q", s) }
