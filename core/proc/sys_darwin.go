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

func adoptOrphans() {}

func hardenHelper(string) {}

// Harden does nothing here.
func Harden() {}

// siginfo is siginfo_t of <sys/signal.h>.
type siginfo struct {
	signo, errno, code, pid, uid, status int32
	_                                    [20]uint32
}

func awaitAny() error {
	const all = 0
	_, err := waitid(all, 0, unix.WEXITED|unix.WSTOPPED|unix.WCONTINUED)
	return err
}

func awaitEnd(pid int) (Status, error) {
	const byPID = 1
	info, err := waitid(byPID, pid, unix.WEXITED)
	if err != nil {
		return Status{}, os.NewSyscallError("waitid", err)
	}
	return childStatus(info.code, info.status), nil
}

// waitid blocks until one of the events has happened, and leaves it to be asked for.
func waitid(idType, id, events int) (info siginfo, err error) {
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, uintptr(idType), uintptr(id), uintptr(unsafe.Pointer(&info)),
			uintptr(events|unix.WNOWAIT), 0, 0)
		if e == 0 {
			return info, nil
		}
		if e != syscall.EINTR {
			return info, e
		}
	}
}

func selfPath() (string, error) { return os.Executable() }
