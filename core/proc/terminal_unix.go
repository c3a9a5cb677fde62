//go:build linux || darwin

package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// NewTerminal looks at our standard descriptors and says what the child's shall be. It is nil when the child gets pipes.
func NewTerminal(mode Mode, stdin, stdout, stderr *os.File) (*Terminal, error) {
	t := &Terminal{Stdin: IsTerminal(stdin), Stdout: IsTerminal(stdout), Stderr: IsTerminal(stderr)}
	if mode == Never || mode == Auto && !t.Stdin && !t.Stdout && !t.Stderr {
		return nil, nil
	}
	dev, err := openDevice(stdin, stdout, stderr)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	t.Device = dev
	if mode == Always {
		t.Stdout, t.Stderr = true, true
	}
	return t, nil
}

// IsTerminal tells whether f is one.
func IsTerminal(f *os.File) bool {
	if f == nil {
		return false
	}
	_, err := termios(f)
	return err == nil
}

// openDevice opens our terminal anew, so that its reading can be interrupted without a change to the descriptors that we
// share with others. It is our controlling terminal; without one, the first of the standard descriptors that is a terminal.
func openDevice(std ...*os.File) (*os.File, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err == nil {
		return f, nil
	}
	for _, s := range std {
		if !IsTerminal(s) {
			continue
		}
		err = control(s, func(fd int) (err error) {
			f, err = os.OpenFile(fmt.Sprintf("/dev/fd/%d", fd), os.O_RDWR|syscall.O_NOCTTY, 0)
			return err
		})
		return f, err
	}
	return nil, nil
}

// control runs fn with f's descriptor, which stays open and in its mode meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = fn(int(fd)) }); err != nil {
		return err
	}
	return inner
}

func termios(f *os.File) (t *unix.Termios, err error) {
	err = control(f, func(fd int) (err error) {
		t, err = unix.IoctlGetTermios(fd, getTermios)
		return err
	})
	return t, err
}

// setTermios repeats what a stop of the whole process interrupted: in the background the kernel stops us here.
func setTermios(f *os.File, t *unix.Termios) error {
	return control(f, func(fd int) error {
		for {
			if err := unix.IoctlSetTermios(fd, setTermiosNow, t); !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	})
}

// raw is t without any treatment of what is typed and printed: the pseudo-terminal does that. What is printed keeps its
// treatment when others print there too, since the child's output is not the terminal's.
func raw(t *unix.Termios, shared bool) *unix.Termios {
	r := *t
	r.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	if !shared {
		r.Oflag &^= unix.OPOST
	}
	r.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	r.Cflag &^= unix.CSIZE | unix.PARENB
	r.Cflag |= unix.CS8
	r.Cc[unix.VMIN], r.Cc[unix.VTIME] = 1, 0
	return &r
}

// copySize gives the terminal to the size of from. The kernel tells the foreground group when it is a new one.
func copySize(from, to *os.File) error {
	var ws *unix.Winsize
	if err := control(from, func(fd int) (err error) {
		ws, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		return err
	}); err != nil {
		return err
	}
	return control(to, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws) })
}

// foreground is the process group that the terminal's keys go to.
func foreground(f *os.File) (pgrp int, err error) {
	err = control(f, func(fd int) (err error) {
		pgrp, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return pgrp, err
}
