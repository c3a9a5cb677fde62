//go:build unix && !linux

package pgtest

import "syscall"

// attributes run a program as cred, in a process group of its own.
func attributes(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true}
}

// family is the process alone here: its children end when they miss it.
func family(pid int) []int { return []int{pid} }
