//go:build linux || darwin

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dialTries = 20 // to reach an agent that is busy, or about to replace itself
	dialPause = 50 * time.Millisecond
)

// dial connects to the agent that listens for home. errNoAgent: none does.
func dial(ctx context.Context, o Options) (s *session, err error) {
	for range dialTries {
		s, err = dialOnce(ctx, o)
		lost := errors.Is(err, ErrUnavailable) && !errors.Is(err, errNoAgent)
		if !lost && !errors.Is(err, syscall.EAGAIN) { // EAGAIN: its queue is full
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(dialPause):
		}
	}
	return nil, fmt.Errorf("connect to ov-agent: %w", err)
}

func dialOnce(ctx context.Context, o Options) (*session, error) {
	for _, path := range SocketPaths(o.Home) {
		err := CheckFolder(filepath.Dir(path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, &Error{Err: ErrDenied, Message: "the agent's folder is not safe: " + err.Error(),
				Advice: "remove " + filepath.Dir(path) + ", or make it yours with mode 0700"}
		}
		// A local socket answers at once or not at all: no net.Dialer, which watches ctx on a goroutine of its own.
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("connect to ov-agent: %w", err)
		}
		if err := checkPeer(conn); err != nil {
			conn.Close()
			return nil, err
		}
		return newSession(ctx, conn, o)
	}
	return nil, errNoAgent
}

// checkPeer refuses a listener that runs as somebody else.
func checkPeer(conn *net.UnixConn) error {
	uid, _, err := PeerOf(conn)
	if err != nil {
		return fmt.Errorf("identify ov-agent: %w", err)
	}
	if uid != os.Geteuid() {
		return &Error{Err: ErrDenied, Message: fmt.Sprintf("the agent's socket is held by uid %d", uid)}
	}
	return nil
}

// oneShot starts an agent for this client alone, on a socket pair.
func oneShot(ctx context.Context, o Options) (*session, error) {
	path, err := Sibling(program)
	if err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("start ov-agent: %w", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	ours, theirs := os.NewFile(uintptr(fds[0]), "agent"), os.NewFile(uintptr(fds[1]), "client")
	defer ours.Close()
	defer theirs.Close()
	cmd := agentCommand(path, o.Home, "--client-fd", "3")
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		return nil, &Error{Err: ErrUnavailable, Message: "start ov-agent: " + err.Error()}
	}
	theirs.Close()
	sock, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("start ov-agent: %w", err)
	}
	s, err := newSession(ctx, sock.(*net.UnixConn), o)
	if err != nil {
		go cmd.Wait()
		return nil, fmt.Errorf("start ov-agent: %w", err)
	}
	s.reap = func() { cmd.Wait() }
	return s, nil
}

// agentCommand is how every agent is started: in a session of its own, so that
// it has no controlling terminal and a ^C does not reach it while it puts the
// terminal back; with a bare environment, so that nothing steers it.
func agentCommand(path, home string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, append([]string{"--home", home}, args...)...)
	for _, name := range []string{"HOME", "USER", "LOGNAME", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// daemon starts the long-lived agent and connects to it.
func daemon(ctx context.Context, o Options) (*session, error) {
	path, err := Sibling(program)
	if err != nil {
		return nil, err
	}
	cmd := agentCommand(path, o.Home, "--daemon")
	cmd.Stderr = nil // it outlives this terminal
	ready, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start ov-agent: %w", err)
	}
	defer ready.Close()
	cmd.ExtraFiles = []*os.File{w} // it writes a line here, or why it cannot
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, &Error{Err: ErrUnavailable, Message: "start ov-agent: " + err.Error()}
	}
	go cmd.Wait()
	ready.SetReadDeadline(time.Now().Add(10 * time.Second))
	said := make([]byte, 512)
	n, _ := ready.Read(said)
	if string(said[:n]) != "ready\n" {
		return nil, &Error{Err: ErrUnavailable, Message: "start ov-agent: " + string(said[:n])}
	}
	return dial(ctx, o)
}

// released waits until nobody holds the lock at path: an agent holds its own
// until its process has ended.
func released(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("it still holds %q: %w", path, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
