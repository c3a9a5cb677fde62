package proc

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

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

// adoptOrphans makes every descendant that loses its parent a child of ours.
func adoptOrphans() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// hardenHelper names the process, and keeps what it holds, a child's environment perhaps, out of a core dump.
func hardenHelper(name string) {
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
	Harden()
}

// Harden keeps what this process holds out of core dumps, and from other processes of the same user that would trace it or
// read its memory. Programs that it starts are not affected.
func Harden() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// awaitAny blocks until something has become of any child, and leaves it to be asked for.
func awaitAny() error {
	return waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WSTOPPED|unix.WCONTINUED)
}

// awaitEnd blocks until the process has ended and leaves it to be reaped.
func awaitEnd(pid int) (Status, error) {
	var info unix.Siginfo
	if err := waitid(unix.P_PID, pid, &info, unix.WEXITED); err != nil {
		return Status{}, os.NewSyscallError("waitid", err)
	}
	// si_status of siginfo_t, see sigaction(2): the union begins at a multiple of the word, with pid, uid, status.
	union := unsafe.Add(unsafe.Pointer(&info), (3*4+unsafe.Sizeof(uintptr(0))-1)&^(unsafe.Sizeof(uintptr(0))-1))
	return childStatus(info.Code, *(*int32)(unsafe.Add(union, 8))), nil
}

func waitid(idType, id int, info *unix.Siginfo, events int) error {
	for {
		if err := unix.Waitid(idType, id, info, events|unix.WNOWAIT, nil); err != unix.EINTR {
			return err
		}
	}
}

// selfPath names our own program, whatever has become of its file.
func selfPath() (string, error) { return "/proc/self/exe", nil }
