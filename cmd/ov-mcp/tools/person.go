package tools

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// What only a person can do happens on a page that ov-agent serves on this
// computer: unlock the vault, approve a request, type a value. This file relays
// the page's address through the client (URL elicitation) and takes the call up
// again when the person is done. No password and no value comes by here.

// pages is what a vault needs for that. *agent.Client has it.
type pages interface {
	PageUnlock(context.Context) (agent.Page, error)
	PageApprove(ctx context.Context, id string) (agent.Page, error)
	PagePut(context.Context, agent.PutRequest) (agent.Page, error)
	PageWait(context.Context, agent.Page) error
}

const (
	question = "ov"            // the key of our one question in a result
	pageLife = 3 * time.Minute // as the agent has it
)

// needsValue is the error of a write that gives no value: a person types it.
type needsValue struct {
	fault
	put agent.PutRequest
}

// attend calls the tool, after the question that an earlier try put was
// answered. When the tool needs a person and the client can ask them, the result
// is the question.
func (t *Tools) attend(c *call, row tool) (any, error) {
	if text := c.req.Params.RequestState; text != "" {
		s, err := t.asker.open(c, row.name, text)
		if err == nil {
			err = t.answered(c, s)
		}
		if err != nil {
			return nil, err
		}
		if s.Kind == "put" { // the page has stored it
			return t.storedBy(c, s.Ref)
		}
		c.confirmed = s.Confirmed
	}
	out, err := row.handle(c)
	if err == nil {
		return out, nil
	}
	s, ask, put := t.putUp(c, err)
	if !put {
		return nil, err
	}
	s.Until = time.Now().Add(pageLife).Unix()
	return server.NewInputRequestBuilder(t.asker.seal(c, row.name, s)).Elicit(question, ask).ToolResult(), nil
}

// answered waits for the person, who may still be typing when the client says
// that the address was opened.
func (t *Tools) answered(c *call, s state) error {
	a := server.ElicitationResponse(c.req.Params.InputResponses, question)
	switch {
	case a == nil || a.Action != mcp.ElicitationResponseActionAccept:
		return fault{"declined", "the user said no, or nothing", "ask the user whether it should be done"}
	case s.Kind == "confirm":
		return nil
	}
	v, ok := c.vault.(pages)
	if !ok {
		return fault{code: "internal", message: "no pages here"}
	}
	ctx, stop := context.WithDeadline(c.ctx, time.Unix(s.Until, 0))
	defer stop()
	switch err := v.PageWait(ctx, s.Page); {
	case errors.Is(err, agent.ErrDenied):
		return fault{"declined", "the user refused, or let the time pass", "ask the user whether it should be done"}
	case ctx.Err() != nil && c.ctx.Err() == nil:
		return fault{"expired", "the page was not answered in time", "call the tool again for a new one"}
	default:
		return err
	}
}

// putUp makes the question that err calls for, if the client can put it: a form
// of its own, or a page that the agent serves.
func (t *Tools) putUp(c *call, err error) (s state, ask mcp.ElicitationParams, ok bool) {
	if need := (unconfirmed{}); errors.As(err, &need) {
		return state{Kind: "confirm", Ref: need.ref, Confirmed: need.version}, need.form(), true
	}
	v, has := c.vault.(pages)
	if !has || !opensURLs(c.ctx) {
		return s, ask, false
	}
	s, message, failed := t.page(c, v, err)
	if failed != nil || message == "" {
		return s, ask, false
	}
	s.Confirmed = c.confirmed
	return s, mcp.ElicitationParams{
		Mode: mcp.ElicitationModeURL, ElicitationID: s.Page.ID, URL: s.Page.URL,
		Message: fmt.Sprintf("%s The page shows the code %s.", message, s.Page.Code),
	}, true
}

// page asks the agent for the page that err calls for; message is empty when
// none would help.
func (t *Tools) page(c *call, v pages, err error) (s state, message string, failed error) {
	need := needsValue{}
	switch {
	case errors.As(err, &need):
		s.Kind, s.Ref, message = "put", need.put.Ref, fmt.Sprintf("Enter the value of %s.", need.put.Ref)
		s.Page, failed = v.PagePut(c.ctx, need.put)
	case errors.Is(err, agent.ErrLocked):
		s.Kind, message = "unlock", "Unlock the ov vault."
		s.Page, failed = v.PageUnlock(c.ctx)
	case errors.Is(err, agent.ErrApproval) && agent.PendingID(err) != "":
		s.Kind, message = "approve", "A request needs your approval: look at it and allow or refuse it."
		s.Page, failed = v.PageApprove(c.ctx, agent.PendingID(err))
	}
	return s, message, failed
}

// storedBy is the result of a write that happened on a page.
func (t *Tools) storedBy(c *call, ref secret.Ref) (any, error) {
	infos, err := c.vault.List(c.ctx, ref.App, ref.Env, ref.Name)
	if err != nil {
		return nil, err
	}
	for _, i := range infos {
		if i.Ref == ref {
			return stored{ref.Name, ref.App, ref.Env, i.Version, i.Size, i.Weak, "person"}, nil
		}
	}
	return nil, fault{"secret_not_found", fmt.Sprintf("%s was not stored", ref), ""}
}

// opensURLs reports whether the client declared that it can open an address for
// its user.
func opensURLs(ctx context.Context) bool {
	e := elicitation(ctx)
	return e != nil && e.URL != nil
}

// fillsForms reports whether the client declared that it can put a form to its
// user. One that names no mode means forms: there was nothing else at first.
func fillsForms(ctx context.Context) bool {
	e := elicitation(ctx)
	return e != nil && (e.Form != nil || e.URL == nil)
}

// elicitation is what the client declared, for this request or once for all.
func elicitation(ctx context.Context) *mcp.ElicitationCapability {
	if p := server.RequestProtocolInfoFromContext(ctx); p != nil && p.Modern {
		if p.ClientCapabilities == nil {
			return nil
		}
		return p.ClientCapabilities.Elicitation
	}
	if s, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		return s.GetClientCapabilities().Elicitation
	}
	return nil
}
