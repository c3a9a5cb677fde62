package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// attributes run a program as cred, in a process group of its own, and end it
// with us: a test that is killed leaves no server behind.
func attributes(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: cred, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}

// family is a process and its children: those of a PostgreSQL server have
// process groups of their own.
func family(pid int) []int {
	out := []int{pid}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var child, parent int
		var state string
		head, rest, _ := strings.Cut(string(b), " (")
		_, rest, _ = strings.Cut(rest[max(0, strings.LastIndex(rest, ")")):], " ") // a name may hold anything
		if _, err := fmt.Sscan(head, &child); err != nil {
			continue
		}
		if _, err := fmt.Sscan(rest, &state, &parent); err == nil && parent == pid {
			out = append(out, child)
		}
	}
	return out
}
