//go:build linux || darwin

package agent

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/agent/wire"
)

// duplicate is f under a descriptor of its own, which can be closed.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(wire.FD(f)), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("duplicate %q: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// openTerminal opens the controlling terminal, if this process may talk to it.
func openTerminal(context.Context) (*os.File, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &Error{Err: ErrLocked, Message: "locked, and there is no terminal to ask for the password on",
			Advice: `run "ov unlock" in a terminal, or set OV_PASSWORD_FILE`}
	}
	group, err := unix.IoctlGetInt(wire.FD(f), unix.TIOCGPGRP)
	if err == nil && group != unix.Getpgrp() {
		f.Close()
		return nil, &Error{Err: ErrLocked, Message: "locked, and a background job cannot ask for the password",
			Advice: `run "ov unlock" first`}
	}
	return f, nil
}

// keepTerminal returns a function that puts the terminal f back to what it is
// now, should the agent die while it asks there.
func keepTerminal(f *os.File) func() {
	state, err := unix.IoctlGetTermios(wire.FD(f), ioctlGetTermios)
	if err != nil {
		return func() {}
	}
	return func() { unix.IoctlSetTermios(wire.FD(f), ioctlSetTermios, state) }
}
