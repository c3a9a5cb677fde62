package proc

import (
	"os"
	"os/signal"
)

// catchSignals catches the console's Ctrl-C until stop.
func catchSignals() (c <-chan os.Signal, stop func()) {
	all := make(chan os.Signal, 1)
	signal.Notify(all, os.Interrupt)
	return all, func() { signal.Stop(all) }
}

// relay ends the child at the first signal: there are none to pass on.
func (p *Process) relay(signals <-chan os.Signal) {
	select {
	case <-p.ended:
	case <-signals:
		p.child.kill()
	}
}

// SignalName is "": nothing ends by a signal on Windows.
func (s Status) SignalName() string { return "" }
