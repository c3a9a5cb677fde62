package stdio

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// request is one call under way. over is guarded by the writer's lock: it
// decides what may still be sent.
type request struct {
	c      *conn
	id     json.RawMessage // the client's
	token  json.RawMessage // for progress; nil: not wanted
	cancel context.CancelFunc
	over   bool
}

type requestKey struct{}

// request starts a handler of its own for m.
func (c *conn) request(ctx context.Context, m message, to *sink) {
	info := m.meta()
	ctx, cancel := context.WithCancel(ctx)
	r := &request{c: c, id: m.ID, token: info.Meta.ProgressToken, cancel: cancel}
	inner, refusal := c.admit(r)
	if refusal != nil {
		cancel()
		to.send(refusal, nil)
		return
	}
	s := c.legacy
	if mcp.IsModernProtocol(info.Meta.Version) {
		s = newSession(c) // what one modern request declares holds for it alone
	}
	ctx = context.WithValue(c.s.MCP.WithContext(ctx, s), requestKey{}, r)
	to.running.Go(func() {
		defer cancel()
		if m.listens(info.Meta.Version) {
			to.send(c.listen(ctx, r, m), r.end)
			return
		}
		to.send(answer(m.ID, c.handle(ctx, m.inner(inner))), r.end)
	})
}

// admit notes a request that begins, or says why it may not.
func (c *conn) admit(r *request) (inner string, refusal []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.open[key(r.id)] != nil:
		return "", failure(r.id, invalidRequest, "a request with this id is under way")
	case len(c.open) >= c.s.MaxInFlight:
		return "", failure(r.id, serverBusy, fmt.Sprintf("busy: %d requests under way", len(c.open)))
	}
	c.open[key(r.id)] = r
	c.next++
	return fmt.Sprint("r", c.next), nil
}

// forget makes the id free again, unless it has been taken since.
func (c *conn) forget(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[key(r.id)] == r {
		delete(c.open, key(r.id))
	}
}

// end is called under the writer's lock, right before the response: true once,
// and never after a cancellation. The id is free before the client can see the
// response.
func (r *request) end() bool {
	was := r.over
	r.over = true
	r.c.forget(r)
	return !was
}

// cancelled ends a request without an answer. An unknown id is ignored: the
// answer and the cancellation crossed.
func (c *conn) cancelled(id json.RawMessage) {
	c.mu.Lock()
	r := c.open[key(id)]
	delete(c.open, key(id))
	c.mu.Unlock()
	if r == nil {
		return
	}
	c.out.mu.Lock()
	r.over = true
	c.out.mu.Unlock()
	r.cancel()
}

// Progress tells the client how far the request of ctx is, when it asked to be
// told. total 0 means unknown. It never sends after the response.
func Progress(ctx context.Context, progress, total float64, text string) {
	r, ok := ctx.Value(requestKey{}).(*request)
	if !ok || r.token == nil {
		return
	}
	p := struct {
		Token    json.RawMessage `json:"progressToken"`
		Progress float64         `json:"progress"`
		Total    float64         `json:"total,omitempty"`
		Message  string          `json:"message,omitempty"`
	}{r.token, progress, total, text}
	b, err := encode(p)
	if err != nil {
		return
	}
	r.c.out.send(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"notifications/progress","params":%s}`, b),
		func() bool { return !r.over })
}
