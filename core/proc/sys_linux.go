package proc

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	getTermios    = unix.TCGETS
	setTermiosNow = unix.TCSETS
)

// pipeSize is asked for each output pipe: fewer, larger reads. More than /proc/sys/fs/pipe-max-size is refused to a user
// without CAP_SYS_RESOURCE, and so is a user's total above pipe-user-pages-soft; then the pipe keeps its 64 KiB.
const pipeSize = 1 << 20

func newPipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	_ = control(w, func(fd int) error {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
		return unix.SetNonblock(fd, false) // this end is the child's: it must not meet EAGAIN
	})
	return r, w, nil
}

// pending is how many bytes wait in the pipe or terminal.
func pending(f *os.File) (n int) {
	_ = control(f, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err
	})
	return n
}

// closeOnExec marks every descriptor from first up, those that we inherited included.
func closeOnExec(first int) {
	if unix.CloseRange(uint(first), ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	markOpen("/proc/self/fd", first)
}

// starter is the one thread that starts children. The kernel sends a parent-death signal when the *thread* that started the
// child ends, so it is one that never does.
var starter = sync.OnceValue(func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// onStarter runs f on the thread that starts children.
func onStarter(f func() error) error {
	done := make(chan error)
	starter() <- func() { done <- f() }
	return <-done
}

// killWithParent has the kernel kill the child when the thread that starts it ends.
func killWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// hardenLeader names the leader, adopts orphans, and keeps what it holds, the child's environment, out of a core dump.
func hardenLeader() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	_ = os.WriteFile("/proc/self/comm", []byte(leaderName), 0)
}

// awaitEnd blocks until the process has ended and leaves it to be reaped.
func awaitEnd(pid int) error { return waitid(unix.P_PID, pid, unix.WEXITED) }

// awaitAny blocks until something has become of any child, and leaves it to be asked for.
func awaitAny() error {
	return waitid(unix.P_ALL, 0, unix.WEXITED|unix.WSTOPPED|unix.WCONTINUED)
}

func waitid(idType, id, events int) error {
	for {
		if err := unix.Waitid(idType, id, nil, events|unix.WNOWAIT, nil); err != unix.EINTR {
			return err
		}
	}
}

// selfPath names our own program, whatever has become of its file.
func selfPath() (string, error) { return "/proc/self/exe", nil }
