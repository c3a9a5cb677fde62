package tools

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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

// asker makes and checks the state that a client carries from the question to
// the retry. It is bound to the tool and its arguments: an answer to one
// question cannot be used for another call.
type asker struct{ key [32]byte }

func newAsker() (a asker) {
	rand.Read(a.key[:])
	return a
}

type state struct {
	Kind  string     `json:"kind"` // unlock, approve, put
	Page  agent.Page `json:"page"`
	Ref   secret.Ref `json:"ref,omitzero"`
	Until int64      `json:"until"`
}

func (a asker) seal(c *call, tool string, s state) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b) + "." + base64.RawURLEncoding.EncodeToString(a.mac(c, tool, b))
}

func (a asker) open(c *call, tool, text string) (s state, err error) {
	refused := fault{"invalid_arguments", "requestState is not the one of this call", "call the tool again without it"}
	body, sum, _ := strings.Cut(text, ".")
	b, err1 := base64.RawURLEncoding.DecodeString(body)
	mac, err2 := base64.RawURLEncoding.DecodeString(sum)
	if err1 != nil || err2 != nil || !hmac.Equal(mac, a.mac(c, tool, b)) || json.Unmarshal(b, &s) != nil {
		return s, refused
	}
	if time.Now().Unix() > s.Until {
		return s, fault{"expired", "the page was not answered in time", "call the tool again for a new one"}
	}
	return s, nil
}

func (a asker) mac(c *call, tool string, body []byte) []byte {
	args, _ := json.Marshal(c.raw) // a map's keys are sorted
	m := hmac.New(sha256.New, a.key[:])
	for _, part := range [][]byte{[]byte(tool), []byte(c.client), args, body} {
		fmt.Fprintf(m, "%d:", len(part))
		m.Write(part)
	}
	return m.Sum(nil)
}

// attend calls the tool, after the page that an earlier try put up was answered.
// When the tool needs a person and the client can open an address, the result
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
	}
	out, err := row.handle(c)
	if err == nil || !opensURLs(c.ctx) {
		return out, err
	}
	s, message, put := t.putUp(c, err)
	if !put {
		return nil, err
	}
	s.Until = time.Now().Add(pageLife).Unix()
	return server.NewInputRequestBuilder(t.asker.seal(c, row.name, s)).Elicit(question, mcp.ElicitationParams{
		Mode: mcp.ElicitationModeURL, ElicitationID: s.Page.ID, URL: s.Page.URL,
		Message: fmt.Sprintf("%s The page shows the code %s.", message, s.Page.Code),
	}).ToolResult(), nil
}

// answered waits for the person, who may still be typing when the client says
// that the address was opened.
func (t *Tools) answered(c *call, s state) error {
	a := server.ElicitationResponse(c.req.Params.InputResponses, question)
	if a == nil || a.Action != mcp.ElicitationResponseActionAccept {
		return fault{"declined", "the user did not open the page", "ask the user whether it should be done"}
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

// putUp asks the agent for the page that err calls for.
func (t *Tools) putUp(c *call, err error) (s state, message string, ok bool) {
	v, has := c.vault.(pages)
	if !has {
		return s, "", false
	}
	var failed error
	need := needsValue{}
	switch {
	case errors.As(err, &need):
		s.Kind, s.Ref, message = "put", need.put.Ref, fmt.Sprintf("Enter the value of %s.", need.put.Ref)
		s.Page, failed = v.PagePut(c.ctx, need.put)
	case errors.Is(err, agent.ErrLocked):
		s.Kind, message = "unlock", "Unlock the ov vault."
		s.Page, failed = v.PageUnlock(c.ctx)
	case errors.Is(err, agent.ErrApproval) && agent.PendingID(err) != "":
		s.Kind, message = "approve", "A command asks for secrets: look at it and approve or refuse."
		s.Page, failed = v.PageApprove(c.ctx, agent.PendingID(err))
	default:
		return s, "", false
	}
	return s, message, failed == nil
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
	var caps mcp.ClientCapabilities
	if p := server.RequestProtocolInfoFromContext(ctx); p != nil && p.Modern {
		if p.ClientCapabilities != nil {
			caps = *p.ClientCapabilities
		}
	} else if s, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		caps = s.GetClientCapabilities()
	}
	return caps.Elicitation != nil && caps.Elicitation.URL != nil
}
