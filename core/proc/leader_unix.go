//go:build linux || darwin

package proc

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/inode"
)

// The session leader stands between us and the child where job control or certain death is wanted. It is this program,
// started again under another name: parent of the child, so that the child's process group is not an orphaned one (in which
// the kernel drops the stop that Ctrl-Z asks for), and adoptive parent of every descendant that loses its own, so that it
// finds them all. When we die, whatever the way, it restores our terminal and ends them.
const leaderName = "ov-leader"

// The leader's descriptors above the child's standard ones.
const (
	leaderSocket = 3 + iota
	leaderSlave
	leaderDevice
	leaderExtra
)

type leader struct {
	opts   leaderOptions
	socket *os.File
	saved  *unix.Termios // our terminal as it was

	mu    sync.Mutex
	child int // 0 once it is reaped
	slave int // -1 once it is closed
	raw   bool
	over  bool // everything is being killed: a stop on the way to that is no news
}

// lead is the leader's main function; args are leaderOptions, the program's file and its argv.
func lead(args []string) int {
	var opts leaderOptions
	ok := len(args) >= 3
	if ok {
		opts, ok = parseLeaderOptions(args[0])
	}
	if !ok {
		fmt.Fprintln(os.Stderr, leaderName+": for ov's own use")
		return 2
	}
	// The kernel kills the child when the thread that started it ends: this one lasts until the process does.
	runtime.LockOSThread()
	l := &leader{opts: opts, socket: os.NewFile(leaderSocket, "ov"), slave: leaderSlave}
	adoptOrphans()
	hardenHelper(leaderName)
	catchAll()
	l.takeTerminal()
	closeOnExec(3)
	pid, err := l.start(args[1], args[2:])
	if err != nil {
		_ = message{notRun, int32(errnoOf(err))}.send(l.socket)
		return 1
	}
	signal.Ignore(syscall.SIGTTOU) // after the start: the child must not inherit it. We move the foreground from the background
	l.child = pid
	l.letGo()
	go l.obey()
	if err := (message{started, int32(pid)}).send(l.socket); err != nil {
		l.abandoned()
	}
	l.reap()
	select {} // no descendant is left; the order to go is still to come
}

func parseLeaderOptions(s string) (o leaderOptions, ok bool) {
	f := strings.Split(s, ",")
	if len(f) < 6 {
		return o, false
	}
	o.tty, o.fore, o.device = f[0] == "true", f[1] == "true", f[2] == "true"
	_, _ = fmt.Sscan(f[3], &o.extra)
	o.exact, o.file = f[4] == "true", inode.ID(f[5])
	for _, n := range f[6:] {
		if fd, err := strconv.Atoi(n); err == nil {
			o.inherit = append(o.inherit, fd)
		}
	}
	return o, true
}

// takeTerminal keeps our terminal's settings and makes it raw for a child that starts in the foreground.
func (l *leader) takeTerminal() {
	if !l.opts.device {
		return
	}
	l.saved, _ = unix.IoctlGetTermios(leaderDevice, getTermios)
	if l.opts.fore && l.saved != nil {
		l.raw = unix.IoctlSetTermios(leaderDevice, setTermiosNow, raw(l.saved, false)) == nil
	}
}

// catchAll makes the leader deaf to what is meant for the child. Handlers, not Ignore: a child starts with the default.
func catchAll() {
	c := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGPIPE,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		if !signal.Ignored(s) { // nohup(1) stays in force for the child
			signal.Notify(c, s)
		}
	}
	go func() {
		for range c {
		}
	}()
}

func (l *leader) start(path string, argv []string) (int, error) {
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true, Foreground: l.opts.fore, Ctty: leaderSlave}}
	for i := range l.opts.extra {
		attr.Files = append(attr.Files, uintptr(leaderExtra+i))
	}
	for i, fd := range l.opts.inherit {
		attr.Files = place(attr.Files, fd, uintptr(leaderExtra+l.opts.extra+i))
	}
	killWithParent(attr.Sys)
	return program{path, l.opts.file, l.opts.exact}.start(argv, attr)
}

// letGo drops the child's descriptors: as long as we held them, no pipe would ever end.
func (l *leader) letGo() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	for fd := range 3 {
		if err != nil || unix.Dup2(int(null.Fd()), fd) != nil {
			unix.Close(fd)
		}
	}
	for i := range l.opts.extra + len(l.opts.inherit) {
		unix.Close(leaderExtra + i)
	}
}

// reap collects the child and all adopted descendants, and tells of the child's stops and end.
func (l *leader) reap() {
	for awaitAny() == nil {
		l.mu.Lock()
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG|syscall.WUNTRACED|syscall.WCONTINUED, nil)
		if err == nil && pid == l.child && pid != 0 {
			l.changed(ws)
		}
		l.mu.Unlock()
	}
}

// changed passes on what became of the child.
func (l *leader) changed(ws syscall.WaitStatus) {
	switch {
	case ws.Stopped():
		if l.over {
			return
		}
		_ = message{stopped, int32(ws.StopSignal())}.send(l.socket)
	case ws.Exited(), ws.Signaled():
		l.child = 0
		// Ending as a session leader hangs up the terminal's foreground group: let that be ours, not a background process's.
		_ = l.setForeground(os.Getpid())
		unix.Close(l.slave)
		l.slave = -1
		_ = message{childEnded, int32(ws)}.send(l.socket)
	}
}

func (l *leader) setForeground(pgrp int) error {
	if !l.opts.tty || l.slave < 0 {
		return nil
	}
	return unix.IoctlSetPointerInt(l.slave, unix.TIOCSPGRP, pgrp)
}

// obey does what we are told until we are told to go, or until there is nobody to tell us.
func (l *leader) obey() {
	for {
		m, err := receive(l.socket)
		if err != nil {
			l.abandoned()
		}
		l.mu.Lock()
		switch m.kind {
		case sendSignal:
			l.signal(syscall.Signal(m.arg))
		case toForeground:
			if l.child != 0 {
				_ = l.setForeground(l.child)
				l.signal(syscall.SIGCONT)
			}
		case toBackground:
			_ = l.setForeground(os.Getpid())
		case madeRaw:
			l.raw = m.arg != 0
		case killAll:
			l.over = true
			l.mu.Unlock()
			killFamily(family{root: os.Getpid()})
			l.mu.Lock()
			_ = message{killedAll, 0}.send(l.socket)
		case goAway:
			os.Exit(0)
		}
		l.mu.Unlock()
	}
}

func (l *leader) signal(sig syscall.Signal) {
	if l.child != 0 {
		_ = unix.Kill(-l.child, sig)
	}
}

// abandoned: the socket has ended without a word, so we are dead.
func (l *leader) abandoned() {
	l.mu.Lock() // held to the end: nothing else happens any more, except that reap blocks
	if l.raw && l.saved != nil {
		_ = unix.IoctlSetTermios(leaderDevice, setTermiosNow, l.saved)
	}
	l.mu.Unlock()
	killFamily(family{root: os.Getpid()})
	os.Exit(1)
}

func errnoOf(err error) syscall.Errno {
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return syscall.EINVAL
}
