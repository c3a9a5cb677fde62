package pgtest

import "syscall"

// attributes run a program as cred, in a process group of its own, and end it
// with us: a test that is killed leaves no server behind.
func attributes(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}
