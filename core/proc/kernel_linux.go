package proc

import (
	"os"
	"unsafe"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// Kernel tries each feature of this machine that runs rely on, as this user, here and now.
func Kernel() []Feature {
	return []Feature{
		{"pseudo-terminal", "a terminal of the child's own", havePTY(), "\"ov shell\" and runs at a terminal fail; --no-pty works"},
		{"/proc", "finding a run's processes", len(processes()) > 1, "what a child has started may survive a killed run; Ctrl-Z stops nothing"},
		{"PR_SET_PDEATHSIG", "ending the child when ov is killed", havePdeathsig(), "the child may survive a killed run"},
		{"PR_SET_CHILD_SUBREAPER", "finding detached descendants", haveSubreaper(), "detached descendants may survive a killed run"},
		{"close_range", "closing descriptors before the start", haveCloseRange(), "the list of open descriptors is read instead: slower"},
		{"F_SETPIPE_SZ", "pipes of 1 MiB", havePipeSize(), "pipes of 64 KiB: more switches between the child and ov"},
		{"memfd_create", "secrets on descriptors and stdin", haveMemfd(), "--deliver fd and stdin are refused"},
		{"tmpfs", "secrets in files", len(memoryDirs()) > 0, "--deliver file and --template give a descriptor's path instead"},
	}
}

func havePTY() bool {
	m, s, err := pty.Open()
	if err != nil {
		return false
	}
	m.Close()
	s.Close()
	return true
}

func havePdeathsig() bool { return canGet(unix.PR_GET_PDEATHSIG) }

func haveSubreaper() bool { return canGet(unix.PR_GET_CHILD_SUBREAPER) }

// canGet asks for a setting of the process: one that can be had can be made.
func canGet(option int) bool {
	var n int32
	return unix.Prctl(option, uintptr(unsafe.Pointer(&n)), 0, 0, 0) == nil
}

// haveCloseRange asks for descriptors that do not exist.
func haveCloseRange() bool {
	return unix.CloseRange(^uint(0)-1, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil
}

func havePipeSize() bool {
	r, w, err := newPipe()
	if err != nil {
		return false
	}
	defer r.Close()
	defer w.Close()
	size := 0
	err = control(w, func(fd int) (err error) {
		size, err = unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
		return err
	})
	return err == nil && size >= pipeSize
}

func haveMemfd() bool {
	fd, err := unix.MemfdCreate("try", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return false
	}
	return os.NewFile(uintptr(fd), "try").Close() == nil
}
