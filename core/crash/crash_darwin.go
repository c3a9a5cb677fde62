package crash

import (
	"os"

	"golang.org/x/sys/unix"
)

// faultsHere are the signals of faults that only this system has.
func faultsHere() []os.Signal { return []os.Signal{unix.SIGEMT} }

func dup(from, to int) error { return unix.Dup2(from, to) }
