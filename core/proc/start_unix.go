//go:build linux || darwin

package proc

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const terminate = syscall.SIGTERM

// child is a process that we started and have to wait for.
type child struct{ *handle }

type handle struct {
	id int
	mu sync.Mutex // held while a signal is sent and while the child is reaped: its number is never another's
	// reaped: the number may belong to somebody else by now.
	reaped bool
}

func (c child) pid() int { return c.id }

// startChild runs the program as leader of a new session.
func startChild(s Spec, files []*os.File) (child, error) {
	closeOnExec(3)
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, f := range files {
		attr.Files = append(attr.Files, f.Fd())
	}
	pid, err := forkExec(s.Path, s.Args, attr)
	if errors.Is(err, syscall.ENOEXEC) {
		// A script without a first line that names its interpreter is run by the shell, as execvp(3) does it.
		pid, err = forkExec("/bin/sh", append([]string{"sh", s.Path}, s.Args[min(1, len(s.Args)):]...), attr)
	}
	if err != nil {
		return child{}, err
	}
	return child{&handle{id: pid}}, nil
}

// wait blocks until the child has ended, then reaps it.
func (c child) wait() (Status, error) {
	if err := awaitEnd(c.id); err != nil {
		return Status{}, os.NewSyscallError("waitid", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.id, &ws, 0, nil)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return Status{}, os.NewSyscallError("wait4", err)
		}
	}
	c.reaped = true
	return statusOf(ws), nil
}

func statusOf(ws syscall.WaitStatus) Status {
	if ws.Signaled() {
		return Status{Code: -1, Signal: ws.Signal()}
	}
	return Status{Code: ws.ExitStatus()}
}

// signal sends to the child's group, which is its session's first.
func (c child) signal(sig os.Signal) error {
	n, ok := sig.(syscall.Signal)
	if !ok {
		return errors.ErrUnsupported
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", unix.Kill(-c.id, n))
}

// kill ends what is left of the child's group. The number of a group that has members is not given to a new process, so that
// this is safe after the child's own end for as long as the group lives; a group that is gone is no error.
func (c child) kill() { _ = unix.Kill(-c.id, unix.SIGKILL) }

func isHangup(err error) bool { return errors.Is(err, syscall.EIO) }
