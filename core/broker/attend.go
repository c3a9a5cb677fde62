package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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

// grace is the time between TERM and KILL.
const grace = 2 * time.Second

// attend passes on the child's output until the child has ended and its output
// is empty. The first failure ends the child.
func (r *Request) attend(ctx context.Context, p *proc.Process, streams []*stream) (proc.Status, error) {
	passed := make(chan error, len(streams))
	for _, s := range streams {
		go func() { passed <- s.pass() }()
	}
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
			go p.Kill(cmp.Or(r.Grace, grace))
		}
	}
	cancelled, ended := ctx.Done(), p.Done()
	for open := len(streams); open > 0 || ended != nil; {
		select {
		case err := <-passed:
			open--
			end(err)
		case <-ended:
			ended = nil
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
	return status, errors.Join(err, p.Close())
}

// streams puts a writer that masks behind each of the child's outputs.
func (r *Request) streams(p *proc.Process, set *redact.Set) []*stream {
	var all []*stream
	if p.Stdout != nil {
		all = append(all, r.newOutput(p.Stdout, set))
	}
	if p.Stderr != nil {
		all = append(all, newStream(p.Stderr, r.Stderr, set))
	}
	if p.Tty != nil {
		all = append(all, newStream(p.Tty, r.Terminal.Device, set))
	}
	if r.Terminal != nil { // the terminal's stream is the last but for Stdout, when it is that
		s := all[len(all)-1]
		if r.Terminal.Stdout {
			s = all[0]
		}
		if w, ok := s.mask.(*redact.Writer); ok {
			s.pipe = &echoing{s.pipe, w, r.keys}
		}
	}
	return all
}

// A stream masks one of the child's outputs.
type stream struct {
	pipe io.Reader
	mask masker
	sink *sink
}

// masker is a *redact.Writer or a *redact.Frames.
type masker interface {
	io.Writer
	io.ReaderFrom
	Close() error
	Counts() []redact.Count
}

// newOutput is the stream of the child's standard output.
func (r *Request) newOutput(pipe io.Reader, set *redact.Set) *stream {
	s := newStream(pipe, r.Stdout, set)
	if r.Frames {
		s.mask = redact.NewFrames(s.sink, set)
	}
	return s
}

func newStream(pipe io.Reader, dst io.Writer, set *redact.Set) *stream {
	s := &sink{dst: dst}
	return &stream{pipe, redact.NewWriter(s, set, nil), s}
}

// pass masks all of the pipe. A reader of ours that went away is no failure: the
// pipe is closed, so that the child meets it as it would have without us.
func (s *stream) pass() (err error) {
	defer func() {
		if bug := recover(); bug != nil { // a bug in masking must not become a leak
			err = fmt.Errorf("%w: %v", ErrMasking, bug)
		}
		if err != nil || s.sink.err != nil {
			closePipe(s.pipe)
		}
	}()
	_, err = s.mask.ReadFrom(s.pipe)
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
func counts(streams []*stream) []agent.Count {
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
