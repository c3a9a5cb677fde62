package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// Options say which vault, who asks, and where a password may come from.
type Options struct {
	Home     string       // OV_HOME, absolute
	Client   string       // "cli", "mcp:claude-code"
	Agent    string       // the coding agent around this process, see Detect
	Password Password     // none: a locked vault is ErrLocked
	Notify   func(string) // told, in one line, what a person should know; may be nil
	Locks    func() Locks // of the third-party scanners that this program masks with; nil: none
}

// A Client talks to ov-agent. It may be shared by goroutines. A connection is
// made, and a one-shot agent started, when the first request needs it.
type Client struct {
	o  Options
	mu sync.Mutex
	// daemon is the agent on the socket, child a one-shot agent of our own.
	daemon, child *session
	grants        map[string]*session // who gave each grant that is not completed
	pages         map[string]*session // who put up each page that was not waited for
	once          sync.Once           // an answer's notice is told once
}

// Connect returns a Client for the vault in o.Home. Whether an agent runs, and
// whether it is unlocked, shows with the first request.
func Connect(_ context.Context, o Options) (*Client, error) {
	if !filepath.IsAbs(o.Home) {
		return nil, &Error{Err: ErrUsage, Message: fmt.Sprintf("home %q: want an absolute path", o.Home)}
	}
	return &Client{o: o, grants: map[string]*session{}, pages: map[string]*session{}}, nil
}

// Machine reports whether a machine key is what opens the vault: this home need
// not hold one.
func (c *Client) Machine() bool { return c.o.Password.Kind == PasswordMachine }

// Close ends the connections. A one-shot agent notes grants that were not
// completed, wipes its keys and ends.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range []*session{c.daemon, c.child} {
		if s != nil {
			s.close()
		}
	}
	c.daemon, c.child = nil, nil
	return nil
}

// Warm connects to the agent that runs, if one does, while the caller does
// something else: the first request, which waits for that, finds its connection.
// It starts no agent and asks nobody for anything.
func (c *Client) Warm(ctx context.Context) {
	c.mu.Lock()
	go func() {
		defer c.mu.Unlock()
		_, _ = c.runningLocked(ctx) // why not is said to who asks for something
	}()
}

// running returns the connection to the daemon, or errNoAgent.
func (c *Client) running(ctx context.Context) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runningLocked(ctx)
}

func (c *Client) runningLocked(ctx context.Context) (*session, error) {
	if c.daemon != nil && c.daemon.alive() {
		return c.daemon, nil
	}
	s, err := dial(ctx, c.o)
	if err != nil {
		return nil, err
	}
	if s.hello.Protocol == wire.Version {
		c.daemon = s
		return s, nil
	}
	defer s.close()
	if s.hello.Protocol > wire.Version {
		return nil, &Error{Err: ErrVersion, Message: fmt.Sprintf("ov-agent (pid %d, %s) is newer than this program", s.hello.PID, s.hello.Build),
			Advice: "install all programs of one release into one folder"}
	}
	c.notify(fmt.Sprintf("stopped an older ov-agent (pid %d, %s); the vault is locked", s.hello.PID, s.hello.Build))
	if _, err := s.do(ctx, wire.OpStop, nil, nil, nil); err != nil {
		return nil, err
	}
	return nil, errNoAgent
}

func (c *Client) notify(line string) {
	if c.o.Notify != nil {
		c.o.Notify(line)
	}
}

