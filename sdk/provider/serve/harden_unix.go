//go:build unix

package serve

import "syscall"

// harden turns core dumps off: one would hold values.
func harden() { syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
