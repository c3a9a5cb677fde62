//go:build linux || darwin

package proc

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The watcher outlives us when we are killed, and ends what our child has left: the kernel ends the child alone. It is this
// program, started again, a little after a child of our own. A child that is gone by then, as most are, never pays for it; in that
// first moment the kernel's word for the child itself is all the protection there is.
const (
	watcherName  = "ov-watcher"
	watcherDelay = 10 * time.Millisecond
	watcherPipe  = 3 // its end of the lifeline
)

// dismissed is the byte that tells the watcher that all is well. Without it, the end of the lifeline means our death.
const dismissed = 'b'

// watcher is our side of it.
type watcher struct {
	session int
	pipes   []string

	mu       sync.Mutex
	timer    *time.Timer
	lifeline *os.File
	pid      int
	over     bool
}

// startSoon starts the watcher unless it is dismissed before.
func (w *watcher) startSoon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(watcherDelay, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.over {
			_ = w.start() // without it the run is as safe as the kernel makes it: the child itself does not survive us
		}
	})
}

func (w *watcher) start() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	r, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	n := null.Fd()
	w.pid, err = reexec("", watcherName, append([]string{strconv.Itoa(w.session)}, w.pipes...),
		&syscall.ProcAttr{Dir: "/", Files: []uintptr{n, n, n, r.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		lifeline.Close()
		return fmt.Errorf("start watcher: %w", err)
	}
	w.lifeline = lifeline
	return nil
}

// dismiss ends the watch.
func (w *watcher) dismiss() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
	if w.lifeline == nil {
		return
	}
	_, _ = w.lifeline.Write([]byte{dismissed})
	w.lifeline.Close()
	w.lifeline = nil
	pid := w.pid
	go func() { // it takes its time to end; a program that lives on must not keep its remains
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}()
}

// watch is the watcher's main function; args are the session and the names of the output pipes.
func watch(args []string) int {
	if len(args) < 1 {
		fmt.Fprintln(os.Stderr, watcherName+": for ov's own use")
		return 2
	}
	session, err := strconv.Atoi(args[0])
	if err != nil || session <= 1 {
		return 2
	}
	catchAll()
	hardenHelper(watcherName)
	closeOnExec(3)
	var b [1]byte
	if n, _ := os.NewFile(watcherPipe, "lifeline").Read(b[:]); n == 1 && b[0] == dismissed {
		return 0
	}
	killFamily(family{session: session, pipes: args[1:]})
	return 1
}
