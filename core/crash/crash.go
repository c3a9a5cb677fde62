// Package crash keeps the contents of a process out of what is seen of its
// failure. The Go runtime ends a program that it cannot save with status 2, a
// traceback with arguments and, for a signal, the registers: bytes of secrets
// perhaps, on a stderr that anybody may read. A contained program says where it
// failed and no more, and ends in a way that nobody takes for the end of
// somebody else.
//
// A build with the tag ovdebug contains nothing and shows everything.
package crash

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// ErrBug is wrapped by the error that a panic is turned into.
var ErrBug = errors.New("internal error")

// Status is the exit status of a program of ours that failed by itself.
const Status = 125

// Contain is the first thing that main does: what the runtime prints is lost from
// here on, and os.Stderr is another descriptor of the same file. A signal that
// only a fault or an enemy sends is given to ended, once, on a goroutine of its
// own; nil exits with Status. What cannot be caught, the runtime's own failures
// and a panic that nobody recovers, ends the process by SIGABRT, in silence.
func Contain(ended func(os.Signal)) {
	if shows {
		return
	}
	if hide() == nil {
		debug.SetTraceback("crash")
	} else {
		debug.SetTraceback("none")
	}
	if ended == nil {
		ended = exit
	}
	if sent := faultSignals(); len(sent) > 0 { // none would mean all
		faults := make(chan os.Signal, 1)
		signal.Notify(faults, sent...)
		go func() { ended(<-faults) }()
	}
}

func exit(s os.Signal) {
	Say(fmt.Errorf("ended by a signal: %v", s))
	os.Exit(Status)
}

// Say prints one line about the end of the program.
func Say(err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"), err)
}

// Exit, deferred by main, ends the program with Status and one line when it panics.
func Exit() {
	if p := recover(); p != nil {
		Say(Error(p))
		os.Exit(Status)
	}
}

// Recover, deferred at the top of a goroutine, turns a panic into *err.
func Recover(err *error) {
	if p := recover(); p != nil {
		*err = Error(p)
	}
}

// Error is what may be said of the recovered panic p: where it happened. Its text
// is not shown, since it may quote what was worked on. It is called by the
// deferred function that recovered.
func Error(p any) error {
	if shows {
		return fmt.Errorf("%w: %v\n%s", ErrBug, p, debug.Stack())
	}
	return fmt.Errorf("%w at %s", ErrBug, place())
}

// place names the function and line that panicked.
func place() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicked := false
	for {
		f, more := frames.Next()
		switch inRuntime := strings.HasPrefix(f.Function, "runtime."); {
		case f.Function == "runtime.gopanic":
			panicked = true
		case panicked && !inRuntime:
			return fmt.Sprintf("%s (%s:%d)", f.Function[strings.LastIndexByte(f.Function, '/')+1:], filepath.Base(f.File), f.Line)
		}
		if !more {
			return "a place unknown"
		}
	}
}
