package serve

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// maxRefs is how many secrets one grant may open.
const maxRefs = 20_000

// grants are those of one connection that were not completed yet.
type grants struct {
	mu     sync.Mutex
	issued map[string]issued
}

// issued is what is kept of a grant: enough for its completion record.
type issued struct {
	op     string
	spaces []string
	names  map[string]bool // full references
}

// opGrant opens values for a declared use, in this order: what is asked for,
// the gate, the audit record, the values.
func (s *Server) opGrant(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var g agent.GrantRequest
	if err := args(f, &g); err != nil {
		return answer{}, err
	}
	verb, err := checkGrant(&g)
	if err != nil {
		return answer{}, err
	}
	refs, err := s.resolve(ctx, &g)
	if err != nil {
		return answer{}, err
	}
	r := Request{Verb: verb, Refs: refs, Grant: g}
	d, err := s.decide(ctx, c, f, &r)
	if err != nil {
		return answer{}, err
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	id := newID()
	notes := c.grantRecords(o, &r, id)
	if !d.Allow {
		return answer{}, s.refused(o, d, notes...)
	}
	notes[0].Limits = d.limits
	opened, err := o.vault.Open(ctx, refs, func([]vault.Head) error { return o.note(notes...) })
	if err != nil {
		return answer{}, s.similarOf(ctx, o, refs, err)
	}
	if d := s.weak(&r, opened); d != nil {
		wipe(opened)
		return answer{}, s.refused(o, *d, notes...)
	}
	c.issue(id, notes)
	out := wire.Granted{ID: id, AllowNames: d.loosen.Names, Exact: d.exact}
	values := make([]secret.Value, len(opened))
	for i, op := range opened {
		out.Secrets = append(out.Secrets, wire.Head{Ref: op.Ref, Version: op.Version, Plain: op.Plain, Weak: op.Weak})
		values[i] = op.Value
	}
	return answer{args: out, values: values}, nil
}

// weak asks for values that can be guessed, before a coding agent uses them: it
// could find them by trying. How strong a value is stands in its sealed
// metadata, so this comes after opening and before anything leaves.
func (s *Server) weak(r *Request, values []vault.Opened) *Decision {
	if !r.Actor.MCP() {
		return nil
	}
	i := slices.IndexFunc(values, func(v vault.Opened) bool { return v.Weak && !v.Plain })
	if i < 0 {
		return nil
	}
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	d := s.gate.ask(r, policy.Session, Decision{Allow: true, Rule: "weak values", Reason: values[i].Ref.String() + " can be guessed"}, false)
	if d.Allow {
		return nil
	}
	return &d
}

func wipe(values []vault.Opened) {
	for _, v := range values {
		v.Value.Wipe()
	}
}

// checkGrant reports what is missing in a declaration.
func checkGrant(g *agent.GrantRequest) (Verb, error) {
	bad := func(format string, a ...any) (Verb, error) {
		return "", fmt.Errorf("grant: %w: "+format, append([]any{agent.ErrUsage}, a...)...)
	}
	switch {
	case len(g.Refs) > maxRefs:
		return bad("more than %d secrets", maxRefs)
	case len(g.Refs) > 0 && (g.App != "" || g.Env != ""):
		return bad("secrets by name and a whole environment at once")
	case g.Kind == agent.GrantRun && (!filepath.IsAbs(g.Executable) || len(g.Argv) == 0):
		return bad("a run declares its executable and its argv")
	case g.Kind != agent.GrantMask && !filepath.IsAbs(g.Dir):
		return bad("a %s declares its working directory", g.Kind)
	}
	for ref, how := range g.Delivery {
		if !slices.Contains([]string{"env", "file", "stdin", "fd"}, how) {
			return bad("delivery %q of %q", how, ref)
		}
	}
	switch g.Kind {
	case agent.GrantRun:
		return VerbRun, nil
	case agent.GrantMask:
		return VerbMask, nil
	case agent.GrantSession:
		return VerbSession, nil
	}
	return bad("kind %q", g.Kind)
}

// resolve returns the references that g means, each once. Names are not
// secret to a client of an unlocked vault, and no DEK is unwrapped for them.
func (s *Server) resolve(ctx context.Context, g *agent.GrantRequest) ([]secret.Ref, error) {
	o, done, err := s.use()
	if err != nil {
		return nil, err
	}
	defer done()
	if len(g.Refs) == 0 && (g.App != "" || g.Env != "") {
		heads, err := o.vault.Names(ctx, g.App, g.Env)
		if err != nil {
			return nil, err
		}
		refs := make([]secret.Ref, len(heads))
		for i, h := range heads {
			refs[i] = h.Ref
		}
		return refs, nil
	}
	refs := slices.Clone(g.Refs)
	for _, r := range refs {
		if err := r.Check(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(refs, compareRefs)
	return slices.Compact(refs), nil
}

// refused puts a refusal on record and returns it.
func (s *Server) refused(o *opened, d Decision, notes ...audit.Record) error {
	for i := range notes {
		notes[i].Event, notes[i].Reason, notes[i].Limits = "DENIED", d.noted(), nil
	}
	if err := o.note(notes...); err != nil {
		return err
	}
	if d.ask != nil {
		return s.needsApproval(d.ask)
	}
	kind := cmp.Or(d.Err, agent.ErrDenied)
	return &agent.Error{Err: kind, Message: fmt.Sprintf("%v: %s (rule %s)", kind, d.Reason, d.Rule), Advice: d.Hint}
}

// noted is why, in words for the log: those for people name secrets, which the
// log does not.
func (d *Decision) noted() string {
	switch {
	case d.ask != nil:
		return "a person has to allow it"
	case d.Err != nil:
		return d.Err.Error()
	}
	return "the policy refuses it"
}

// grantRecords returns one record for each environment that r touches; an
// empty grant has one as well.
func (c *client) grantRecords(o *opened, r *Request, id string) []audit.Record {
	by, order := map[string][]secret.Ref{}, []string{}
	for _, ref := range r.Refs {
		if by[ref.Space()] == nil {
			order = append(order, ref.Space())
		}
		by[ref.Space()] = append(by[ref.Space()], ref)
	}
	if len(order) == 0 {
		order = []string{""}
	}
	notes := make([]audit.Record, len(order))
	for i, space := range order {
		notes[i] = c.record("vault_"+string(r.Verb), space, "ACCESSED", r.Grant.Reason, by[space]...)
		notes[i].Run, notes[i].Argv = id, o.argvDigest(r.Grant.Argv)
	}
	return notes
}

// issue remembers a grant for its completion.
func (c *client) issue(id string, notes []audit.Record) {
	g := issued{op: notes[0].Op, names: map[string]bool{}}
	for _, n := range notes {
		g.spaces = append(g.spaces, n.Space)
		for _, name := range n.Names {
			g.names[name] = true
		}
	}
	c.grants.mu.Lock()
	c.grants.issued[id] = g
	c.grants.mu.Unlock()
	c.s.issued.Add(1)
}

// called returns the granted references that a mask's name stands for, in their
// order: it is a secret's NAME alone, and two environments may have it.
func (g *issued) called(name string) []string {
	if g.names[name] {
		return []string{name}
	}
	var all []string
	for ref := range g.names {
		if name != "" && strings.HasSuffix(ref, "/"+name) {
			all = append(all, ref)
		}
	}
	slices.Sort(all)
	return all
}

// settle takes a grant out of the list.
func (c *client) settle(id string) (issued, bool) {
	c.grants.mu.Lock()
	defer c.grants.mu.Unlock()
	g, ok := c.grants.issued[id]
	if ok {
		delete(c.grants.issued, id)
		c.s.issued.Add(-1)
	}
	return g, ok
}

// opComplete records how the use of a grant ended.
func (s *Server) opComplete(_ context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.Completion
	if err := args(f, &r); err != nil {
		return answer{}, err
	}
	g, ok := c.settle(r.GrantID)
	if !ok {
		return answer{}, fmt.Errorf("complete grant %q: %w", oneLine(r.GrantID), agent.ErrNotFound)
	}
	note := c.record(g.op, g.spaces[0], "COMPLETED", r.Failure)
	note.Run, note.Exit, note.Signal = r.GrantID, &r.Exit, oneLine(r.Signal)
	for _, m := range r.Masked {
		names := g.called(m.Name)
		if len(names) == 0 { // a rule's finding, or a name that was never granted
			names = []string{""}
		}
		for _, name := range names {
			if name != "" && m.Lane == "fragments" {
				s.gate.saw(name, m.N, s.c.Now())
			}
			note.Masked = append(note.Masked, audit.Count{Name: name, Lane: oneLine(m.Lane), Rule: oneLine(m.Rule), N: m.N})
		}
	}
	// The command is over: its caller need not wait for the disk. Whoever reads
	// the log waits, and a failure shows at the next grant.
	s.late.Go(func() { s.noteLate(note) })
	return answer{}, nil
}

// abandon records the grants of c that nobody will complete.
func (c *client) abandon(why string) {
	c.grants.mu.Lock()
	ids := make([]string, 0, len(c.grants.issued))
	for id := range c.grants.issued {
		ids = append(ids, id)
	}
	c.grants.mu.Unlock()
	for _, id := range ids {
		if g, ok := c.settle(id); ok {
			note := c.record(g.op, g.spaces[0], "ABANDONED", why)
			note.Run = id
			for name := range g.names {
				note.Names = append(note.Names, name)
				if why == "" {
					c.s.gate.saw(name, lostHits, c.s.c.Now())
				}
			}
			slices.Sort(note.Names)
			c.s.noteLate(note)
		}
	}
}

// noteLate appends a record that opens nothing. A one-shot agent can do it
// after its keys are gone.
func (s *Server) noteLate(r audit.Record) error {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if s.state.log == nil {
		return agent.ErrLocked
	}
	return write(s.state.log, s.state.device, []audit.Record{r})
}
