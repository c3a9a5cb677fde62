//go:build linux || darwin

package proc

import (
	"errors"
	"syscall"

	"github.com/opaquevault/ov/core/inode"
)

// program is what to start, and which file that must be.
type program struct {
	path  string
	file  inode.ID // "": any
	exact bool
}

// start starts it on the calling thread, which is one that stays. It is looked at once more right before; what can happen
// between this look and the kernel's own is for startExactly.
func (p program) start(argv []string, attr *syscall.ProcAttr) (int, error) {
	if p.file != "" && !p.file.Is(p.path) {
		return 0, errChanged
	}
	if p.exact && p.file != "" {
		if pid, err, done := p.startExactly(argv, attr); done {
			return pid, err
		}
	}
	return execAny(p.path, argv, attr)
}

// execAny starts a program, or with the shell a script without a first line that names its interpreter, as execvp(3) does.
func execAny(path string, argv []string, attr *syscall.ProcAttr) (int, error) {
	pid, err := syscall.ForkExec(path, argv, attr)
	if errors.Is(err, syscall.ENOEXEC) {
		return syscall.ForkExec("/bin/sh", append([]string{"sh", path}, argv[min(1, len(argv)):]...), attr)
	}
	return pid, err
}
