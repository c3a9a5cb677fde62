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

// maxPassword is the longest password that is read, in bytes.
const maxPassword = 1024

// maxIdentity is the longest file of age identities that is read, in bytes.
const maxIdentity = 64 << 10

// readAll reads f, which is no terminal, to its end.
func readAll(ctx context.Context, f *os.File, limit int) (secret.Value, error) {
	buf := make([]byte, limit+1)
	n := 0
	for n < len(buf) {
		k, err := readSome(ctx, f, buf[n:])
		if errors.Is(err, io.EOF) {
			return secret.New(buf[:n]), nil
		}
		if err != nil {
			clear(buf)
			return secret.Value{}, fmt.Errorf("read from the descriptor: %w", err)
		}
		n += k
	}
	clear(buf)
	return secret.Value{}, &agent.Error{Err: agent.ErrUsage, Message: fmt.Sprintf("read from the descriptor: more than %d bytes", limit)}
}

// readPassword reads a password from f, which is no terminal, to its end. One
// trailing newline is dropped.
func readPassword(ctx context.Context, f *os.File) (secret.Value, error) {
	all, err := readAll(ctx, f, maxPassword+2)
	if err != nil {
		return secret.Value{}, err
	}
	line := withoutNewline(all)
	switch {
	case line.Len() == 0:
		return line, &agent.Error{Err: agent.ErrPassword, Message: "read password: it is empty"}
	case line.Len() > maxPassword:
		all.Wipe()
		return secret.Value{}, &agent.Error{Err: agent.ErrUsage, Message: fmt.Sprintf("read password: longer than %d bytes", maxPassword)}
	}
	return line, nil
}

// readSome reads from f and gives up when ctx ends. f is somebody else's
// descriptor: its mode is not ours to change, so readiness is asked for first.
func readSome(ctx context.Context, f *os.File, b []byte) (int, error) {
	stop, err := newStop(ctx)
	if err != nil {
		return 0, err
	}
	defer stop.close()
	fds := []unix.PollFd{{Fd: int32(wire.FD(f)), Events: unix.POLLIN}, {Fd: stop.fd(), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := unix.Read(wire.FD(f), b)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// A stop is a descriptor that becomes readable when a context ends.
type stop struct {
	r, w   *os.File
	cancel func() bool
}

func newStop(ctx context.Context) (*stop, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &stop{r, w, context.AfterFunc(ctx, func() { w.Write([]byte{0}) })}, nil
}

func (s *stop) fd() int32 { return int32(wire.FD(s.r)) }

func (s *stop) close() {
	s.cancel()
	s.r.Close()
	s.w.Close()
}
