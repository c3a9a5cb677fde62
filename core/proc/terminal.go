package proc

import "os"

// Terminal says which of the child's standard descriptors are its pseudo-terminal, and which terminal of ours that stands for.
// The pseudo-terminal is the child's controlling terminal in any case: what it writes to /dev/tty is read, and masked, like
// all else.
type Terminal struct {
	Device                *os.File // ours, opened anew; nil when a pseudo-terminal was asked for where there is none
	Stdin, Stdout, Stderr bool
}

// Mode is a person's wish for or against a pseudo-terminal.
type Mode int

const (
	Auto   Mode = iota // one when any standard descriptor is a terminal
	Always             // one for stdout and stderr, whatever they are
	Never              // pipes, even at a terminal
)

// Close lets go of the device.
func (t *Terminal) Close() error {
	if t == nil || t.Device == nil {
		return nil
	}
	return t.Device.Close()
}
