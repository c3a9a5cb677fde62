//go:build linux || darwin

package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/opaquevault/ov/core/inode"
)

// led is a child that our session leader started.
type led struct {
	id     int // the child's
	leader int // the leader's, which is the session's and the name of its group
	socket *os.File

	mu    sync.Mutex // orders messages, and guards ended
	ended bool

	onStop func(syscall.Signal) // may be nil
	killed chan struct{}        // the leader says that it is done with killAll
	gone   chan struct{}        // the leader has hung up
}

// startLed starts the leader, which starts the child.
func startLed(s Spec, std [3]*os.File, c *console) (child, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	opts := leaderOptions{extra: len(s.Extra), inherit: s.Inherit, file: s.File, exact: s.Exact}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		ours.Close()
		return nil, err
	}
	defer null.Close()
	slave, device := null, null
	attr := &syscall.SysProcAttr{Setsid: true}
	if c != nil {
		slave, opts.tty = c.slave, true
		attr.Setctty, attr.Ctty = true, leaderSlave
		opts.fore = c.prepare()
		if c.device != nil {
			device, opts.device = c.device, true
		}
	}
	socketFD, deviceFD, err := descriptors(theirs, device)
	if err != nil {
		ours.Close()
		return nil, err
	}
	// Fd makes a descriptor a blocking one, as the child expects.
	files := []uintptr{std[0].Fd(), std[1].Fd(), std[2].Fd(), socketFD, slave.Fd(), deviceFD}
	for _, f := range s.Extra {
		files = append(files, f.Fd())
	}
	for _, fd := range s.Inherit {
		files = append(files, uintptr(fd))
	}
	pid, err := reexec(s.Helper, leaderName, append([]string{opts.String(), s.Path}, s.Args...),
		&syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Files: files, Sys: attr})
	if err != nil {
		ours.Close()
		if err == syscall.E2BIG { // of the command's own arguments and environment, which the leader has too
			return nil, err
		}
		return nil, fmt.Errorf("start session leader: %v", err) // not wrapped: what is not found is us, not the command
	}
	theirs.Close() // while we have it too, a leader that dies never hangs up
	l := &led{leader: pid, socket: ours, killed: make(chan struct{}, 1), gone: make(chan struct{})}
	if c != nil {
		l.onStop = c.childStopped
	}
	m, err := receive(ours)
	switch {
	case err != nil: // it was killed before it could say that the child runs
		killFamily(family{session: pid})
		l.close()
		return nil, errLeader
	case m.kind == notRun:
		l.close()
		return nil, syscall.Errno(m.arg)
	}
	l.id = int(m.arg)
	return l, nil
}

func (l *led) pid() int { return l.id }

// errLeader is what is left to say when the session leader was killed.
var errLeader = errors.New("session leader was killed")

func (l *led) wait() (Status, error) {
	ended := make(chan Status, 1)
	go l.listen(ended)
	select {
	case st := <-ended:
		return st, nil
	case <-l.gone:
	}
	select {
	case st := <-ended:
		return st, nil
	default:
	}
	// The kernel has killed the child with its parent. What that child had started is ours to find.
	killFamily(family{session: l.leader})
	return Status{Code: -1}, errLeader
}

// listen hears the leader until it hangs up.
func (l *led) listen(ended chan<- Status) {
	defer close(l.gone)
	for {
		m, err := receive(l.socket)
		if err != nil {
			l.mu.Lock()
			l.ended = true
			l.mu.Unlock()
			return
		}
		switch m.kind {
		case stopped:
			if l.onStop != nil {
				go l.onStop(syscall.Signal(m.arg))
			}
		case childEnded:
			l.mu.Lock()
			l.ended = true
			l.mu.Unlock()
			ended <- statusOf(syscall.WaitStatus(m.arg))
		case killedAll:
			select {
			case l.killed <- struct{}{}:
			default:
			}
		}
	}
}

func (l *led) tell(k kind, arg int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return message{k, int32(arg)}.send(l.socket)
}

func (l *led) signal(sig os.Signal) error {
	n, ok := sig.(syscall.Signal)
	if !ok {
		return errors.ErrUnsupported
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return os.ErrProcessDone
	}
	return message{sendSignal, int32(n)}.send(l.socket)
}

// killTimeout bounds how long a leader is believed to be at work.
const killTimeout = 5 * time.Second

func (l *led) kill() {
	if l.tell(killAll, 0) == nil {
		select {
		case <-l.killed:
			return
		case <-l.gone:
		case <-time.After(killTimeout):
		}
	}
	killFamily(family{root: l.leader, session: l.leader})
}

func (l *led) close() {
	_ = l.tell(goAway, 0)
	l.socket.Close()
	for {
		if _, err := syscall.Wait4(l.leader, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

// reexec starts program, or our own when it is empty, as a helper, which is told by its name.
func reexec(program, name string, args []string, attr *syscall.ProcAttr) (int, error) {
	exe := program
	if exe == "" {
		var err error
		if exe, err = selfPath(); err != nil {
			return 0, err
		}
	}
	closeOnExec(3)
	return syscall.ForkExec(exe, append([]string{name}, args...), attr)
}

// descriptors are the numbers of a and b, without the change of mode that Fd makes.
func descriptors(a, b *os.File) (m, n uintptr, err error) {
	err = control(a, func(fd int) error { m = uintptr(fd); return nil })
	if err == nil {
		err = control(b, func(fd int) error { n = uintptr(fd); return nil })
	}
	return m, n, err
}

// leaderOptions travel to the leader as its first argument.
type leaderOptions struct {
	tty    bool // leaderSlave is its controlling terminal
	fore   bool // the child starts in the foreground of it
	device bool // leaderDevice is our terminal
	extra  int  // descriptors that the child gets as 3, 4, ...
	exact  bool // Spec.Exact
	file   inode.ID

	inherit []int // numbers under which the child gets the ones behind these
}

// String has a word a field, and one a number of inherit.
func (o leaderOptions) String() string {
	s := strconv.FormatBool(o.tty) + "," + strconv.FormatBool(o.fore) + "," + strconv.FormatBool(o.device) + "," + strconv.Itoa(o.extra) +
		"," + strconv.FormatBool(o.exact) + "," + string(o.file)
	for _, fd := range o.inherit {
		s += "," + strconv.Itoa(fd)
	}
	return s
}
