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

// direct is a child of our own: leader of its session, without a terminal.
type direct struct {
	id int

	mu     sync.Mutex // held while a signal is sent and while the child is reaped: its number is never another's
	reaped bool
}

func startDirect(s Spec, std [3]*os.File) (child, error) {
	closeOnExec(3)
	attr := &syscall.ProcAttr{Dir: s.Dir, Env: s.Env, Sys: &syscall.SysProcAttr{Setsid: true}}
	for _, f := range append(std[:], s.Extra...) {
		attr.Files = append(attr.Files, f.Fd()) // which makes it a blocking one, as the child expects
	}
	killWithParent(attr.Sys)
	var pid int
	err := onStarter(func() (err error) {
		pid, err = execAny(s.Path, s.Args, attr)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &direct{id: pid}, nil
}

// execAny starts a program, or with the shell a script without a first line that names its interpreter, as execvp(3) does.
func execAny(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	pid, err := syscall.ForkExec(path, argv, attr)
	if errors.Is(err, syscall.ENOEXEC) {
		return syscall.ForkExec("/bin/sh", append([]string{"sh", path}, argv[min(1, len(argv)):]...), attr)
	}
	return pid, err
}

func (c *direct) pid() int { return c.id }

func (c *direct) wait() (Status, error) {
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
	if c.reaped {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", unix.Kill(-c.id, n))
}

// kill finds the child's descendants while it lives, and those of its session and group afterwards: their number is not
// given to another process while one of them is left.
func (c *direct) kill() {
	f := family{session: c.id}
	c.mu.Lock()
	if !c.reaped {
		f.root = c.id
	}
	c.mu.Unlock()
	killFamily(f)
}

func (c *direct) close() {}

func isHangup(err error) bool { return errors.Is(err, syscall.EIO) }
