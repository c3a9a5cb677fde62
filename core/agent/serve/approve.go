package serve

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
)

// A pending request waits for a person.
type pending struct {
	id     string
	key    [32]byte
	how    policy.Approval
	pin    bool // the PIN can allow it
	client string
	about  string // client and secrets: what the last approved request is looked up by
	lines  []string
	since  time.Time
}

// wait returns the pending request for key, made now unless it is there; nil
// when too many wait. The caller holds the gate's lock.
func (g *gate) wait(r *Request, how policy.Approval, key [32]byte, pin bool) *pending {
	for id, p := range g.pending {
		switch {
		case r.Time.Sub(p.since) > pendingTime:
			delete(g.pending, id)
		case p.key == key:
			// The same approval, asked for by the command of now: a person who
			// looks at a pending request keeps seeing the one they looked at.
			again := *p
			again.lines = g.compared(r, how)
			g.pending[id] = &again
			return &again
		}
	}
	if len(g.pending) >= maxPending {
		return nil
	}
	p := &pending{id: newID()[:8], key: key, how: how, pin: pin, client: r.Actor.Client, about: r.about(), lines: g.compared(r, how), since: r.Time}
	g.pending[p.id] = p
	return p
}

// take removes a pending request from the list, unless its time is over.
func (g *gate) take(id string, now time.Time) (*pending, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.pending[id]
	delete(g.pending, id)
	if p == nil || now.Sub(p.since) > pendingTime {
		return nil, fmt.Errorf("request %q: %w", oneLine(id), agent.ErrNotFound)
	}
	return p, nil
}

// approve lets what p stands for through: once, or until the vault is locked.
func (g *gate) approve(p *pending, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.pending, p.id)
	a := approval{until: now.Add(approvedTime)}
	if p.how == policy.Always {
		a = approval{until: now.Add(pendingTime), single: true}
	}
	g.approved[p.key] = a
	if len(g.last) >= maxLast {
		clear(g.last)
	}
	g.last[p.about] = p.lines
}

// about names the client and the secrets of r.
func (r *Request) about() string {
	words := []string{r.Actor.Client, r.Actor.Agent}
	for _, ref := range slices.SortedFunc(slices.Values(r.Refs), compareRefs) {
		words = append(words, ref.String())
	}
	return strings.Join(words, " ")
}

// compared is describe with what was approved last for the same client and
// secrets below each line that is another one now.
func (g *gate) compared(r *Request, how policy.Approval) []string {
	var out []string
	last := g.last[r.about()]
	for _, line := range r.describe(how) {
		out = append(out, line)
		label, _, _ := strings.Cut(line, ":")
		if !slices.Contains([]string{"command", "program", "folder"}, label) || slices.Contains(last, line) {
			continue
		}
		for _, old := range last {
			if was, ok := strings.CutPrefix(old, label+":"); ok {
				out = append(out, "was:     "+strings.TrimSpace(was))
			}
		}
	}
	return out
}

// describe says in lines what is asked for. They are shown where a password is
// typed, so nothing in them may steer a terminal or look like another line.
func (r *Request) describe(how policy.Approval) []string {
	who := r.Actor.Client
	if r.Actor.Agent != "" {
		who += " (inside " + r.Actor.Agent + ")"
	}
	lines := []string{fmt.Sprintf("%s asks to %s", oneLine(who), oneLine(cmp.Or(r.What, string(r.Verb))))}
	g := &r.Grant
	if len(g.Argv) > 0 {
		words := make([]string, len(g.Argv))
		for i, a := range g.Argv {
			words[i] = shown(a)
		}
		lines = append(lines, "command: "+strings.Join(words, " "), "program: "+shown(g.Executable))
	}
	if g.Dir != "" {
		lines = append(lines, "folder:  "+shown(g.Dir))
	}
	for _, e := range g.ExtraEnv {
		lines = append(lines, "sets:    "+shown(e))
	}
	names := make([]string, 0, len(r.Refs))
	for _, ref := range r.Refs[:min(len(r.Refs), 10)] {
		names = append(names, ref.String())
	}
	if more := len(r.Refs) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	lines = append(lines, "secrets: "+strings.Join(names, ", "))
	if g.Reason != "" {
		lines = append(lines, "reason:  "+oneLine(g.Reason))
	}
	return append(lines, "holds:   "+holds(how))
}

func holds(how policy.Approval) string {
	switch how {
	case policy.Session:
		return "for any command of this client with these secrets, until the vault is locked"
	case policy.Once:
		return "for exactly this command, until the vault is locked"
	}
	return "for this one use"
}

