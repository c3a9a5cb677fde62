package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
)

// A Session is a shell with secrets that runs one command after the other. It
// keeps the needles of its grant for as long as it lives; each command is
// declared to the agent before it runs, and is masked like any other.
type Session struct {
	a                Agent
	r                Request
	grant            string
	set              func() (*redact.Set, error)
	shell            *proc.Session
	names, variables []string
	expires          time.Time
}

// OpenSession starts the shell r.Argv[0], a POSIX one, with the secrets of r in
// its environment. Deliveries, templates and a terminal are not for sessions.
func OpenSession(ctx context.Context, a Agent, r Request, limits proc.Limits) (_ *Session, err error) {
	if r.Wants != nil && len(r.Wants) == 0 && !r.Nothing {
		return nil, ErrNothing
	}
	shell, err := find(&r)
	if err != nil {
		return nil, err
	}
	declared := r.declare(shell)
	declared.Kind = agent.GrantSession
	grant := new(agent.Grant)
	if !r.Nothing {
		if grant, err = a.Grant(ctx, declared); err != nil {
			return nil, err
		}
	}
	var building *redact.Build
	defer func() { r.wipe(grant, building) }()
	proc.Harden() // for good: a session's needles stay
	s := &Session{a: a, r: r, grant: grant.ID}
	s.r.Nothing = false // each command is declared, and completed, even if there is no secret
	defer func() {
		if err != nil {
			r.complete(ctx, a, agent.Completion{GrantID: grant.ID}, err)
		}
	}()
	given, err := r.inject(grant, nil)
	if err != nil {
		return nil, err
	}
	s.names, s.variables = given.names(), given.variables()
	if building, err = redact.Begin(given.needles, r.Redact); err != nil {
		return nil, err
	}
	building.Start()
	s.set = building.Set
	s.shell, err = proc.StartSession(proc.Spec{Path: shell.path, File: shell.file, Exact: grant.Exact, Env: given.env, Dir: r.Dir}, limits)
	s.expires = time.Now().Add(limits.Hard)
	return s, err
}

// Variables returns the variables that hold the session's secrets.
func (s *Session) Variables() []string { return s.variables }

// Expires is when the session ends at the latest.
func (s *Session) Expires() time.Time { return s.expires }

// Done is closed when the shell has ended.
func (s *Session) Done() <-chan struct{} { return s.shell.Done() }

// A Command is one command of a session.
type Command struct {
	Argv           []string
	Reason         string
	Timeout        time.Duration // 0: none
	Stdout, Stderr io.Writer
}

// Run declares a command and runs it in the shell. Its directory and its
// exports are there for the next one.
func (s *Session) Run(ctx context.Context, c Command) (Report, error) {
	grant, err := s.a.Grant(ctx, s.declare(c))
	if err != nil {
		return Report{}, err
	}
	done := agent.Completion{GrantID: grant.ID}
	if c.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, c.Timeout, ErrTimeout)
		defer stop()
	}
	out, errs, err := s.streams(c)
	if err != nil {
		done.Failure = failure(ctx, err, "start")
		s.r.complete(ctx, s.a, done, err)
		return Report{}, err
	}
	status, err := s.shell.Run(ctx, c.Argv, out.mask, errs.mask)
	err = errors.Join(err, closeMask(out), closeMask(errs))
	if errors.Is(context.Cause(ctx), ErrTimeout) {
		err = fmt.Errorf("run %q: %w: after %v", c.Argv[0], ErrTimeout, c.Timeout)
	}
	done.Exit, done.Signal, done.Masked = status.Exit(), status.SignalName(), counts([]*stream{out, errs}, s.r.Passed)
	done.Failure = failure(ctx, err, "child")
	s.r.complete(ctx, s.a, done, err)
	return Report{status, s.names, done.Masked}, err
}

// streams are the command's outputs, masked. Before the set is built none can run.
func (s *Session) streams(c Command) (out, errs *stream, err error) {
	out, errs = &stream{sink: &sink{dst: c.Stdout}, set: s.set}, &stream{sink: &sink{dst: c.Stderr}, set: s.set}
	if err := cmp.Or(out.open(), errs.open()); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMasking, err)
	}
	return out, errs, nil
}

func closeMask(s *stream) error {
	if err := s.mask.Close(); err != nil {
		return fmt.Errorf("%w: %w", ErrMasking, err)
	}
	return nil
}

// declare says what is about to run. A builtin of the shell has no file: then
// the shell is what runs.
func (s *Session) declare(c Command) agent.GrantRequest {
	path, err := proc.Resolve(c.Argv[0], s.r.Dir, s.r.Environ)
	if err != nil {
		path, err = proc.Resolve(s.r.Argv[0], s.r.Dir, s.r.Environ)
	}
	if err != nil {
		path = "/"
	}
	return agent.GrantRequest{Kind: agent.GrantRun, Executable: path, Argv: c.Argv, Dir: s.r.Dir,
		Lanes: s.r.Redact.Lanes.String(), Level: level(s.r.Redact), Reason: c.Reason, Session: s.grant}
}

// Close ends the shell and all that it has started.
func (s *Session) Close(ctx context.Context) error {
	err := s.shell.Close()
	if s.grant != "" {
		s.r.complete(ctx, s.a, agent.Completion{GrantID: s.grant}, nil)
	}
	return err
}
