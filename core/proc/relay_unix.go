//go:build linux || darwin

package proc

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// relayed are the signals that are meant for the child when we get them.
func relayed() []os.Signal {
	return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT}
}

// killWindow is how soon after an interrupt a second one kills.
const killWindow = time.Second

// relay passes our signals on to a child.
type relay struct {
	c    chan os.Signal
	last time.Time // of the last interrupt
}

// newRelay catches the signals. Those that were ignored when we started stay so, for us and for the child: nohup(1).
func newRelay() *relay {
	r := &relay{c: make(chan os.Signal, 32)}
	for _, s := range relayed() {
		if !signal.Ignored(s) {
			signal.Notify(r.c, s)
		}
	}
	return r
}

// run passes signals on until stop.
func (r *relay) run(p *Process) {
	for s := range r.c {
		switch s {
		case syscall.SIGINT:
			now := time.Now()
			if now.Sub(r.last) < killWindow {
				go p.child.kill()
			}
			r.last = now
			_ = p.child.signal(s)
		case syscall.SIGWINCH:
			if p.console != nil {
				p.console.resized()
			}
		case syscall.SIGTSTP:
			_ = p.child.signal(s) // below a leader we hear of the child's stop, if it does
			if p.console == nil {
				stopJob()
				_ = p.child.signal(syscall.SIGCONT)
			}
		case syscall.SIGCONT:
			if p.console != nil {
				p.console.resume(false)
			} else {
				_ = p.child.signal(s)
			}
		default:
			_ = p.child.signal(s)
		}
	}
}

// stop lets the signals have their usual effect on us again.
func (r *relay) stop() {
	signal.Stop(r.c)
	close(r.c)
}

// stopJob stops our process group as Ctrl-Z does and returns when it goes on. In an orphaned group, where there is no shell
// to bring us back, nothing is stopped, as the kernel has it.
func stopJob() {
	table := processes()
	if orphaned(table, unix.Getpgrp()) {
		return
	}
	cont := make(chan os.Signal, 1)
	signal.Notify(cont, syscall.SIGCONT)
	defer signal.Stop(cont)
	for _, p := range table {
		if p.group == unix.Getpgrp() && p.pid != os.Getpid() {
			_ = unix.Kill(p.pid, syscall.SIGTSTP)
		}
	}
	// Not SIGTSTP for ourselves: once it has been caught, the Go runtime does not give it its default effect back.
	_ = unix.Kill(os.Getpid(), syscall.SIGSTOP)
	select {
	case <-cont:
	case <-time.After(time.Second):
	}
}

// orphaned tells whether no member of the group has a parent in another group of the same session.
func orphaned(table []process, group int) bool {
	byPID := map[int]process{}
	for _, p := range table {
		byPID[p.pid] = p
	}
	for _, p := range table {
		parent, ok := byPID[p.parent]
		if p.group == group && ok && parent.session == p.session && parent.group != group {
			return false
		}
	}
	return true
}
