// Package broker is the one place where values, environment and pipes meet.
// Read Run first: everything that ov promises happens in it, in this order.
package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/inode"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// An Agent releases values for a declared, audited grant. *agent.Client is one.
type Agent interface {
	Grant(context.Context, agent.GrantRequest) (*agent.Grant, error)
	Complete(context.Context, agent.Completion) error
}

// A Want is one secret and the variable that it goes into; a secret without
// one is for a template.
type Want struct {
	Ref secret.Ref
	As  string
}

// A Request is one command to run with secrets.
type Request struct {
	Argv    []string
	Dir     string
	Environ []string // what the child inherits, before secrets
	Extra   []string // NAME=value on top of that, declared to the agent
	Wants   []Want   // nil: every secret of Space
	Nothing bool     // no secret at all, on purpose
	Space   secret.Ref

	Deliver   map[string]string // variable -> file, fd or stdin; absent: env
	Templates []Template

	Pristine     bool // inherit nothing; Environ only finds the command
	KeepExisting bool // a variable that is set stays as it is
	Redact       redact.Options
	Timeout      time.Duration // 0: none
	Grace        time.Duration // between TERM and KILL; 0: 2 s
	Reason       string
	Shell        bool // the command is a person's shell: a session, to policy

	Inherit        []int // descriptors that the command's arguments name, see proc.NamedPipes
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Take           *Take          // stdout is a new value, for nobody to see
	Frames         bool           // stdout carries JSON messages, see redact.Frames
	Terminal       *proc.Terminal // nil: the child gets pipes
	Relay          bool           // pass our signals on to the child
	Helper         string         // plays the leader, see proc.Spec
	Leader         bool           // end the child's detached descendants too, see proc.Spec
	Notice         func(string)   // hears what a person should know; never a value
	Opened         func(int)      // hears how many secrets the child gets
	Report         func(Report)   // hears what came of it; may be nil

	// Sweep, when set, looks for the secrets of the run in what it has left. It is
	// called with their needles after the child's end; what it counts is audited.
	Sweep func(*redact.Set) []agent.Count

	// Passed, when set, is asked when all output has been passed on, and counts what scanners behind it masked, or let
	// pass by the policy; it is audited.
	Passed func() []agent.Count

	templated map[secret.Ref]bool // what the templates name
	keys      *typed              // on the terminal
	wiped     func()              // hears when no value is left; for tests
}

// A Report is what came of a Run whose child was started.
type Report struct {
	Status   proc.Status
	Injected []string // names of the secrets that the child got
	Masked   []agent.Count
}

// ErrNothing is the answer to an empty list: it must not come to mean "all".
var ErrNothing = errors.New("the list of secrets is empty")

// Run starts a command with secrets in its environment and passes on what it
// prints with every trace of them masked. It returns the child's exit status as
// a shell would. An error means that ov itself failed: then no unmasked byte
// was passed on, and no child is left running.
func Run(ctx context.Context, a Agent, r Request) (exit int, err error) {
	if r.Wants != nil && len(r.Wants) == 0 && !r.Nothing {
		return 0, ErrNothing
	}
	// 1. Find the command; without one nothing is decrypted.
	program, err := find(&r)
	if err != nil {
		return 0, err
	}
	templates, err := r.readTemplates()
	if err != nil {
		return 0, err
	}
	// 2. Ask for the values: policy, audit, decryption, in this order.
	grant, err := r.grant(ctx, a, program)
	if err != nil {
		return 0, err
	}
	var building *redact.Build
	defer func() { r.wipe(grant, building) }()
	proc.Harden() // from here on this process holds values; the agent has looked at it by now
	done := agent.Completion{GrantID: grant.ID}
	defer func() { r.complete(ctx, a, done, err) }()
	// 3. Every value becomes a variable, or a file, and a needle at once.
	given, err := r.inject(grant, templates)
	if err != nil {
		return 0, errors.Join(err, given.Close())
	}
	defer given.Close()
	r.Opened(len(grant.Secrets))
	// 4. Masking stands before there is anything to mask: the needles are taken here, or no child starts. Their
	// set is built while the child begins to run; the first byte that it prints waits for it.
	if building, err = redact.Begin(given.needles, r.Redact); err != nil {
		return 0, err
	}
	// 5. Start the child. stdin is its own.
	p, err := proc.Start(r.spec(program, grant.Exact, given))
	if err != nil {
		return 0, err
	}
	// 6. Mask until its output ends; whatever fails ends the child.
	streams := r.streams(p, building)
	status, err := r.attend(ctx, p, streams, building)
	// 7. Report what was masked.
	done.Exit, done.Signal, done.Masked = status.Exit(), status.SignalName(), counts(streams, r.Passed)
	done.Failure = failure(ctx, err, "child")
	if r.Report != nil {
		r.Report(Report{status, given.names(), done.Masked})
	}
	r.sweep(given, &done)
	return done.Exit, err
}

