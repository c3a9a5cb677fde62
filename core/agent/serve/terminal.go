package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// A terminal is the person's: its descriptor came with a request.
type terminal struct{ f *os.File }

// newTerminal reports ErrUsage for what is no terminal.
func newTerminal(f *os.File) (terminal, error) {
	if _, err := unix.IoctlGetTermios(wire.FD(f), getTermios); err != nil {
		return terminal{}, &agent.Error{Err: agent.ErrUsage, Message: "ask for the password: not a terminal"}
	}
	return terminal{f}, nil
}

// say prints a line.
func (t terminal) say(format string, args ...any) { fmt.Fprintf(t.f, "ov: "+format+"\n", args...) }

// secret asks for a line with no echo. The terminal is as before when it
// returns, whatever happened.
func (t terminal) secret(ctx context.Context, prompt string) (secret.Value, error) {
	line, err := t.ask(ctx, prompt, false)
	if err == nil && line.Len() == 0 {
		err = &agent.Error{Err: agent.ErrPassword, Message: "read password: it is empty"}
	}
	return line, err
}

// yes asks a question that anything but y or yes answers with no.
func (t terminal) yes(ctx context.Context, prompt string) (bool, error) {
	line, err := t.ask(ctx, prompt, true)
	if err != nil {
		return false, err
	}
	return isYes(line), nil
}

// ask reads a line, shown while it is typed or not.
func (t terminal) ask(ctx context.Context, prompt string, echo bool) (secret.Value, error) {
	fd := wire.FD(t.f)
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return secret.Value{}, fmt.Errorf("ask on the terminal: %w", err)
	}
	ours := *before
	ours.Lflag |= unix.ICANON | unix.ISIG | unix.ECHO
	if !echo {
		ours.Lflag &^= unix.ECHO
	}
	ours.Iflag |= unix.ICRNL
	// What was typed before the question is no answer to it: setFlush drops it.
	if err := unix.IoctlSetTermios(fd, setFlush, &ours); err != nil {
		return secret.Value{}, fmt.Errorf("ask on the terminal: %w", err)
	}
	defer t.restore(&ours, before)
	fmt.Fprint(t.f, prompt)
	line, err := t.line(ctx)
	if !echo {
		fmt.Fprintln(t.f)
	}
	return line, err
}

// restore puts the settings back, unless somebody else, such as the shell of a
// client that was killed, has set up the terminal already.
func (t terminal) restore(ours, before *unix.Termios) {
	now, err := unix.IoctlGetTermios(wire.FD(t.f), getTermios)
	if err == nil && now.Lflag == ours.Lflag && now.Iflag == ours.Iflag {
		unix.IoctlSetTermios(wire.FD(t.f), setTermios, before)
	}
}

// line reads up to the end of a line. ^D on an empty line ends the question.
func (t terminal) line(ctx context.Context) (secret.Value, error) {
	buf := make([]byte, maxPassword+1)
	for n := 0; n < len(buf); {
		k, err := readSome(ctx, t.f, buf[n:])
		if err != nil {
			clear(buf)
			if errors.Is(err, io.EOF) {
				err = &agent.Error{Err: agent.ErrPassword, Message: "read password: none was given"}
			}
			return secret.Value{}, err
		}
		if n += k; buf[n-1] == '\n' {
			return secret.New(buf[: n-1 : n-1]), nil
		}
	}
	clear(buf)
	return secret.Value{}, &agent.Error{Err: agent.ErrUsage, Message: fmt.Sprintf("read password: longer than %d bytes", maxPassword)}
}

// show prints v and a newline.
func (t terminal) show(v secret.Value) error {
	out := printable(v)
	defer out.Wipe()
	return print(t.f, out)
}
