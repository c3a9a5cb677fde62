package proc

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/inode"
)

// startExactly starts the program so that it has not run one instruction when its file is held against what it must be: the
// kernel stops it after exec(2), as for a debugger, who lets go at once. From exec on nobody can write to the file. Executing a
// descriptor would be simpler, but shows the descriptor's number in ps(1) and breaks scripts.
//
// done is false where that does not work: for what is not of this machine's own format (a script is opened by its
// interpreter, later and by name), for what gets another identity by its start, which a debugger takes away, and where
// debugging is forbidden. Then nothing was started.
func (p program) startExactly(argv []string, attr *syscall.ProcAttr) (pid int, err error, done bool) {
	if plain, err := p.plain(); err != nil || !plain {
		return 0, err, err != nil
	}
	traced, sys := *attr, *attr.Sys
	sys.Ptrace, traced.Sys = true, &sys
	if pid, err = syscall.ForkExec(p.path, argv, &traced); err != nil {
		return 0, err, err != syscall.EPERM && err != syscall.ENOSYS // which the tracing alone can give
	}
	end := func() (int, error, bool) {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return 0, errChanged, true
	}
	var ws syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &ws, 0, nil); err != syscall.EINTR {
			break
		}
	}
	if err != nil || !ws.Stopped() || ws.StopSignal() != syscall.SIGTRAP || !p.file.Is("/proc/"+strconv.Itoa(pid)+"/exe") {
		return end()
	}
	if err := syscall.PtraceDetach(pid); err != nil {
		return end()
	}
	return pid, nil, true
}

// plain reports whether the kernel executes the file itself, with the rights of its caller: it is of our own format, down to
// the kind of processor. It opens the file once and looks at nothing else: what an attacker exchanges meanwhile for a moment
// must not talk us out of the check.
func (p program) plain() (bool, error) {
	fd, err := unix.Open(p.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	held := os.NewFile(uintptr(fd), p.path)
	defer held.Close()
	info, err := held.Stat()
	if err != nil {
		return false, err
	}
	if inode.Of(info) != p.file {
		return false, errChanged
	}
	again := "/proc/self/fd/" + strconv.Itoa(fd)
	if _, err = unix.Getxattr(again, "security.capability", nil); err == nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return false, nil
	}
	theirs, ours := header(again), header("/proc/self/exe")
	return theirs != nil && ours != nil && bytes.HasPrefix(theirs, []byte("\x7fELF")) &&
		bytes.Equal(theirs[4:6], ours[4:6]) && bytes.Equal(theirs[18:20], ours[18:20]), nil
}

// header is the part of an ELF file that tells what runs it; nil of what cannot be read.
func header(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, 20)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil
	}
	return b
}
