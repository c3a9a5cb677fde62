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
	"github.com/opaquevault/ov/core/crash"
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

// headStart is how long a child runs before the set of its needles is built, should it not print before: the build takes
// every processor for longer than a short, silent command takes in all.
const headStart = 2 * time.Millisecond

// attend passes on the child's output until the child has ended and its output
// is empty. The first failure ends the child.
func (r *Request) attend(ctx context.Context, p *proc.Process, streams []*stream, building *redact.Build) (proc.Status, error) {
	passed := make(chan error, len(streams))
	for _, s := range streams {
		go func() { passed <- s.pass() }()
	}
	defer time.AfterFunc(headStart, building.Start).Stop()
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
	cancelled, ended, built := ctx.Done(), p.Done(), building.Done()
	for open := len(streams); open > 0 || ended != nil; {
		select {
		case err := <-passed:
			open--
			end(err)
		case <-ended:
			ended = nil
		case <-built:
			built = nil
			if _, err := building.Set(); err != nil { // nothing has been passed on, and nothing will be
				end(fmt.Errorf("%w: %w", ErrMasking, err))
			}
		case <-cancelled:
			cancelled = nil
			end(context.Cause(ctx))
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

// streams puts masking behind each of the child's outputs.
func (r *Request) streams(p *proc.Process, building *redact.Build) []*stream {
	var all []*stream
	add := func(pipe io.Reader, dst io.Writer) *stream {
		s := &stream{pipe: pipe, sink: &sink{dst: dst}, set: building.Set}
		if pipe != nil {
			all = append(all, s)
		}
		return s
	}
	stdout := add(p.Stdout, r.Stdout)
	stdout.frames = r.Frames
	stderr := add(p.Stderr, r.Stderr)
	if t := r.Take; t != nil {
		t.done = make(chan struct{})
		stdout.all = func() error { return stdout.take(t) }
		stderr.all = func() error { return stderr.passHeld(t, p, r.Notice) }
	}
	if r.Terminal != nil {
		add(p.Tty, r.Terminal.Device)
		s := all[len(all)-1] // the terminal's stream is the last but for Stdout, when it is that
		if r.Terminal.Stdout {
			s = all[0]
		}
		s.keys = r.keys
	}
	return all
}

// A stream masks one of the child's outputs.
type stream struct {
	pipe   io.Reader
	sink   *sink
	set    func() (*redact.Set, error) // waits until it is built
	frames bool                        // it carries JSON messages
	keys   *typed                      // on the terminal that it is, or nil
	all    func() error                // passes all of it in another way; nil: passAll
	mask   masker                      // nil before the first byte
}

// masker is a *redact.Writer or a *redact.Frames.
type masker interface {
	io.Writer
	io.ReaderFrom
	Close() error
	Counts() []redact.Count
}

// firstRead is how much of an output may come before there is a set to mask it.
const firstRead = 4 << 10

// pass masks all of the pipe. A reader of ours that went away is no failure: the
// pipe is closed, so that the child meets it as it would have without us.
func (s *stream) pass() (err error) {
	defer func() {
		if bug := recover(); bug != nil { // a bug in masking must not become a leak
			err = fmt.Errorf("%w: %w", ErrMasking, crash.Error(bug))
		}
		if err != nil || s.sink.err != nil {
			closePipe(s.pipe)
		}
	}()
	pass := s.passAll
	if s.all != nil {
		pass = s.all
	}
	err = pass()
	switch {
	case errors.Is(err, ErrTake):
		return err
	case errors.Is(s.sink.err, syscall.EPIPE):
		return nil
	case s.sink.err != nil:
		return fmt.Errorf("%w: %w", ErrSink, s.sink.err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMasking, err)
	}
	return nil
}

// passAll waits for the set only if there is something to mask.
func (s *stream) passAll() error {
	first := make([]byte, firstRead)
	n, err := readSome(s.pipe, first)
	if err == io.EOF && n == 0 {
		return nil
	}
	if err != nil && err != io.EOF {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	s.sink.gather()
	_, err = s.mask.Write(first[:n])
	clear(first)
	if err != nil {
		return err
	}
	if _, err := s.mask.ReadFrom(s.pipe); err != nil {
		return err
	}
	return cmp.Or(s.mask.Close(), s.sink.flush())
}

// readSome reads once, what there is.
func readSome(r io.Reader, b []byte) (n int, err error) {
	for n == 0 && err == nil {
		n, err = r.Read(b)
	}
	return n, err
}

// open makes the masker: the one way by which a byte reaches the sink.
func (s *stream) open() error {
	set, err := s.set()
	if err != nil {
		return err
	}
	s.pipe = &flushing{s.pipe, s.sink}
	if s.frames {
		s.mask = redact.NewFrames(s.sink, set)
		return nil
	}
	w := redact.NewWriter(s.sink, set, nil)
	if s.keys != nil {
		s.pipe = &echoing{s.pipe, w, s.keys}
	}
	s.mask = w
	return nil
}

func closePipe(r io.Reader) {
	if c, ok := r.(io.Closer); ok {
		c.Close()
	}
}

// counts sums what was masked on both streams, by name, lane and rule, behind
// what was passed on.
func counts(streams []*stream, passed func() []agent.Count) []agent.Count {
	var all []agent.Count
	if passed != nil {
		all = passed()
	}
	for _, s := range streams {
		if s.mask == nil { // nothing came
			continue
		}
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
