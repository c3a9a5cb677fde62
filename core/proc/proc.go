package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/opaquevault/ov/core/inode"
)

// Spec says what to start and how it stands to us.
type Spec struct {
	Path    string     // the program's file, as Resolve found it
	File    inode.ID   // what Path was when it was decided on; another one is not started. "": whatever it is now
	Exact   bool       // it must be that very file, also when it is exchanged while it is started; see start_linux.go
	Args    []string   // argv, the program's name first
	Env     []string   // exactly the child's environment
	Dir     string     // its working directory; "" is ours
	Stdin   *os.File   // nil: the null device
	Extra   []*os.File // become descriptors 3, 4, ... of the child; every other one above 2 is closed
	Inherit []int      // but for these of ours, which the child has under the same numbers: see NamedPipes

	// Terminal gives the child a pseudo-terminal of its own that stands for ours. Nil: pipes, and no controlling terminal.
	Terminal *Terminal

	// Leader starts the child below a session leader of ours that outlives us for as long as it takes to end every
	// descendant of the child, detached ones included. It costs the start of one more process. With a Terminal it is implied.
	Leader bool

	// Helper is the program that plays the session leader: one that calls Reexec first thing, of the same build. Empty: our
	// own. A program that is slow to start names a quicker one.
	Helper string

	// Relay passes the signals that we get on to the child, until Close. Two interrupts within a second kill it.
	Relay bool

	// Typed, when set, sees what is typed on the terminal just before the child does.
	Typed func([]byte)

	// Linger is how long after the child's end its output is still read when something else, a background process, holds it
	// open. What is in the pipe by then is read in any case. Zero means DefaultLinger.
	Linger time.Duration
}

// ErrChanged: the program's file is not what it was when its use was decided on.
var ErrChanged = errors.New("the program's file was changed or exchanged since it was looked at")

// errChanged is ErrChanged on its way from our session leader, as a number.
const errChanged = syscall.ESTALE

// DefaultLinger is Spec.Linger when none is given.
const DefaultLinger = time.Second

// Process is a started child. Each reader that is not nil must be read, at the same time as the others, until io.EOF.
type Process struct {
	PID int
	// Stdout and Stderr are what the child and its descendants print. What goes to the pseudo-terminal is one stream, as on
	// any terminal: it is Stdout, with a nil Stderr, when the terminal stands for both; Stderr, when for that alone.
	Stdout, Stderr io.Reader
	// Tty is the pseudo-terminal's output when it stands for neither: echo and prompts, for Terminal.Device.
	Tty io.Reader

	child   child
	console *console // nil without a terminal
	outputs []*output
	deafen  func() // lets signals have their usual effect on us again
	closed  atomic.Bool
	ended   chan struct{} // closed when status and err are set
	status  Status
	err     error
}

// child is the running program, started by us or by our session leader.
type child interface {
	pid() int
	// wait blocks until the child has ended. It is called once.
	wait() (Status, error)
	// signal sends to the child's process group; os.ErrProcessDone after its end.
	signal(os.Signal) error
	// kill ends the child and every descendant of it that can be found.
	kill()
	// close lets go of what is not the child's own: background processes live on.
	close()
}

// Start runs the program in a session of its own.
func Start(s Spec) (*Process, error) {
	p, err := start(s)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", s.Path, err)
	}
	return p, nil
}

