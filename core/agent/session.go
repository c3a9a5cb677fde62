package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// cancelTime is how long a cancelled request waits for the agent to let go of
// the terminal.
const cancelTime = time.Second

// A session is one connection to one agent, shared by concurrent requests.
type session struct {
	conn  *wire.Conn
	hello wire.Hello
	reap  func() // waits for a one-shot child; nil for a daemon

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan *wire.Frame
	dead    error         // why nothing can be sent any more
	gone    chan struct{} // closed when dead is set
}

// newSession says hello on sock and starts to read.
func newSession(ctx context.Context, sock *net.UnixConn, o Options) (*session, error) {
	s := &session{
		conn:    wire.NewConn(sock, wire.ClientLimits()),
		waiting: map[uint64]chan *wire.Frame{},
		gone:    make(chan struct{}),
	}
	go s.read()
	f, err := s.do(ctx, wire.OpHello, wire.Hello{Protocol: wire.Version, Home: o.Home, Client: o.Client, Agent: o.Agent}, nil, nil)
	if err != nil {
		s.close()
		return nil, err
	}
	if err := json.Unmarshal(f.Args, &s.hello); err != nil {
		s.close()
		return nil, fmt.Errorf("read hello: %w", err)
	}
	return s, nil
}

// read hands each answer to the request that waits for it.
func (s *session) read() {
	for {
		f, err := s.conn.Read()
		s.mu.Lock()
		if err != nil {
			if s.dead == nil {
				s.dead = err
			}
			for id, ch := range s.waiting {
				delete(s.waiting, id)
				close(ch)
			}
			s.mu.Unlock()
			close(s.gone)
			return
		}
		ch := s.waiting[f.ID]
		delete(s.waiting, f.ID)
		s.mu.Unlock()
		if ch == nil {
			f.Close() // an answer that nobody waits for any more
			continue
		}
		ch <- f
	}
}

// do sends one request and waits for its answer.
func (s *session) do(ctx context.Context, op string, args any, values []secret.Value, files []*os.File) (*wire.Frame, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	return s.ask(ctx, &wire.Frame{Header: wire.Header{Op: op, Args: raw}, Values: values, Files: files})
}

// ask sends request, under an id of its own, and waits for its answer.
func (s *session) ask(ctx context.Context, request *wire.Frame) (*wire.Frame, error) {
	ch := make(chan *wire.Frame, 1)
	s.mu.Lock()
	if s.dead != nil {
		defer s.mu.Unlock()
		return nil, &lost{cause: s.dead}
	}
	s.next++
	id := s.next
	s.waiting[id] = ch
	s.mu.Unlock()
	request.ID = id
	if err := s.conn.Write(request); err != nil {
		s.die(err)
		return nil, &lost{cause: err}
	}
	f, ok := s.wait(ctx, id, ch)
	if !ok {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, &lost{s.dead, true}
	}
	if err := decode(&f.Header); err != nil {
		f.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return f, nil
}

// wait returns the answer to request id. When ctx ends first it cancels the
// request and gives the agent a moment to give the terminal back.
func (s *session) wait(ctx context.Context, id uint64, ch chan *wire.Frame) (*wire.Frame, bool) {
	select {
	case f, ok := <-ch:
		return f, ok
	case <-ctx.Done():
	}
	s.conn.Write(&wire.Frame{Header: wire.Header{ID: id, Op: wire.OpCancel}})
	select {
	case f, ok := <-ch:
		return f, ok
	case <-time.After(cancelTime):
	}
	s.mu.Lock()
	delete(s.waiting, id)
	s.mu.Unlock()
	select {
	case f := <-ch: // it came between the two
		if f != nil {
			f.Close()
		}
	default:
	}
	return nil, false
}

// die ends a connection on which nothing can be sent any more.
func (s *session) die(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = err
	}
	s.conn.Close()
}

// alive reports whether requests can still be sent.
func (s *session) alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead == nil
}

// close ends the connection; a one-shot agent ends with it, and is waited for.
func (s *session) close() {
	s.conn.Close()
	if s.reap != nil {
		s.reap()
	}
}

// shut waits, after an op that made the agent forget its keys, until it has
// replaced itself: a new connection is then taken by the new process.
func (s *session) shut(f *wire.Frame) {
	var answer wire.Shut
	if json.Unmarshal(f.Args, &answer) != nil || !answer.Replaced {
		return
	}
	select {
	case <-s.gone:
	case <-time.After(5 * time.Second):
	}
}
