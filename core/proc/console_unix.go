//go:build linux || darwin

package proc

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// console joins our terminal and the child's pseudo-terminal. It is in the foreground, with our terminal raw and its keys going
// to the child, or in the background, with our terminal as everybody else in the pipeline wants it. It starts in the foreground
// when both stdin and stdout are terminals; otherwise the child gets there when it first asks for a key, and is stopped by
// its kernel for that.
type console struct {
	terminal      *Terminal
	device        *os.File // ours; may be nil
	master, slave *os.File
	typed         func([]byte)

	mu     sync.Mutex // guards what follows, and orders the changes of our terminal
	open   *sync.Cond // fore or closed has changed
	child  *led
	saved  *unix.Termios // our terminal's settings while it is raw
	fore   bool
	closed bool
}

func newConsole(t *Terminal) (*console, error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open pseudo-terminal: %w", err)
	}
	defer blocking.Close()
	master, err := pollable(blocking)
	if err != nil {
		slave.Close()
		return nil, fmt.Errorf("open pseudo-terminal: %w", err)
	}
	c := &console{terminal: t, device: t.Device, master: master, slave: slave, typed: func([]byte) {}}
	c.open = sync.NewCond(&c.mu)
	if c.device == nil {
		return c, control(master, func(fd int) error {
			return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
		})
	}
	if err = c.copySettings(); err != nil {
		master.Close()
		slave.Close()
		return nil, fmt.Errorf("copy terminal settings: %w", err)
	}
	return c, nil
}

// pollable is f anew, with reads that a deadline or a close interrupts.
func pollable(f *os.File) (*os.File, error) {
	var fd int
	err := control(f, func(n int) (err error) {
		fd, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// copySettings makes the pseudo-terminal look like ours. When somebody else may be using ours, a shell at its prompt or a pager
// in the same pipeline, its settings are theirs, and the kernel's are better.
func (c *console) copySettings() error {
	t, err := termios(c.device)
	if err != nil {
		return err
	}
	if !c.wanted() || !c.inForeground() {
		utf8 := t.Iflag & unix.IUTF8
		if t, err = termios(c.slave); err != nil {
			return err
		}
		t.Iflag |= utf8
	}
	if err := setTermios(c.slave, t); err != nil {
		return err
	}
	return copySize(c.device, c.master)
}

// wanted: the person at the keyboard and the screen are the child's.
func (c *console) wanted() bool {
	return c.device != nil && c.terminal.Stdin && c.terminal.Stdout
}

// inForeground: our terminal's keys come to us.
func (c *console) inForeground() bool {
	pgrp, err := foreground(c.device)
	return err == nil && pgrp == unix.Getpgrp()
}

// prepare takes the foreground for a child that is about to start, when it shall start there. The session leader makes the
// terminal raw: it has to know how it was.
func (c *console) prepare() bool {
	if !c.wanted() || !c.inForeground() {
		return false
	}
	t, err := termios(c.device)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved, c.fore = t, true
	return true
}

// begin joins the child, and passes on what is typed from now on.
func (c *console) begin(ch child, typed func([]byte)) {
	if typed != nil {
		c.typed = typed
	}
	c.mu.Lock()
	c.child = ch.(*led)
	c.mu.Unlock()
	if c.device != nil {
		go c.pump()
	}
}

// pump carries keys to the child while it is in the foreground.
func (c *console) pump() {
	buf := make([]byte, 4096)
	for c.awaitForeground() {
		n, err := c.device.Read(buf)
		if n > 0 {
			c.typed(buf[:n])
			if _, err := c.master.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && !os.IsTimeout(err) {
			return
		}
	}
}

// awaitForeground is false when there is nothing more to wait for.
func (c *console) awaitForeground() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.fore && !c.closed {
		c.open.Wait()
	}
	return !c.closed
}

// enter takes the foreground. When we are in the background ourselves, the kernel stops us in here until we no longer are.
func (c *console) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.device == nil {
		return os.ErrClosed
	}
	if !c.fore {
		t, err := termios(c.device)
		if err != nil {
			return err
		}
		if err := setTermios(c.device, raw(t, !c.terminal.Stdout)); err != nil {
			return err
		}
		c.saved, c.fore = t, true
		_ = c.child.tell(madeRaw, 1)
		_ = c.device.SetReadDeadline(time.Time{})
		c.open.Broadcast()
	}
	_ = copySize(c.device, c.master)
	return c.child.tell(toForeground, 0)
}

// leave gives our terminal back to the others.
func (c *console) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.fore {
		return
	}
	_ = c.device.SetReadDeadline(time.Unix(1, 0))
	_ = setTermios(c.device, c.saved)
	c.fore = false
	if c.child != nil {
		_ = c.child.tell(madeRaw, 0)
		_ = c.child.tell(toBackground, 0)
	}
}

// childStopped is told by the session leader. A child that was stopped because it reads or sets the terminal from the
// background is brought to the foreground; one that was stopped by Ctrl-Z or for any other reason stops us too, and the shell takes over.
func (c *console) childStopped(sig syscall.Signal) {
	c.mu.Lock()
	fore := c.fore
	c.mu.Unlock()
	if (sig == syscall.SIGTTIN || sig == syscall.SIGTTOU) && !fore {
		if c.enter() == nil {
			return
		}
		// No terminal to be had: as for an orphaned group, for which the kernel lets the read fail.
		_ = c.child.signal(syscall.SIGHUP)
		_ = c.child.signal(syscall.SIGCONT)
		return
	}
	c.leave()
	stopJob()
	c.resume(fore)
}

// resume continues a stopped child, where it was before if we can.
func (c *console) resume(fore bool) {
	if c.device != nil && (fore || c.wanted()) && c.inForeground() && c.enter() == nil {
		return
	}
	_ = c.child.signal(syscall.SIGCONT)
}

// resized passes on a new size of our terminal.
func (c *console) resized() {
	if c.device != nil {
		_ = copySize(c.device, c.master)
	}
}

// close gives our terminal back for good.
func (c *console) close() {
	c.leave()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.open.Broadcast()
}
