package proc

import (
	"os"
	"os/signal"
)

// relay ends the child when the console's Ctrl-C is pressed: there are no signals to pass on.
type relay struct{ c chan os.Signal }

func newRelay() *relay {
	r := &relay{c: make(chan os.Signal, 1)}
	signal.Notify(r.c, os.Interrupt)
	return r
}

func (r *relay) run(p *Process) {
	for range r.c {
		p.child.kill()
	}
}

func (r *relay) stop() {
	signal.Stop(r.c)
	close(r.c)
}
