package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
)

// Why ov ended a child.
var (
	ErrMasking = errors.New("masking stopped")
	ErrSink    = errors.New("output cannot be written")
	ErrTimeout = errors.New("timeout")
)

const (
	grace     = 2 * time.Second // between TERM and KILL
	impatient = time.Second     // a second interrupt within it kills at once
)

// attend passes on the child's output and the caller's signals until the child
// has ended and both pipes are empty. The first failure ends the child.
func (r *Request) attend(ctx context.Context, p *proc.Process, stdout, stderr *stream) (proc.Status, error) {
	passed := make(chan error, 2)
	go func() { passed <- stdout.pass(p.Stdout) }()
	go func() { passed <- stderr.pass(p.Stderr) }()
	var timeout <-chan time.Time
	if r.Timeout > 0 {
		t := time.NewTimer(r.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	var failed error
	end := func(err error) {
		if err != nil && failed == nil {
			failed = err
			go p.Kill(grace)
		}
	}
	cancelled, ended, interrupted := ctx.Done(), p.Done(), time.Time{}
	for open := 2; open > 0 || ended != nil; {
		select {
		case err := <-passed:
			open--
			end(err)
		case <-ended:
			ended = nil
		case s := <-r.Signals:
			if s == os.Interrupt && time.Since(interrupted) < impatient {
				go p.Kill(0)
			} else if s == os.Interrupt {
				interrupted = time.Now()
			}
			p.Signal(s)
		case <-cancelled:
			cancelled = nil
			end(ctx.Err())
		case <-timeout:
			end(fmt.Errorf("run %q: %w: after %v", r.Argv[0], ErrTimeout, r.Timeout))
		}
	}
	status, err := p.Wait()
	if failed != nil {
		err = failed
	}
	return status, err
}

// A stream masks one of the child's pipes.
type stream struct {
	mask *redact.Writer
	sink *sink
}

func newStream(dst io.Writer, set *redact.Set) *stream {
	s := &sink{dst: dst}
	return &stream{redact.NewWriter(s, set, nil), s}
}

// pass masks all of pipe. A reader of ours that went away is no failure: the
// pipe is closed, so that the child meets it as it would have without us.
func (s *stream) pass(pipe io.Reader) (err error) {
	defer func() {
		if bug := recover(); bug != nil { // a bug in masking must not become a leak
			err = fmt.Errorf("%w: %v", ErrMasking, bug)
		}
		if err != nil || s.sink.err != nil {
			closePipe(pipe)
		}
	}()
	_, err = s.mask.ReadFrom(pipe)
	if err == nil {
		err = s.mask.Close()
	}
	switch {
	case errors.Is(s.sink.err, syscall.EPIPE):
		return nil
	case s.sink.err != nil:
		return fmt.Errorf("%w: %w", ErrSink, s.sink.err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMasking, err)
	}
	return nil
}

func closePipe(r io.Reader) {
	if c, ok := r.(io.Closer); ok {
		c.Close()
	}
}

// sink remembers its own failure, so that it is told from one of masking.
type sink struct {
	dst io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.dst.Write(b)
	if err != nil {
		s.err = err
	}
	return n, err
}

// counts sums what was masked on both streams, by name, lane and rule.
func counts(streams ...*stream) []agent.Count {
	var all []agent.Count
	for _, s := range streams {
	next:
		for _, c := range s.mask.Counts() {
			n := agent.Count{Name: c.Name, Lane: c.Lane.String(), Rule: c.Rule, N: c.N}
			for i := range all {
				if o := all[i]; o.Name == n.Name && o.Lane == n.Lane && o.Rule == n.Rule {
					all[i].N += n.N
					continue next
				}
			}
			all = append(all, n)
		}
	}
	return all
}