// shown is an argument as a person can tell it from its neighbours, and from one
// that looks the same: letters beyond ASCII are spelled out.
func shown(arg string) string {
	if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return r <= ' ' || r == '\'' || r == '"' || r >= 0x7f }) {
		return fmt.Sprintf("%+.300q", arg)
	}
	return oneLine(arg)
}

// askHere has a request approved by whoever gives the password on f, which
// came with the request itself. A coding agent's client cannot do that: it
// would be its own approver.
func (s *Server) askHere(ctx context.Context, c *client, p *pending, f *os.File, kind agent.PasswordKind, l *policy.Loosen) error {
	if c.actor.MCP() || !s.present(c, kind, l) {
		return s.needsApproval(p)
	}
	if err := s.confirm(ctx, p, f, kind); err != nil {
		return err
	}
	s.gate.approve(p, s.c.Now())
	return s.noteLate(c.approvalRecord(p, "APPROVED"))
}

// present reports whether a password of this kind comes from a person who looks
// at what is asked for. A file, a command or a variable is asked nothing: a shell
// that has it would approve whatever it starts, unless the sealed policy says
// that this is meant.
func (s *Server) present(c *client, kind agent.PasswordKind, l *policy.Loosen) bool {
	return kind == agent.PasswordTTY || l.ApproveUnattended && s.around(c.actor) == ""
}

// confirm shows p and checks the password, or the PIN.
func (s *Server) confirm(ctx context.Context, p *pending, f *os.File, kind agent.PasswordKind) error {
	if kind == agent.PasswordTTY {
		t, err := newTerminal(f)
		if err != nil {
			return err
		}
		for _, line := range p.lines {
			t.say("%s", line)
		}
	}
	prompt := "Master password, to allow this: "
	if p.pin && s.pinSet(ctx) {
		prompt = "Master password or PIN, to allow this: "
	}
	return s.ask(ctx, f, kind, prompt, func(v secret.Value) error { return s.allows(ctx, p, v) })
}

// allows checks what a person typed to allow p.
func (s *Server) allows(ctx context.Context, p *pending, v secret.Value) error {
	if p.pin && isPIN(v) && s.pinSet(ctx) {
		return s.tryPIN(ctx, v)
	}
	return s.withVault(ctx, v, func(*opened) error { return nil })
}

// needsApproval says how p can be approved.
func (s *Server) needsApproval(p *pending) error {
	return &agent.Error{Err: agent.ErrApproval, Message: "needs approval: " + p.lines[0],
		Advice: fmt.Sprintf(`a person can allow it with "ov approve %s"`, p.id), Pending: p.id}
}

func (s *Server) opPending(context.Context, *client, *wire.Frame) (answer, error) {
	_, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	out := []agent.Pending{}
	for _, p := range s.gate.pending {
		if s.c.Now().Sub(p.since) <= pendingTime {
			out = append(out, agent.Pending{ID: p.id, Client: p.client, Lines: p.lines, Since: p.since})
		}
	}
	slices.SortFunc(out, func(a, b agent.Pending) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return answer{args: out}, nil
}

// opApprove lets a pending request through, for the master password.
func (s *Server) opApprove(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var q struct{ ID string }
	kind, err := passwordArgs(f, &q)
	if err != nil {
		return answer{}, err
	}
	rules, err := s.currentPolicy(ctx)
	if err != nil {
		return answer{}, err
	}
	switch {
	case c.actor.MCP(), kind != agent.PasswordTTY && s.around(c.actor) != "":
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "approve: denied: a coding agent does not approve"}
	case !s.present(c, kind, &rules.Loosen):
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "approve: denied: nobody looks at what a password from a file or a command allows",
			Advice: `type it, in a terminal; the sealed policy can allow this: approve_unattended under [loosen], "ov policy edit"`}
	}
	p, err := s.gate.take(q.ID, s.c.Now())
	if err != nil {
		return answer{}, err
	}
	if err := s.confirm(ctx, p, f.Files[0], kind); err != nil {
		s.gate.putBack(p)
		return answer{}, err
	}
	s.gate.approve(p, s.c.Now())
	return answer{}, s.noteLate(c.approvalRecord(p, "APPROVED"))
}

// putBack makes a request pending again, for the time that it had left.
func (g *gate) putBack(p *pending) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending[p.id] = p
}

// opRefuse turns a pending request down: that needs no password.
func (s *Server) opRefuse(_ context.Context, c *client, f *wire.Frame) (answer, error) {
	var q struct{ ID string }
	if err := args(f, &q); err != nil {
		return answer{}, err
	}
	p, err := s.gate.take(q.ID, s.c.Now())
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.noteLate(c.approvalRecord(p, "REFUSED"))
}
