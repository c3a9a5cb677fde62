package stdio

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"
)

// message is the envelope of anything that a client sends.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// valid reports whether the id is a string or a number, as both the protocol
// and JSON-RPC want it.
func validID(id json.RawMessage) bool {
	return len(id) > 0 && (id[0] == '"' || id[0] == '-' || id[0] >= '0' && id[0] <= '9')
}

// key tells the ids 7 and "7" apart, and 7 and 7.0 not: ids are compared by
// their text.
func key(id json.RawMessage) string { return string(bytes.TrimSpace(id)) }

// inner is the message as mcp-go is to see it, under an id of ours: it would
// round a large number, and confuse 7 with "7".
func (m message) inner(id string) json.RawMessage {
	method, _ := json.Marshal(m.Method)
	if m.Params == nil {
		return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%q,"method":%s}`, id, method)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%q,"method":%s,"params":%s}`, id, method, m.Params)
}

// notification is the message as mcp-go is to see it when it has no id.
func (m message) notification() json.RawMessage {
	method, _ := json.Marshal(m.Method)
	if m.Params == nil {
		return fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%s}`, method)
	}
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%s,"params":%s}`, method, m.Params)
}

// meta is what the transport needs to know of a request's _meta.
type meta struct {
	Meta struct {
		ProgressToken json.RawMessage `json:"progressToken"`
		Version       string          `json:"io.modelcontextprotocol/protocolVersion"`
	} `json:"_meta"`
	RequestID json.RawMessage `json:"requestId"` // of notifications/cancelled
}

func (m message) meta() (v meta) {
	json.Unmarshal(m.Params, &v) // a params of another shape has none of it
	return v
}

// answer is mcp-go's response under the client's own id.
func answer(id json.RawMessage, resp mcp.JSONRPCMessage) []byte {
	var name string
	var body any
	switch r := resp.(type) {
	case mcp.JSONRPCResponse:
		name, body = "result", r.Result
	case mcp.JSONRPCError:
		name, body = "error", r.Error
	case *mcp.JSONRPCError:
		name, body = "error", r.Error
	default:
		return failure(id, internalError, "internal error")
	}
	b, err := encode(body)
	if err != nil {
		return failure(id, internalError, "internal error")
	}
	out := make([]byte, 0, len(b)+len(id)+40)
	return fmt.Appendf(out, `{"jsonrpc":"2.0","id":%s,%q:%s}`, id, name, b)
}
