package proc

import (
	"fmt"
	"syscall"
)

// Status is how a child ended.
type Status struct {
	Code   int            // exit status, when Signal is zero
	Signal syscall.Signal // the signal that ended it, or zero
}

// Exit is the number a shell would report: the exit status, or 128 + n for signal n.
func (s Status) Exit() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

// String describes the end in words: "exit status 3", "signal: killed".
func (s Status) String() string {
	if s.Signal != 0 {
		return "signal: " + s.Signal.String()
	}
	return fmt.Sprintf("exit status %d", s.Code)
}
