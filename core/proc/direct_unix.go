//go:build linux || darwin

package proc

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL
)

// direct is a child of our own: leader of its session, without a terminal. From its end until close it is left unreaped, so
// that its number, its group's and its session's are not given to anybody else while we may still signal them.
type direct struct {
	id      int
	watcher *watcher

	mu     sync.Mutex
	ended  bool
	closed bool
}

func startDirect(s Spec, std [3]*os.File) (child, error) {
	closeOnExec(3)
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, f := range append(std[:], s.Extra...) {
		attr.Files = append(attr.Files, f.Fd()) // which makes it a blocking one, as the child expects
	}
	for _, fd := range s.Inherit {
		attr.Files = place(attr.Files, fd, uintptr(fd))
	}
	killWithParent(attr.Sys)
	var pid int
	err := onStarter(func() (err error) {
		pid, err = program{s.Path, s.File, s.Exact}.start(s.Args, attr)
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &direct{id: pid, watcher: &watcher{session: pid, pipes: []string{pipeName(std[1]), pipeName(std[2])}}}
	c.watcher.startSoon()
	return c, nil
}

func (c *direct) pid() int { return c.id }

func (c *direct) wait() (Status, error) {
	st, err := awaitEnd(c.id)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.closed {
		c.reap()
	}
	return st, err
}

// close ends the watch. A child that has not ended is reaped by wait.
func (c *direct) close() {
	c.watcher.dismiss()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed = true; c.ended {
		c.reap()
	}
}

func (c *direct) reap() {
	for {
		if _, err := syscall.Wait4(c.id, nil, 0, nil); err != syscall.EINTR {
			return
		}
	}
}

// childStatus reads what waitid(2) says: CLD_EXITED is 1; else status is the signal that ended the child.
func childStatus(code, status int32) Status {
	if code == 1 {
		return Status{Code: int(status)}
	}
	return Status{Code: -1, Signal: syscall.Signal(status)}
}

func statusOf(ws syscall.WaitStatus) Status {
	if ws.Signaled() {
		return Status{Code: -1, Signal: ws.Signal()}
	}
	return Status{Code: ws.ExitStatus()}
}

func (c *direct) signal(sig os.Signal) error {
	n, ok := sig.(syscall.Signal)
	if !ok {
		return errors.ErrUnsupported
	}
	if n == syscall.SIGTSTP {
		n = syscall.SIGSTOP // nobody in its session could wake it: the kernel drops the polite form
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", unix.Kill(-c.id, n))
}

func (c *direct) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		killFamily(family{root: c.id, session: c.id, pipes: c.watcher.pipes})
	}
}

func isHangup(err error) bool { return errors.Is(err, syscall.EIO) }
