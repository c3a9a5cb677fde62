package proc

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	getTermios    = unix.TIOCGETA
	setTermiosNow = unix.TIOCSETA
)

func newPipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	_ = control(w, func(fd int) error { return unix.SetNonblock(fd, false) })
	return r, w, nil
}

// pending is not asked for here: what is in the pipe when the time is over is not waited for.
func pending(*os.File) int { return 0 }

func closeOnExec(first int) { markOpen("/dev/fd", first) }

func onStarter(f func() error) error { return f() }

// killWithParent has no counterpart here: the session leader does it.
func killWithParent(*syscall.SysProcAttr) {}

func hardenLeader() {}

func awaitEnd(pid int) error {
	const byPID = 1
	return waitid(byPID, pid, unix.WEXITED)
}

func awaitAny() error {
	const all = 0
	return waitid(all, 0, unix.WEXITED|unix.WSTOPPED|unix.WCONTINUED)
}

// waitid blocks until one of the events has happened, and leaves it to be asked for.
func waitid(idType, id, events int) error {
	var info [16]uint64 // at least as large as siginfo_t
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, uintptr(idType), uintptr(id), uintptr(unsafe.Pointer(&info)),
			uintptr(events|unix.WNOWAIT), 0, 0)
		if e == 0 {
			return nil
		}
		if e != syscall.EINTR {
			return e
		}
	}
}

func selfPath() (string, error) { return os.Executable() }
