package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// A handler does one op. The frame and the values of the answer are wiped by
// the caller.
type handler func(ctx context.Context, c *client, f *wire.Frame) (answer, error)

// An answer goes back to the client; after runs once it is on its way.
type answer struct {
	args   any
	values []secret.Value
	after  func()
}

// A client is one connection.
type client struct {
	s      *Server
	conn   *wire.Conn
	actor  Actor
	slots  chan struct{}
	grants grants

	mu      sync.Mutex
	running map[uint64]context.CancelFunc
}

// ServeConn serves one connection until it ends, and closes it. Requests that
// still run are cancelled then.
func (s *Server) ServeConn(sock *net.UnixConn) {
	c := &client{s: s, conn: wire.NewConn(sock, wire.ServerLimits()), slots: make(chan struct{}, maxInFlight),
		running: map[uint64]context.CancelFunc{}, grants: grants{issued: map[string]issued{}}}
	c.conn.WriteTime = writeTime
	s.clientsMu.Lock()
	s.clients[c] = true
	s.clientsMu.Unlock()
	ctx, cancel := context.WithCancel(s.ctx)
	stopped := context.AfterFunc(ctx, func() { sock.Close() })
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait()
		s.clientsMu.Lock()
		delete(s.clients, c)
		s.clientsMu.Unlock()
		c.abandon("")
		stopped()
		sock.Close()
	}()
	if err := c.greet(sock); err != nil {
		return
	}
	for {
		f, err := c.conn.Read()
		if err != nil {
			return
		}
		if f.Op == wire.OpCancel {
			f.Close()
			c.cancel(f.ID)
			continue
		}
		reqCtx, done, err := c.begin(ctx, f.ID)
		if err != nil {
			f.Close()
			c.reply(f.ID, answer{}, err)
			continue
		}
		wg.Go(func() {
			defer done()
			defer f.Close()
			c.serve(reqCtx, f)
		})
	}
}

// greet checks who is there and answers its hello.
func (c *client) greet(sock *net.UnixConn) error {
	actor, err := actorOf(sock)
	if err != nil {
		return err
	}
	if actor.UID != os.Geteuid() {
		return fmt.Errorf("greet uid %d: %w", actor.UID, agent.ErrDenied)
	}
	timer := time.AfterFunc(helloTime, func() { sock.Close() })
	f, err := c.conn.Read()
	if err != nil {
		return err
	}
	timer.Stop()
	defer f.Close()
	var h wire.Hello
	switch {
	case f.Op != wire.OpHello:
		err = fmt.Errorf("greet: %w: no hello", agent.ErrUsage)
	case json.Unmarshal(f.Args, &h) != nil:
		err = fmt.Errorf("greet: %w: hello is not as it should be", agent.ErrUsage)
	case !sameFolder(h.Home, c.s.c.Home):
		err = fmt.Errorf("greet: %w: this agent serves another home", agent.ErrUsage)
	}
	actor.meet(h)
	c.actor = actor
	c.reply(f.ID, answer{args: wire.Hello{Protocol: wire.Version, Build: c.s.c.Build, Locked: c.s.locked(), Vault: c.s.hasVault(), PID: os.Getpid()}}, err)
	return err
}

// sameFolder reports whether two paths lead to one place.
func sameFolder(a, b string) bool {
	if a == b {
		return true
	}
	ra, errA := filepath.EvalSymlinks(a)
	rb, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && ra == rb
}

// begin makes room for a request.
func (c *client) begin(ctx context.Context, id uint64) (context.Context, func(), error) {
	select {
	case c.slots <- struct{}{}:
	default:
		return nil, nil, &agent.Error{Err: agent.ErrBusy, Message: fmt.Sprintf("more than %d requests at once", maxInFlight)}
	}
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[id] != nil {
		cancel()
		<-c.slots
		return nil, nil, fmt.Errorf("request %d: %w: it runs already", id, agent.ErrUsage)
	}
	c.running[id] = cancel
	return ctx, func() {
		cancel()
		c.mu.Lock()
		delete(c.running, id)
		c.mu.Unlock()
		<-c.slots
	}, nil
}

func (c *client) cancel(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel := c.running[id]; cancel != nil {
		cancel()
	}
}

// serve does the op of f and answers.
func (c *client) serve(ctx context.Context, f *wire.Frame) {
	a, err := c.try(ctx, f)
	c.reply(f.ID, a, err)
	for _, v := range a.values {
		v.Wipe()
	}
	if a.after != nil {
		a.after()
	}
}

// try runs the handler of f. A bug in one costs this request and no other; what
// the panic said stays here, for it may quote anything.
func (c *client) try(ctx context.Context, f *wire.Frame) (a answer, err error) {
	defer func() {
		if recover() != nil {
			a, err = answer{}, fmt.Errorf("serve %q: %w", clean(f.Op), agent.ErrInternal)
		}
	}()
	h := c.s.ops[f.Op]
	if h == nil {
		return answer{}, fmt.Errorf("op %q: %w: unknown", clean(f.Op), agent.ErrUsage)
	}
	if err := c.s.rate.take(ctx); err != nil {
		return answer{}, err
	}
	if a, err = h(ctx, c, f); err == nil {
		err = c.s.settle(ctx)
	}
	c.s.dropCopies(err)
	return a, err
}

// reply sends an answer; a client that is gone needs none.
func (c *client) reply(id uint64, a answer, err error) {
	out := &wire.Frame{Header: wire.Header{ID: id}}
	if err == nil {
		out.Notice = c.s.notice()
		out.Values = a.values
		if a.args != nil {
			out.Args, err = json.Marshal(a.args)
		}
	}
	if err != nil {
		out.Values = nil
		if e := c.s.memberError(err); e != nil {
			err = e
		}
		agent.Encode(translate(err), &out.Header)
	}
	if c.conn.Write(out) != nil {
		c.conn.Close()
	}
}

// args reads the arguments of f into out.
func args(f *wire.Frame, out any) error {
	if len(f.Args) == 0 {
		return fmt.Errorf("%s: %w: no arguments", f.Op, agent.ErrUsage)
	}
	if err := json.Unmarshal(f.Args, out); err != nil {
		return fmt.Errorf("%s: %w: arguments are not as they should be", f.Op, agent.ErrUsage)
	}
	return nil
}
