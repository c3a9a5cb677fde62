package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// Spec says what to start and how it stands to us.
type Spec struct {
	Path  string     // the program's file, as Resolve found it
	Args  []string   // argv, the program's name first
	Env   []string   // exactly the child's environment
	Dir   string     // its working directory; "" is ours
	Stdin *os.File   // nil: the null device
	Extra []*os.File // become descriptors 3, 4, ... of the child; every other one above 2 is closed

	// Linger is how long after the child's end its output is still read when something else, a background process, holds it
	// open. What is in the pipe by then is read in any case. Zero means DefaultLinger.
	Linger time.Duration
}

// DefaultLinger is Spec.Linger when none is given.
const DefaultLinger = time.Second

// Process is a started child.
type Process struct {
	PID int
	// Stdout and Stderr are what the child and its descendants print. Both must be read, at the same time, until io.EOF.
	Stdout, Stderr io.Reader

	child          child
	linger         time.Duration
	stdout, stderr *output
	ended          chan struct{} // closed when status and err are set
	status         Status
	err            error
}

// Start runs the program in its own session, without a controlling terminal, and with a pipe each for stdout and stderr.
func Start(s Spec) (*Process, error) {
	if s.Linger == 0 {
		s.Linger = DefaultLinger
	}
	p := &Process{linger: s.Linger, ended: make(chan struct{})}
	outW, err := p.pipes()
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", s.Path, err)
	}
	defer outW[0].Close()
	defer outW[1].Close()
	stdin := s.Stdin
	if stdin == nil {
		if stdin, err = os.Open(os.DevNull); err != nil {
			return nil, fmt.Errorf("start %q: %w", s.Path, err)
		}
		defer stdin.Close()
	}
	p.child, err = startChild(s, append([]*os.File{stdin, outW[0], outW[1]}, s.Extra...))
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("start %q: %w", s.Path, notStarted(err))
	}
	p.PID = p.child.pid()
	go p.wait()
	return p, nil
}

// pipes makes the two output pipes and returns the child's ends.
func (p *Process) pipes() (ends [2]*os.File, err error) {
	outR, outW, err := newPipe()
	if err != nil {
		return ends, err
	}
	errR, errW, err := newPipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return ends, err
	}
	p.stdout, p.stderr = &output{f: outR}, &output{f: errR}
	p.Stdout, p.Stderr = p.stdout, p.stderr
	return [2]*os.File{outW, errW}, nil
}

// notStarted tells the two ways of "there is nothing to run" from the rest.
func notStarted(err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: %w", ErrNotExecutable, err)
	}
	return err
}

func (p *Process) wait() {
	p.status, p.err = p.child.wait()
	close(p.ended)
	p.stdout.end(p.linger)
	p.stderr.end(p.linger)
}

// Wait blocks until the child has ended. Its output may still be in the pipes: read both to io.EOF.
func (p *Process) Wait() (Status, error) {
	<-p.ended
	return p.status, p.err
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Signal sends sig to the child's process group. After its end nothing is sent.
func (p *Process) Signal(sig os.Signal) error { return p.child.signal(sig) }

// Kill asks the child's group to terminate, waits up to grace for the child's end, then kills what is left of the group.
func (p *Process) Kill(grace time.Duration) {
	if grace > 0 && p.child.signal(terminate) == nil {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-p.ended:
		case <-t.C:
		}
	}
	p.child.kill()
	<-p.ended
}

// Close lets go of the output. The child, if it still runs, meets a broken pipe when it writes.
func (p *Process) Close() error {
	return errors.Join(p.stdout.Close(), p.stderr.Close())
}
