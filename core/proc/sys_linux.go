package proc

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeSize is asked for each output pipe: fewer, larger reads. More than /proc/sys/fs/pipe-max-size is refused to a user
// without CAP_SYS_RESOURCE, and so is a user's total above pipe-user-pages-soft; then the pipe keeps its 64 KiB.
const pipeSize = 1 << 20

func newPipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	conn, err := w.SyscallConn()
	if err == nil {
		_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
	return r, w, nil
}

// pending is how many bytes wait in the pipe or terminal.
func pending(f *os.File) (n int) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n
}

// closeOnExec marks every descriptor from first up, those that we inherited included.
func closeOnExec(first int) {
	if unix.CloseRange(uint(first), ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	markOpen("/proc/self/fd", first)
}

// starter runs f on the one thread that starts children. The kernel sends a parent-death signal when the *thread* that
// started the child ends, so it is a thread that never does.
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

// forkExec starts the program so that it is killed when we are.
func forkExec(path string, args []string, attr *syscall.ProcAttr) (pid int, err error) {
	attr.Sys.Pdeathsig = syscall.SIGKILL
	done := make(chan struct{})
	starter() <- func() {
		defer close(done)
		pid, err = syscall.ForkExec(path, args, attr)
	}
	<-done
	return pid, err
}

// awaitEnd blocks until the process has ended and leaves it to be reaped.
func awaitEnd(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err
		}
	}
}
