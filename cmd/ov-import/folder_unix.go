//go:build linux || darwin

package main

import (
	"errors"
	"os"
	"syscall"
)

// ours tells whether a file is this user's.
func ours(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

// gone tells whether no process has this number.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