func start(s Spec) (p *Process, err error) {
	// 1. What can be known to fail, fails before anything is made.
	if s.Dir != "" {
		if info, err := os.Stat(s.Dir); err != nil {
			return nil, err
		} else if !info.IsDir() {
			return nil, &os.PathError{Op: "chdir", Path: s.Dir, Err: syscall.ENOTDIR}
		}
	}
	if err := checkInherit(s); err != nil {
		return nil, err
	}

	// 2. The child's descriptors; our copies of them are closed when it has its own.
	made := &Process{ended: make(chan struct{}), deafen: func() {}}
	p = made
	defer func() {
		if err != nil {
			made.Close()
		}
	}()
	var theirs closers
	defer theirs.close()
	std, err := p.streams(s, &theirs)
	if err != nil {
		return nil, err
	}

	// 3. The child, directly or below a leader. Signals are caught first: one that comes now must not end us alone.
	var signals <-chan os.Signal
	if s.Relay {
		signals, p.deafen = catchSignals()
	}
	if p.console != nil || s.Leader {
		p.child, err = startLed(s, std, p.console)
	} else {
		p.child, err = startDirect(s, std)
	}
	if err != nil {
		return nil, notStarted(err)
	}
	p.PID = p.child.pid()
	if p.console != nil {
		p.console.begin(p.child, s.Typed)
	}
	if s.Relay {
		go p.relay(signals)
	}
	go p.wait(s.Linger)
	return p, nil
}

// streams makes what the child has as descriptors 0, 1 and 2, and the readers of its output.
func (p *Process) streams(s Spec, theirs *closers) (std [3]*os.File, err error) {
	pipe := func() (io.Reader, *os.File, error) {
		r, w, err := newPipe()
		if err != nil {
			return nil, nil, err
		}
		theirs.add(w)
		return p.output(r), w, nil
	}
	t := s.Terminal
	if t == nil {
		t = &Terminal{}
	} else if p.console, err = newConsole(t); err != nil {
		return std, err
	} else {
		theirs.add(p.console.slave)
	}
	switch {
	case t.Stdin:
		std[0] = p.console.slave
	case s.Stdin != nil:
		std[0] = s.Stdin
	default:
		if std[0], err = os.Open(os.DevNull); err != nil {
			return std, err
		}
		theirs.add(std[0])
	}
	if t.Stdout {
		std[1], p.Stdout = p.console.slave, p.output(p.console.master)
	} else if p.Stdout, std[1], err = pipe(); err != nil {
		return std, err
	}
	if t.Stderr {
		std[2] = p.console.slave
	} else if p.Stderr, std[2], err = pipe(); err != nil {
		return std, err
	}
	switch {
	case p.console == nil || t.Stdout:
	case t.Stderr:
		p.Stderr = p.output(p.console.master)
	default:
		p.Tty = p.output(p.console.master)
	}
	return std, nil
}

func (p *Process) output(f *os.File) *output {
	o := &output{f: f}
	p.outputs = append(p.outputs, o)
	return o
}

// closers are files to close when a function returns.
type closers []*os.File

func (c *closers) add(f *os.File) { *c = append(*c, f) }

func (c *closers) close() {
	for _, f := range *c {
		f.Close()
	}
}

// notStarted tells the two ways of "there is nothing to run" from the rest.
func notStarted(err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, errChanged):
		return ErrChanged
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOEXEC), errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("%w: %w", ErrNotExecutable, err)
	}
	return err
}

func (p *Process) wait(linger time.Duration) {
	if linger == 0 {
		linger = DefaultLinger
	}
	p.status, p.err = p.child.wait()
	if p.console != nil {
		p.console.leave() // what is typed from here on is for whoever comes after the child
	}
	close(p.ended)
	for _, o := range p.outputs {
		o.end(linger)
	}
}

// Wait blocks until the child has ended. Its output may still be in the pipes: read it to io.EOF.
func (p *Process) Wait() (Status, error) {
	<-p.ended
	return p.status, p.err
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Signal sends sig to the child's process group. After its end nothing is sent.
func (p *Process) Signal(sig os.Signal) error { return p.child.signal(sig) }

// Kill asks the child's group to terminate, waits up to grace for the child's end, then kills the child, if it still runs, and
// every descendant that is left.
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

// Close gives the terminal back as it was and lets go of the output: a child that still runs meets a broken pipe when it
// writes. It is called when all output has been read.
func (p *Process) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	if p.console != nil {
		p.console.close()
	}
	if p.child != nil {
		p.child.close()
	}
	p.deafen()
	var errs []error
	for _, o := range p.outputs {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}
