// Package stdio is the transport of the MCP server: JSON-RPC messages, one a
// line, over standard input and output. It carries requests to mcp-go's
// server, and is our own because that server's transport was made for quick
// answers: a tool that runs a command may take an hour, two hundred at once are
// normal, and whatever happens to the client, no command may be left behind.
//
// What it promises:
//
//   - A request never waits for another one: each has a goroutine of its own.
//   - After a cancelled request's cancellation has been read, nothing more is
//     sent for it. Progress never comes after the response.
//   - Ids come back byte for byte.
//   - A line over MaxLine is refused without being kept in memory.
//   - When the input ends, what was asked is finished or, after Grace, cancelled;
//     Serve returns when every handler has. A closed output cancels at once.
package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Limits of a Server whose fields are zero.
const (
	DefaultMaxLine  = 8 << 20
	DefaultInFlight = 1024
	DefaultGrace    = time.Second
)

// A Server connects one client to an MCP server.
type Server struct {
	MCP         *server.MCPServer
	MaxLine     int           // longest input line, in bytes
	MaxInFlight int           // requests at once; more are refused as busy
	Grace       time.Duration // from the end of the input to cancellation
}

// Serve runs until the input ends, the output fails or ctx does, and returns
// once no handler runs any more. The end of the input is no error.
func (s *Server) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &conn{
		s: s.withDefaults(), out: newWriter(out), cancel: cancel,
		open: map[string]*request{}, asked: map[string]chan message{}, ending: make(chan struct{}),
	}
	c.legacy = newSession(c)
	ended := make(chan error, 1)
	go func() { ended <- c.read(ctx, in) }()
	var err error
	select {
	case err = <-ended:
		c.finish(ctx)
	case <-c.out.gone:
		err = c.out.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	c.running.Wait()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (s Server) withDefaults() Server {
	if s.MaxLine <= 0 {
		s.MaxLine = DefaultMaxLine
	}
	if s.MaxInFlight <= 0 {
		s.MaxInFlight = DefaultInFlight
	}
	if s.Grace <= 0 {
		s.Grace = DefaultGrace
	}
	return s
}

// conn is one connection.
type conn struct {
	s       Server
	out     *writer
	cancel  context.CancelFunc
	legacy  *session      // of requests before 2026-07-28
	ending  chan struct{} // closed when the input has ended
	running sync.WaitGroup

	mu    sync.Mutex
	next  int
	open  map[string]*request     // by the client's id
	asked map[string]chan message // our own requests to the client, by our id
}

// finish lets what is under way end by itself for a while.
func (c *conn) finish(ctx context.Context) {
	close(c.ending)
	done := make(chan struct{})
	go func() { c.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(c.s.Grace):
	case <-c.out.gone:
	case <-ctx.Done():
	}
}

// read takes lines until the input ends. It never waits for a handler.
func (c *conn) read(ctx context.Context, in io.Reader) error {
	l := &lines{r: bufio.NewReaderSize(in, 64<<10), max: c.s.MaxLine}
	for {
		line, err := l.next()
		switch {
		case errors.Is(err, errLong):
			c.out.send(failure(nil, invalidRequest, fmt.Sprintf("message over %d bytes", c.s.MaxLine)), nil)
		case err != nil:
			return err
		case line[0] == '[':
			c.batch(ctx, line)
		default:
			c.message(ctx, line, &sink{send: c.out.send, running: &c.running})
		}
	}
}

// sink is where the answers to one line go, and who waits for them.
type sink struct {
	send    func(msg []byte, ok func() bool)
	running *sync.WaitGroup
}

// message takes one message on its way.
func (c *conn) message(ctx context.Context, raw []byte, to *sink) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		to.send(failure(nil, parseError, "not a JSON-RPC message"), nil)
		return
	}
	switch {
	case m.Version != "2.0":
		to.send(failure(idOrNull(m.ID), invalidRequest, `"jsonrpc" must be "2.0"`), nil)
	case m.Method == "" && (m.Result != nil || m.Error != nil):
		c.answered(m)
	case m.Method == "":
		to.send(failure(idOrNull(m.ID), invalidRequest, "message without a method"), nil)
	case m.ID == nil:
		c.notified(ctx, m)
	case !validID(m.ID):
		to.send(failure(nil, invalidRequest, "id must be a string or a number"), nil)
	default:
		c.request(ctx, m, to)
	}
}

func idOrNull(id json.RawMessage) json.RawMessage {
	if validID(id) {
		return id
	}
	return nil
}

// batch answers an array of messages (revision 2025-03-26) with an array.
func (c *conn) batch(ctx context.Context, raw []byte) {
	all, err := split(raw, c.s.MaxInFlight)
	if err != nil {
		c.out.send(failure(nil, invalidRequest, err.Error()), nil)
		return
	}
	var answers [][]byte
	var mu sync.Mutex
	var requests sync.WaitGroup
	to := &sink{running: &requests, send: func(b []byte, ok func() bool) {
		mu.Lock()
		defer mu.Unlock()
		if ok == nil || ok() {
			answers = append(answers, b)
		}
	}}
	for _, one := range all {
		c.message(ctx, one, to)
	}
	c.running.Go(func() {
		requests.Wait()
		if len(answers) > 0 {
			c.out.send(append(append([]byte{'['}, bytes.Join(answers, []byte{','})...), ']'), nil)
		}
	})
}

// split takes a batch apart, up to max messages: a line of nothing but commas and
// digits would be millions of them, with an answer each.
func split(raw []byte, max int) ([]json.RawMessage, error) {
	if !json.Valid(raw) {
		return nil, errors.New("not a batch of JSON-RPC messages")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.Token() // the bracket
	var all []json.RawMessage
	for d.More() {
		if len(all) == max {
			return nil, fmt.Errorf("batch of more than %d messages", max)
		}
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, errors.New("not a batch of JSON-RPC messages")
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errors.New("an empty batch")
	}
	return all, nil
}

func (c *conn) notified(ctx context.Context, m message) {
	if m.Method == "notifications/cancelled" {
		c.cancelled(m.meta().RequestID)
		return
	}
	ctx = c.s.MCP.WithContext(ctx, c.legacy)
	c.s.MCP.HandleMessage(ctx, m.notification())
}

// handle calls mcp-go, whose own words about a panic stay inside.
func (c *conn) handle(ctx context.Context, raw json.RawMessage) (resp mcp.JSONRPCMessage) {
	defer func() {
		if recover() != nil {
			resp = nil
		}
	}()
	return c.s.MCP.HandleMessage(ctx, raw)
}
