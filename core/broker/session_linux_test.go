package broker

import (
	"syscall"
	"testing"
)

// A process that keeps a session's values is closed to other processes of the
// same user, as one with a run's is.
func TestSessionHardens(t *testing.T) {
	dumpable := func(op, arg uintptr) uintptr {
		n, _, _ := syscall.RawSyscall(syscall.SYS_PRCTL, op, arg, 0)
		return n
	}
	dumpable(syscall.PR_SET_DUMPABLE, 1)
	defer dumpable(syscall.PR_SET_DUMPABLE, 1)
	openSession(t, newTrial(t, map[string]string{"TOKEN": "session-value-0001"}, "/bin/sh"))
	if n := dumpable(syscall.PR_GET_DUMPABLE, 0); n != 0 {
		t.Errorf("dumpable is %d with a session open", n)
	}
}
