package stdio

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

const invalidParams = -32602

// listens reports whether m opens a subscription (revision 2026-07-28). They
// are answered here: mcp-go would name them by the id that it knows, which is
// ours and not the client's.
func (m message) listens(version string) bool {
	return m.Method == string(mcp.MethodSubscriptionsListen) && mcp.IsModernProtocol(version) && mcp.IsValidProtocolVersion(version)
}

// listen acknowledges a subscription and holds it open until the client cancels
// it or the connection ends. It is a subscription to nothing: there is no
// resource and no prompt here, and the list of tools never changes.
func (c *conn) listen(ctx context.Context, r *request, m message) []byte {
	var p struct {
		Notifications map[string]json.RawMessage `json:"notifications"`
		Meta          map[string]json.RawMessage `json:"_meta"`
	}
	if err := json.Unmarshal(m.Params, &p); err != nil || p.Notifications == nil {
		return failure(m.ID, invalidParams, "params.notifications must be an object")
	}
	if caps := p.Meta["io.modelcontextprotocol/clientCapabilities"]; len(caps) == 0 || caps[0] != '{' {
		return failure(m.ID, invalidParams, "params._meta lacks io.modelcontextprotocol/clientCapabilities")
	}
	tag := fmt.Sprintf(`"_meta":{"io.modelcontextprotocol/subscriptionId":%s}`, m.ID)
	c.out.send(fmt.Appendf(nil, `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},%s}}`, tag),
		func() bool { return !r.over })
	select {
	case <-ctx.Done():
	case <-c.ending:
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete",%s}}`, m.ID, tag)
}