// wipe zeroes the values of a grant, after a build that still reads them. Nobody waits for that.
func (r *Request) wipe(g *agent.Grant, building *redact.Build) {
	zero := func() {
		g.Wipe()
		if r.wiped != nil {
			r.wiped()
		}
	}
	if building == nil {
		zero()
		return
	}
	building.Cancel()
	select {
	case <-building.Done():
		zero()
	default:
		go func() {
			<-building.Done()
			zero()
		}()
	}
}

// sweep counts the secrets that the child has left behind. What looks like one by
// its shape is not ours, and not looked for.
func (r *Request) sweep(given *injection, done *agent.Completion) {
	if r.Sweep == nil {
		return
	}
	o := r.Redact
	o.Scanners = nil
	set, err := redact.Compile(given.needles, o)
	if err != nil {
		r.Notice(fmt.Sprintf("sweep: %v", err))
		return
	}
	done.Masked = append(done.Masked, r.Sweep(set)...)
}

// program is the file of a command, and which one it was when it was found: what is declared, decided on and started is one.
type program struct {
	path string
	file inode.ID
}

func find(r *Request) (p program, err error) {
	if p.path, err = proc.Resolve(r.Argv[0], r.Dir, r.Environ); err == nil {
		p.file, err = inode.Settled(p.path)
	}
	return p, err
}

func (r *Request) grant(ctx context.Context, a Agent, p program) (*agent.Grant, error) {
	if r.Nothing {
		return new(agent.Grant), nil
	}
	return a.Grant(ctx, r.declare(p))
}

// complete tells the agent how the grant was used.
func (r *Request) complete(ctx context.Context, a Agent, done agent.Completion, err error) {
	if r.Nothing {
		return
	}
	if err != nil && done.Failure == "" {
		done.Failure = "start" // no child was started
		if errors.Is(err, proc.ErrChanged) {
			done.Failure = "changed"
		}
	}
	if err := a.Complete(context.WithoutCancel(ctx), done); err != nil {
		r.Notice(fmt.Sprintf("complete audit record: %v", err))
	}
}

// spec is the child. A secret on its stdin takes the place of ours.
func (r *Request) spec(p program, exact bool, given *injection) proc.Spec {
	r.keys = &typed{}
	s := proc.Spec{Path: p.path, File: p.file, Exact: exact, Args: r.Argv, Env: given.env, Dir: r.Dir, Stdin: r.Stdin, Extra: given.files.Extra, Inherit: r.Inherit, Terminal: r.Terminal,
		Relay: r.Relay, Leader: r.Leader, Helper: r.Helper, Typed: r.keys.add}
	if given.stdin != nil {
		s.Stdin = given.stdin
		if t := r.Terminal; t != nil {
			s.Terminal = &proc.Terminal{Device: t.Device, Stdout: t.Stdout, Stderr: t.Stderr}
		}
	}
	return s
}

// failure is the word for err in the audit record, which keeps no messages; other is for an error that has none of its own.
func failure(ctx context.Context, err error, other string) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrMasking):
		return "masking"
	case errors.Is(err, ErrSink):
		return "output"
	case errors.Is(err, ErrTimeout):
		return "timeout"
	case errors.Is(err, ErrTake):
		return "value"
	case ctx.Err() != nil: // a signal to ov itself, or a client that asked for it
		return "cancelled"
	}
	return other
}
