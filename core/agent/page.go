package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/agent/wire"
)

// A Page is a question that the agent asks a person in a browser, on this
// computer. The client passes the address on, and the code, by which the person
// recognises the page; it learns that the question was answered, never what.
type Page struct {
	ID   string `json:"id"`
	URL  string `json:"url"`
	Code string `json:"code"`
}

// PageUnlock puts up a page that unlocks the long-lived agent, starting it if
// need be.
func (c *Client) PageUnlock(ctx context.Context) (Page, error) {
	s, err := c.running(ctx)
	if errors.Is(err, errNoAgent) {
		s, err = daemon(ctx, c.o)
	}
	if err != nil {
		return Page{}, err
	}
	c.mu.Lock()
	c.daemon = s
	c.mu.Unlock()
	return c.page(ctx, s, wire.PageArgs{Kind: "unlock"})
}

// PageApprove puts up a page on which a person can allow the request that waits
// under id (PendingID of an ErrApproval).
func (c *Client) PageApprove(ctx context.Context, id string) (Page, error) {
	s, err := c.any(ctx)
	if err != nil {
		return Page{}, err
	}
	return c.page(ctx, s, wire.PageArgs{Kind: "approve", ID: id})
}

// PagePIN puts up a page on which a person sets the PIN for approvals.
func (c *Client) PagePIN(ctx context.Context) (Page, error) {
	s, err := c.open(ctx)
	if err != nil {
		return Page{}, err
	}
	return c.page(ctx, s, wire.PageArgs{Kind: "pin"})
}

// PagePut puts up a page on which a person types the value that r lacks; the
// agent stores it.
func (c *Client) PagePut(ctx context.Context, r PutRequest) (Page, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return Page{}, err
	}
	s, err := c.open(ctx)
	if err != nil {
		return Page{}, err
	}
	return c.page(ctx, s, wire.PageArgs{Kind: "put", Put: raw})
}

func (c *Client) page(ctx context.Context, s *session, a wire.PageArgs) (p Page, err error) {
	f, err := s.do(ctx, wire.OpPage, a, nil, nil)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(f.Args, &p); err != nil {
		return p, fmt.Errorf("read page: %w", err)
	}
	c.mu.Lock()
	c.pages[p.ID] = s
	c.mu.Unlock()
	return p, nil
}

// PageWait returns when the person has answered: nil when it was done,
// ErrDenied when they refused or let the time pass.
func (c *Client) PageWait(ctx context.Context, p Page) error {
	c.mu.Lock()
	s := c.pages[p.ID]
	c.mu.Unlock()
	if s == nil {
		return fmt.Errorf("page %q: %w", p.ID, ErrNotFound)
	}
	_, err := s.do(ctx, wire.OpPageWait, map[string]string{"id": p.ID}, nil, nil)
	if ctx.Err() == nil {
		c.mu.Lock()
		delete(c.pages, p.ID)
		c.mu.Unlock()
	}
	return err
}
