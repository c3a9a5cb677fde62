package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// session is what mcp-go knows of the client: who it is and what it can do. It
// also carries elicitations to clients of the revisions before 2026-07-28,
// where the server asks by a request of its own.
type session struct {
	c  *conn
	mu sync.Mutex
	// guarded by mu
	info         mcp.Implementation
	capabilities mcp.ClientCapabilities
	version      string
	ready        bool
}

var (
	_ server.SessionWithClientInfo      = (*session)(nil)
	_ server.SessionWithElicitation     = (*session)(nil)
	_ server.SessionWithProtocolVersion = (*session)(nil)
)

func newSession(c *conn) *session { return &session{c: c} }

func (s *session) SessionID() string { return "stdio" }

// NotificationChannel is one that nobody reads: we send no notification but
// progress, which goes its own way.
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification {
	return make(chan mcp.JSONRPCNotification, 16)
}

func (s *session) Initialize()       { s.set(func() { s.ready = true }) }
func (s *session) Initialized() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.ready }

func (s *session) GetClientInfo() mcp.Implementation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}
func (s *session) SetClientInfo(i mcp.Implementation) { s.set(func() { s.info = i }) }

func (s *session) GetClientCapabilities() mcp.ClientCapabilities {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capabilities
}
func (s *session) SetClientCapabilities(c mcp.ClientCapabilities) {
	s.set(func() { s.capabilities = c })
}

func (s *session) ProtocolVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}
func (s *session) SetProtocolVersion(v string) { s.set(func() { s.version = v }) }

func (s *session) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// RequestElicitation asks the client's user, when the client said at
// initialize that it can.
func (s *session) RequestElicitation(ctx context.Context, r mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	if s.GetClientCapabilities().Elicitation == nil {
		return nil, server.ErrElicitationNotSupported
	}
	raw, err := s.c.ask(ctx, string(mcp.MethodElicitationCreate), r.Params)
	if err != nil {
		return nil, err
	}
	var result mcp.ElicitationResult
	if err := json.Unmarshal(raw, &result); err != nil {
		return nil, errors.New("elicitation: the client's answer is not of its form")
	}
	return &result, nil
}

// ask sends a request of our own and waits for its answer. It belongs to the
// client's request that ctx comes from: it is not sent after that is over.
func (c *conn) ask(ctx context.Context, method string, params any) (json.RawMessage, error) {
	p, err := encode(params)
	if err != nil {
		return nil, err
	}
	back := make(chan message, 1)
	c.mu.Lock()
	c.next++
	id := fmt.Sprintf(`"ov-%d"`, c.next)
	c.asked[id] = back
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.asked, id)
		c.mu.Unlock()
	}()
	r, _ := ctx.Value(requestKey{}).(*request)
	c.out.send(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"method":%q,"params":%s}`, id, method, p),
		func() bool { return r == nil || !r.over })
	select {
	case m := <-back:
		if m.Error != nil {
			return nil, errors.New("elicitation: the client refused")
		}
		return m.Result, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answered hands the client's answer to whoever asked.
func (c *conn) answered(m message) {
	c.mu.Lock()
	back := c.asked[key(m.ID)]
	delete(c.asked, key(m.ID))
	c.mu.Unlock()
	if back != nil {
		back <- m
	}
}
