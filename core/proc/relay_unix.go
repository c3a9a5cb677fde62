//go:build linux || darwin

package proc

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// catchSignals catches what is meant for the child when we get it, until stop. What was ignored when we started stays so, for us
// and for the child: nohup(1).
func catchSignals() (c <-chan os.Signal, stop func()) {
	all := make(chan os.Signal, 32)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT} {
		if !signal.Ignored(s) {
			signal.Notify(all, s)
		}
	}
	return all, func() { time.AfterFunc(afterTheEnd, func() { signal.Stop(all) }) }
}

// afterTheEnd is how long signals are still caught when the child is gone: an impatient second Ctrl-C shall not keep the caller
// from finishing its records.
const afterTheEnd = 2 * time.Second

// killWindow is how soon after an interrupt a second one kills.
const killWindow = time.Second

// relay passes signals on to the child until its end.
func (p *Process) relay(signals <-chan os.Signal) {
	var interrupted time.Time
	for {
		select {
		case <-p.ended:
			return
		case s := <-signals:
			if s == os.Interrupt {
				if time.Since(interrupted) < killWindow {
					go p.child.kill()
				}
				interrupted = time.Now()
			}
			p.pass(s)
		}
	}
}

// pass gives one signal of ours to the child.
func (p *Process) pass(s os.Signal) {
	switch {
	case s == syscall.SIGWINCH:
		if p.console != nil {
			p.console.resized()
		}
	case s == syscall.SIGCONT && p.console != nil:
		p.console.resume(false)
	case s == syscall.SIGTSTP && p.console == nil: // of a key, every process of our group has it too; of kill(1), we alone
		_ = p.child.signal(s)
		stopSelf(processes())
		_ = p.child.signal(syscall.SIGCONT)
	default: // the child below a console that stops for SIGTSTP stops us: console.childStopped
		_ = p.child.signal(s)
	}
}

// stopJob stops our process group as Ctrl-Z does, which a terminal that we made raw does not do, and returns when it goes on.
func stopJob() {
	table := processes()
	if orphaned(table, unix.Getpgrp()) {
		return
	}
	for _, p := range table {
		if p.group == unix.Getpgrp() && p.pid != os.Getpid() {
			_ = unix.Kill(p.pid, syscall.SIGTSTP)
		}
	}
	stopSelf(table)
}

// stopSelf stops us and returns when we go on. In an orphaned group, where there is no shell to bring us back, nothing is
// stopped, as the kernel has it.
func stopSelf(table []process) {
	if orphaned(table, unix.Getpgrp()) {
		return
	}
	cont := make(chan os.Signal, 1)
	signal.Notify(cont, syscall.SIGCONT)
	defer signal.Stop(cont)
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

// SignalName is the signal that ended the child, as in "SIGKILL", or "".
func (s Status) SignalName() string { return unix.SignalName(s.Signal) }