// any returns a connection to whatever agent there is, unlocked or not: the
// daemon, or a one-shot one.
func (c *Client) any(ctx context.Context) (*session, error) {
	if err := CheckHome(c.o.Home); err != nil { // to lock and to stop an agent needs no such thing
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.child != nil && c.child.alive() {
		return c.child, nil
	}
	s, err := c.runningLocked(ctx)
	if !errors.Is(err, errNoAgent) {
		return s, err
	}
	return c.startLocked(ctx)
}

func (c *Client) startLocked(ctx context.Context) (*session, error) {
	s, err := oneShot(ctx, c.o)
	if err == nil {
		c.child = s
	}
	return s, err
}

// open returns a connection to an unlocked agent: the daemon, or else a
// one-shot one that was given the password for this.
func (c *Client) open(ctx context.Context) (*session, error) {
	if err := CheckHome(c.o.Home); err != nil { // to lock and to stop an agent needs no such thing
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.child != nil && c.child.alive() {
		return c.child, c.unlockChild(ctx)
	}
	machine := c.Machine() // never by an agent that is open to all
	s, err := (*session)(nil), errNoAgent
	if !machine {
		s, err = c.runningLocked(ctx)
	}
	if err == nil && !s.hello.Locked {
		return s, nil
	}
	if err != nil && !errors.Is(err, errNoAgent) {
		return nil, err
	}
	if !machine && !hasVault(c.o.Home) { // before anybody is asked for a password
		return nil, noVault(c.o.Home)
	}
	if c.o.Password.Kind == PasswordNone {
		if err == nil { // it may have been unlocked since it said hello
			return s, nil
		}
		return nil, locked()
	}
	child, err := c.startLocked(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.unlockChild(ctx); err != nil {
		c.child = nil
		child.close()
		return nil, err
	}
	return child, nil
}

// unlockChild gives the password to the one-shot agent, unless it has it.
func (c *Client) unlockChild(ctx context.Context) error {
	if !c.child.hello.Locked {
		return nil
	}
	_, err := c.withPassword(ctx, c.child, wire.OpUnlock, TTLs{})
	c.child.hello.Locked = err != nil
	return err
}

// HasVault reports whether anything of a vault is in home.
func HasVault(home string) bool { return hasVault(home) }

// hasVault reports whether anything of a vault is in home. What it is, and
// whether it is whole, is the agent's to say.
func hasVault(home string) bool {
	for _, name := range []string{"device", "vault.db", "member"} {
		if _, err := os.Lstat(filepath.Join(home, name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

func noVault(home string) error {
	return &Error{Err: ErrNoVault, Message: fmt.Sprintf("open vault %q: %v", home, ErrNoVault), Advice: `run "ov vault init"`}
}

func locked() error {
	return &Error{Err: ErrLocked, Advice: `run "ov unlock", or set OV_PASSWORD_FILE`}
}

// withPassword sends a request that needs the password, with the descriptor to
// read it from, followed by more.
func (c *Client) withPassword(ctx context.Context, s *session, op string, args any, more ...*os.File) (*wire.Frame, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	if raw, err = json.Marshal(wire.PasswordArgs{Password: string(c.o.Password.Kind), Args: raw}); err != nil {
		return nil, err
	}
	return c.beside(ctx, s, &wire.Frame{Header: wire.Header{Op: op, Args: raw}}, more...)
}

// approve sends a request again, with the password beside it: the agent shows
// what is asked for where the password is typed, and takes it as approval.
func (c *Client) approve(ctx context.Context, s *session, op string, args any, values []secret.Value) (*wire.Frame, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	return c.beside(ctx, s, &wire.Frame{Header: wire.Header{Op: op, Args: raw, Approve: string(c.o.Password.Kind)}, Values: values})
}

// beside opens the password's descriptor and sends request with it.
func (c *Client) beside(ctx context.Context, s *session, request *wire.Frame, more ...*os.File) (*wire.Frame, error) {
	if c.o.Password.Kind == PasswordNone {
		return nil, locked()
	}
	f, err := c.o.Password.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer closeFile(f)
	restore := func() {}
	if c.o.Password.Kind == PasswordTTY {
		restore = keepTerminal(f)
	}
	for _, m := range append([]*os.File{f}, more...) {
		if m != nil {
			request.Files = append(request.Files, m)
		}
	}
	answer, err := s.ask(ctx, request)
	if err != nil && !s.alive() {
		restore()
	}
	return answer, err
}

// call sends one request to an unlocked agent and reads its answer into out.
func (c *Client) call(ctx context.Context, op string, args, out any, values ...secret.Value) (*wire.Frame, error) {
	f, _, err := c.callOn(ctx, op, args, out, values...)
	return f, err
}

// callOn is call, and says who answered. When the daemon locked itself
// meanwhile, the password is asked for once.
func (c *Client) callOn(ctx context.Context, op string, args, out any, values ...secret.Value) (*wire.Frame, *session, error) {
	s, err := c.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	f, s, err := c.send(ctx, s, c.open, op, args, values...)
	if errors.Is(err, ErrLocked) && c.o.Password.Kind != PasswordNone {
		c.mu.Lock()
		s.hello.Locked = true
		c.mu.Unlock()
		if s, err = c.open(ctx); err != nil {
			return nil, nil, err
		}
		f, err = s.do(ctx, op, args, values, nil)
	}
	if errors.Is(err, ErrApproval) && c.o.Password.Kind != PasswordNone && c.o.Password.Kind != PasswordMachine {
		// Where nobody can be asked, what needs approval is said, and by which id.
		if g, again := c.approve(ctx, s, op, args, values); !errors.Is(again, ErrLocked) {
			f, err = g, again
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if f.Notice != "" {
		c.once.Do(func() { c.notify(f.Notice) })
	}
	if out != nil {
		if err := json.Unmarshal(f.Args, out); err != nil {
			f.Close()
			return nil, nil, fmt.Errorf("read answer to %s: %w", op, err)
		}
	}
	return f, s, nil
}
