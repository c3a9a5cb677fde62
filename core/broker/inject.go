package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
)

// ErrInject is wrapped by every refusal to put a secret into the environment.
var ErrInject = errors.New("not injected")

// declare says to the agent what is going to happen.
func (r *Request) declare(p program) agent.GrantRequest {
	g := agent.GrantRequest{Kind: agent.GrantRun, Executable: p.path, File: p.file, Argv: r.Argv, Dir: r.Dir, Lanes: r.Redact.Lanes.String(), Level: level(r.Redact), Reason: r.Reason, ExtraEnv: r.Extra}
	if !r.Pristine {
		g.Inherited = scrub(r.Environ)
	}
	if r.Shell {
		g.Kind = agent.GrantSession
	}
	if r.Wants == nil {
		g.App, g.Env = r.Space.App, r.Space.Env
	}
	for _, w := range r.Wants {
		g.Refs = append(g.Refs, w.Ref)
		g.Delivery = declareDelivery(g.Delivery, w.Ref, r.Deliver[w.As])
	}
	if r.Wants == nil {
		for as, how := range r.Deliver {
			g.Delivery = declareDelivery(g.Delivery, secret.Ref{App: r.Space.App, Env: r.Space.Env, Name: as}, how)
		}
	}
	for ref := range r.templated {
		g.Delivery = declareDelivery(g.Delivery, ref, "file")
	}
	return g
}

// level is what the agent is told about masking by shape: that there is none.
func level(o redact.Options) string {
	if o.Level == scan.Known {
		return "known"
	}
	return ""
}

func declareDelivery(all map[string]string, ref secret.Ref, how string) map[string]string {
	if how == "" || how == "env" {
		return all
	}
	if all == nil {
		all = map[string]string{}
	}
	all[ref.String()] = how
	return all
}

// inject builds what the child is given, with the needles. A secret that was
// asked for by name and cannot be injected is an error; among all secrets of an
// environment it is left out, with a notice. What it returns is to be closed,
// with an error too.
func (r *Request) inject(g *agent.Grant, templates [][]byte) (*injection, error) {
	in := &injection{}
	if !r.Pristine {
		in.env = scrub(r.Environ)
	}
	for _, kv := range r.Extra {
		name, _, _ := strings.Cut(kv, "=")
		in.env = append(without(in.env, name), kv)
	}
	all := r.variables(g)
	if err := r.checkDeliveries(all); err != nil {
		return in, err
	}
	for _, put := range all {
		if err := r.admit(put, g.AllowNames); err != nil {
			if r.Wants != nil || r.Deliver[put.as] != "" {
				return in, err
			}
			r.Notice(err.Error())
			continue
		}
		if !put.secret.Plain {
			in.needles = append(in.needles, redact.Needle{Name: put.secret.Ref.Name, Value: put.secret.Value})
		}
		in.given = append(in.given, put)
		if err := r.put(in, put); err != nil {
			return in, err
		}
	}
	return in, in.render(r.Templates, templates, in.given)
}

// put gives the child one value, which is a needle by now.
func (r *Request) put(in *injection, v variable) error {
	how := r.Deliver[v.as]
	switch {
	case v.as == "": // for a template alone
		return nil
	case how != "" && how != "env":
		in.env = without(in.env, v.as)
		return in.deliver(how, v.as, v.secret.Value)
	case r.KeepExisting && has(in.env, v.as):
		r.Notice(fmt.Sprintf("keep %s: it is set already", v.as))
		return nil
	}
	in.env = append(without(in.env, v.as), v.as+"="+string(v.secret.Value.Reveal()))
	return nil
}

// A variable is where one opened secret goes.
type variable struct {
	as     string
	secret agent.Secret
}

// variables pairs the opened secrets with the names they were asked for under.
func (r *Request) variables(g *agent.Grant) []variable {
	var all []variable
	if r.Wants == nil {
		for _, s := range g.Secrets {
			all = append(all, variable{s.Ref.Name, s})
		}
		return all
	}
	for _, w := range r.Wants {
		for _, s := range g.Secrets {
			if s.Ref == w.Ref {
				all = append(all, variable{w.As, s})
				break
			}
		}
	}
	return all
}

// admit reports whether a secret may go where it shall.
func (r *Request) admit(v variable, allowed []string) error {
	name := v.as
	if name == "" {
		name = v.secret.Ref.Name
	}
	refuse := func(why any) error { return fmt.Errorf("inject %q: %w: %v", name, ErrInject, why) }
	how := r.Deliver[v.as]
	if v.as != "" && (how == "" || how == "env") {
		if err := v.secret.Value.CheckEnv(); err != nil {
			return refuse(err)
		}
	}
	if !v.secret.Plain && v.secret.Value.Len() < secret.MinMaskable {
		return refuse(secret.ErrShort)
	}
	if v.as == "" {
		return nil
	}
	if why := dangerous(v.as); why != "" && !contains(allowed, v.as) {
		return refuse(why)
	}
	return nil
}

func has(env []string, name string) bool { return len(without(env, name)) < len(env) }

// without returns env less the variable name, in a new slice.
func without(env []string, name string) []string {
	rest := make([]string, 0, len(env)+1)
	for _, kv := range env {
		if k, _, _ := strings.Cut(kv, "="); k != name {
			rest = append(rest, kv)
		}
	}
	return rest
}
