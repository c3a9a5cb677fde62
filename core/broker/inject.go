package broker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// ErrInject is wrapped by every refusal to put a secret into the environment.
var ErrInject = errors.New("not injected")

// declare says to the agent what is going to happen.
func (r *Request) declare(path string) agent.GrantRequest {
	g := agent.GrantRequest{Kind: agent.GrantRun, Executable: path, Argv: r.Argv, Dir: r.Dir, Lanes: r.Redact.Lanes.String(), Reason: r.Reason}
	if r.Wants == nil {
		g.App, g.Env = r.Space.App, r.Space.Env
	}
	for _, w := range r.Wants {
		g.Refs = append(g.Refs, w.Ref)
	}
	return g
}

// inject builds the child's environment and the needles. A secret that was
// asked for by name and cannot be injected is an error; among all secrets of an
// environment it is left out, with a notice.
func (r *Request) inject(g *agent.Grant) (env []string, needles []redact.Needle, err error) {
	if !r.Pristine {
		env = scrub(r.Environ)
	}
	for _, put := range r.variables(g) {
		s := put.secret
		if err := admit(put.as, s, g.AllowNames); err != nil {
			if r.Wants != nil {
				return nil, nil, err
			}
			r.Notice(err.Error())
			continue
		}
		if r.KeepExisting && has(env, put.as) {
			r.Notice(fmt.Sprintf("keep %s: it is set already", put.as))
		}
		if s.Plain {
			env = r.set(env, put.as, s.Value)
			continue
		}
		env, needles = r.set(env, put.as, s.Value), append(needles, redact.Needle{Name: s.Ref.Name, Value: s.Value})
	}
	return env, needles, nil
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

// admit reports whether s may go into the variable as.
func admit(as string, s agent.Secret, allowed []string) error {
	refuse := func(why any) error { return fmt.Errorf("inject %q: %w: %v", as, ErrInject, why) }
	if err := s.Value.CheckEnv(); err != nil {
		return refuse(err)
	}
	if !s.Plain && s.Value.Len() < secret.MinMaskable {
		return refuse(secret.ErrShort)
	}
	if why := dangerous(as); why != "" && !contains(allowed, as) {
		return refuse(why)
	}
	return nil
}

// set puts NAME=value into env, in place of one that is there unless r keeps it.
func (r *Request) set(env []string, name string, v secret.Value) []string {
	if has(env, name) && r.KeepExisting {
		return env
	}
	return append(without(env, name), name+"="+string(v.Reveal()))
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
