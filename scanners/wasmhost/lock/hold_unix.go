//go:build linux || darwin

package lock

import (
	"os"
	"syscall"
)

// exclude waits until nobody else holds f, and holds it until it is closed.
func exclude(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
