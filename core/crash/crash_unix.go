//go:build linux || darwin

package crash

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// faultSignals are those that the runtime answers with a traceback.
func faultSignals() []os.Signal {
	return append(faultsHere(), syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGSEGV, syscall.SIGSYS, syscall.SIGTRAP)
}

// hide puts the null device under descriptor 2, where the runtime prints, and the
// file that was there under another one, for us.
func hide() error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		if null, err = silence(); err != nil {
			return err
		}
	}
	defer null.Close()
	fd, err := unix.FcntlInt(2, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := dup(int(null.Fd()), 2); err != nil {
		unix.Close(fd)
		return os.NewSyscallError("dup", err)
	}
	os.Stderr = os.NewFile(uintptr(fd), "/dev/stderr")
	return nil
}

// silence is a file that every write to fails on: there are systems without /dev.
func silence() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	w.Close()
	return r, nil
}

// Exec has another program take the place of this one, as it was before Contain.
func Exec(path string, argv, env []string) error {
	if fd := int(os.Stderr.Fd()); fd != 2 {
		if err := dup(fd, 2); err != nil {
			return os.NewSyscallError("dup", err)
		}
	}
	return os.NewSyscallError("exec", syscall.Exec(path, argv, env))
}
