package stdio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// writer puts whole messages on the output, one a line. The first error ends
// it for good: gone is closed and nothing more is written.
type writer struct {
	mu   sync.Mutex
	w    io.Writer
	err  error
	gone chan struct{}
}

func newWriter(w io.Writer) *writer { return &writer{w: w, gone: make(chan struct{})} }

// send writes one message when ok says so under the same lock that orders all
// messages: what is decided there holds for what follows.
func (w *writer) send(msg []byte, ok func() bool) {
	msg = append(msg, '\n')
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || ok != nil && !ok() {
		return
	}
	if _, w.err = w.w.Write(msg); w.err != nil {
		close(w.gone)
	}
}

// encode marshals without the escapes for HTML, which make six bytes of each
// <, > and &. The types of mcp-go marshal themselves with them, so they are
// undone afterwards.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return unescape(b), nil
}

// unescape turns \u003c, \u003e and \u0026 back, in place. A backslash that is
// itself escaped begins nothing.
func unescape(b []byte) []byte {
	from := bytes.Index(b, []byte(`\u00`))
	if from < 0 {
		return b
	}
	// Step back to the first backslash of the run, so that pairs are counted right.
	for from > 0 && b[from-1] == '\\' {
		from--
	}
	out := b[:from]
	for i := from; i < len(b); i++ {
		if b[i] != '\\' || i+1 >= len(b) {
			out = append(out, b[i])
			continue
		}
		if c, ok := plain(b[i:]); ok {
			out = append(out, c)
			i += 5
			continue
		}
		out = append(out, b[i], b[i+1])
		i++
	}
	return out
}

func plain(b []byte) (byte, bool) {
	if len(b) < 6 {
		return 0, false
	}
	switch string(b[:6]) {
	case `\u003c`:
		return '<', true
	case `\u003e`:
		return '>', true
	case `\u0026`:
		return '&', true
	}
	return 0, false
}

// The codes of JSON-RPC 2.0 that the transport itself answers with.
const (
	parseError     = -32700
	invalidRequest = -32600
	internalError  = -32603
	serverBusy     = -32000
)

func failure(id json.RawMessage, code int, message string) []byte {
	if id == nil {
		id = json.RawMessage("null")
	}
	text, _ := json.Marshal(message)
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"error":{"code":%d,"message":%s}}`, id, code, text)
}
