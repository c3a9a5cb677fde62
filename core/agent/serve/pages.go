package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/page"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// opPage puts up a page for the person's browser. Any client may ask for one:
// what is typed on it comes here and not to the client, who relays the address
// and the code.
func (s *Server) opPage(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a wire.PageArgs
	if err := args(f, &a); err != nil {
		return answer{}, err
	}
	var q page.Question
	var err error
	switch a.Kind {
	case "unlock":
		q, err = s.unlockPage(c)
	case "approve":
		q, err = s.approvePage(c, a.ID)
	case "put":
		q, err = s.putPage(ctx, c, a.Put)
	case "pin":
		q, err = s.pinPage(c)
	default:
		err = fmt.Errorf("page: %w: kind %q", agent.ErrUsage, clean(a.Kind))
	}
	if err != nil {
		return answer{}, err
	}
	p, err := s.desk.Ask(q)
	if errors.Is(err, page.ErrBusy) {
		err = &agent.Error{Err: agent.ErrBusy, Message: err.Error()}
	}
	if err != nil {
		return answer{}, err
	}
	id := newID()
	s.pagesMu.Lock()
	s.pages[id] = p
	s.pagesMu.Unlock()
	go func() { // nobody may ever wait for it
		p.Wait(context.WithoutCancel(ctx))
		time.Sleep(pendingTime)
		s.takePage(id)
	}()
	return answer{args: agent.Page{ID: id, URL: p.URL, Code: p.Code}}, nil
}

func (s *Server) takePage(id string) *page.Page {
	s.pagesMu.Lock()
	defer s.pagesMu.Unlock()
	p := s.pages[id]
	delete(s.pages, id)
	return p
}

// opPageWait answers when the person has.
func (s *Server) opPageWait(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var a struct{ ID string }
	if err := args(f, &a); err != nil {
		return answer{}, err
	}
	s.pagesMu.Lock()
	p := s.pages[a.ID]
	s.pagesMu.Unlock()
	if p == nil {
		return answer{}, fmt.Errorf("page %q: %w", oneLine(a.ID), agent.ErrNotFound)
	}
	err := p.Wait(ctx)
	if ctx.Err() == nil {
		s.takePage(a.ID)
	}
	switch {
	case errors.Is(err, page.ErrRefused), errors.Is(err, page.ErrTimeout):
		err = &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: %v", agent.ErrDenied, err)}
	}
	return answer{}, err
}

// onPage gives a typed password to use. A wrong one may be typed again, until
// the pause.
func (s *Server) onPage(password secret.Value, use func(secret.Value) error) error {
	left, err := s.try(password, use)
	if errors.Is(err, vault.ErrPassword) && left > 0 {
		return page.Retry{Err: fmt.Errorf("wrong password, %d more tries", left)}
	}
	if errors.Is(err, errWrongPIN) {
		return page.Retry{Err: err}
	}
	return translate(err)
}

func (s *Server) unlockPage(c *client) (page.Question, error) {
	if !s.hasVault() {
		return page.Question{}, vault.ErrNoVault
	}
	return page.Question{
		Title: "Unlock the vault", Button: "Unlock", Done: "The vault is unlocked.",
		Lines: []string{c.actor.Client + " asks for it", fmt.Sprintf("It locks itself after %d minutes without use.", int(DefaultIdle.Minutes()))},
		Submit: func(ctx context.Context, a page.Answer) error {
			return s.onPage(a.Password, func(p secret.Value) error { return s.unlock(ctx, p, agent.TTLs{}) })
		},
	}, nil
}

func (s *Server) approvePage(c *client, id string) (page.Question, error) {
	s.gate.mu.Lock()
	p := s.gate.pending[id]
	s.gate.mu.Unlock()
	if p == nil {
		return page.Question{}, fmt.Errorf("request %q: %w", oneLine(id), agent.ErrNotFound)
	}
	return page.Question{
		Title: "Allow this?", Lines: p.lines, Button: "Allow", Done: "Allowed.",
		Refuse: func() {
			if _, err := s.gate.take(p.id, s.c.Now()); err == nil {
				s.noteLate(c.approvalRecord(p, "REFUSED"))
			}
		},
		Submit: func(ctx context.Context, a page.Answer) error {
			if s.c.Now().Sub(p.since) > pendingTime {
				return page.ErrTimeout
			}
			if err := s.onPage(a.Password, func(v secret.Value) error { return s.allows(ctx, p, v) }); err != nil {
				return err
			}
			s.gate.approve(p, s.c.Now())
			return s.noteLate(c.approvalRecord(p, "APPROVED"))
		},
	}, nil
}

// putPage asks for a value. Where the policy wants to be asked about the write
// as well, the page asks for the password too.
func (s *Server) putPage(ctx context.Context, c *client, raw json.RawMessage) (page.Question, error) {
	var r agent.PutRequest
	if json.Unmarshal(raw, &r) != nil {
		return page.Question{}, fmt.Errorf("page: %w: what is to be stored?", agent.ErrUsage)
	}
	p, verb, err := putOptions(&r)
	if err != nil {
		return page.Question{}, err
	}
	none := &wire.Frame{}
	r.From = agent.Source{Kind: agent.FromPerson}
	ask := writing(&r, verb)
	ask.Peek = true
	d, err := s.decide(ctx, c, none, &ask)
	if err != nil {
		return page.Question{}, err
	}
	if !d.Allow && d.ask == nil {
		return page.Question{}, &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: %s (rule %s)", agent.ErrDenied, d.Reason, d.Rule), Advice: d.Hint}
	}
	q := page.Question{
		Title: "A value for " + r.Ref.String(), Value: "Value", NoPass: d.ask == nil, Button: "Store", Done: "Stored.",
		Lines: []string{c.actor.Client + " asks for it; it will not see it", "stored as " + r.Ref.String()},
	}
	q.Submit = func(ctx context.Context, a page.Answer) error {
		if err := a.Value.Check(r.Plain); err != nil {
			return page.Retry{Err: err}
		}
		if d.ask != nil {
			if err := s.onPage(a.Password, func(pw secret.Value) error {
				return s.withVault(ctx, pw, func(*opened) error { return nil })
			}); err != nil {
				return err
			}
			s.gate.approve(d.ask, s.c.Now())
		}
		_, err := s.put(ctx, c, none, &r, a.Value, p, verb)
		return translate(err)
	}
	return q, nil
}
