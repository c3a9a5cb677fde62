package serve

import (
	"context"
	"fmt"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// opReveal shows one value to the person who types the master password, on the
// terminal that it is typed on and nowhere else. That the agent is unlocked
// does not count, and a file with the password does not either.
func (s *Server) opReveal(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var ref secret.Ref
	kind, err := passwordArgs(f, &ref)
	if err != nil {
		return answer{}, err
	}
	if err := ref.Check(); err != nil {
		return answer{}, err
	}
	if kind != agent.PasswordTTY {
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "reveal: denied: the password must be typed on a terminal"}
	}
	t, err := newTerminal(f.Files[0])
	if err != nil {
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "reveal: denied: not a terminal"}
	}
	note := c.record("vault_reveal", ref.Space(), "ACCESSED", "", ref)
	note.Run = newID()
	if name := s.around(c.actor); name != "" {
		s.noteIfOpen(note, "DENIED", "a coding agent is running: "+name)
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("reveal: denied: a coding agent is running this (%s)", name),
			Advice: "use a terminal of your own, outside of it"}
	}
	r := Request{Verb: VerbReveal, Actor: c.actor, Refs: []secret.Ref{ref}, Time: s.c.Now()}
	prompt := fmt.Sprintf("Master password, to show %s here: ", ref)
	return answer{}, s.withFresh(ctx, f.Files[0], kind, prompt, func(o *opened) error {
		p, err := s.policy(ctx, o)
		if err != nil {
			return err
		}
		if v := p.Decide(r.policy()); !v.Allow { // what would be asked for is being approved here
			return s.refused(o, Decision{Rule: v.Rule, Reason: v.Why}, note)
		}
		values, err := o.vault.Open(ctx, []secret.Ref{ref}, func([]vault.Head) error { return o.note(note) })
		if err != nil {
			return s.similar(ctx, o, ref, err)
		}
		defer values[0].Value.Wipe()
		if ctx.Err() != nil { // the client went away: nobody may be looking at this terminal
			return ctx.Err()
		}
		return t.show(values[0].Value)
	})
}

// noteIfOpen records a refusal when the log can be written at all.
func (s *Server) noteIfOpen(r audit.Record, event, reason string) {
	r.Event, r.Reason = event, oneLine(reason)
	s.noteLate(r)
}
