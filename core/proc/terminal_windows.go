package proc

import (
	"errors"
	"os"
	"syscall"
)

// NewTerminal is nil: on Windows the child gets pipes. A pseudo-terminal that was asked for is refused.
func NewTerminal(mode Mode, _, _, _ *os.File) (*Terminal, error) {
	if mode == Always {
		return nil, errors.ErrUnsupported
	}
	return nil, nil
}

// IsTerminal tells whether f is a console.
func IsTerminal(f *os.File) bool {
	var mode uint32
	return f != nil && syscall.GetConsoleMode(syscall.Handle(f.Fd()), &mode) == nil
}

// console is what Windows does not have here.
type console struct{ master, slave *os.File }

func newConsole(*Terminal) (*console, error) { return nil, errors.ErrUnsupported }

func (c *console) begin(child, func([]byte)) {}

func (c *console) close() {}

func (c *console) leave() {}

// Reexec has no parts to play on Windows.
func Reexec() (code int, ok bool) { return 0, false }

// Harden does nothing here.
func Harden() {}
