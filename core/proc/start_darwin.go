package proc

import "syscall"

// startExactly is for Linux alone.
func (p program) startExactly([]string, *syscall.ProcAttr) (pid int, err error, done bool) {
	return 0, nil, false
}
