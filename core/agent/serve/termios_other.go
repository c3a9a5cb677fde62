//go:build !linux

package serve

import "golang.org/x/sys/unix"

const getTermios, setTermios, setFlush = unix.TIOCGETA, unix.TIOCSETA, unix.TIOCSETAF
