package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opaquevault/ov/core/agent"
)

// A Socket is the agent's place in the file system: its listener, and a lock
// that makes it the only one.
type Socket struct {
	Listener *net.UnixListener
	lock     *os.File
	path     string
}

// ErrRunning says that another agent serves this home.
var ErrRunning = errors.New("an agent is running already")

// Listen makes the socket of the agent for home. The process's umask must keep
// others out already.
func Listen(home string) (*Socket, error) {
	paths := agent.SocketPaths(home)
	if len(paths) == 0 {
		return nil, &agent.Error{Err: agent.ErrUsage, Message: fmt.Sprintf("listen: the path of %q is too long for a socket", home),
			Advice: "use a shorter OV_HOME"}
	}
	path := paths[0]
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := takeLock(lock, path); err != nil {
		lock.Close()
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an agent that was killed
		lock.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.SetUnlinkOnClose(false)
	return &Socket{l, lock, path}, nil
}

// takeLock takes the lock, or reports ErrRunning when its holder answers on the
// socket. One that does not is on its way out, or in.
func takeLock(lock *os.File, socket string) error {
	for range 250 {
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return nil
		}
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return ErrRunning
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("listen: another agent holds %s.lock and does not answer", socket)
}

// makeFolder makes path, closed to everybody else, or checks that it is so.
func makeFolder(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("listen: %w", err)
	}
	return agent.CheckFolder(path)
}

// Close takes the socket away.
func (s *Socket) Close() error {
	os.Remove(s.path)
	err := s.Listener.Close()
	s.lock.Close()
	return err
}

// Inherit takes over what another process image of this agent passed on.
func Inherit(listener, lock int) (*Socket, error) {
	f := os.NewFile(uintptr(listener), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take over the listener: %w", err)
	}
	ul, ok := l.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("take over the listener: %w: not a unix socket", agent.ErrUsage)
	}
	ul.SetUnlinkOnClose(false)
	syscall.CloseOnExec(lock)
	return &Socket{ul, os.NewFile(uintptr(lock), "lock"), ul.Addr().String()}, nil
}

// Handover returns the listener and the lock as files that stay open over an
// exec. They are the caller's, and must be kept alive until then.
func (s *Socket) Handover() (files [2]*os.File, err error) {
	if files[0], err = s.Listener.File(); err != nil {
		return files, err
	}
	fd, err := syscall.Dup(int(s.lock.Fd())) // a lock belongs to the open file, which both share
	if err != nil {
		return files, err
	}
	files[1] = os.NewFile(uintptr(fd), "lock")
	for _, f := range files {
		if _, _, e := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), syscall.F_SETFD, 0); e != 0 {
			return files, e
		}
	}
	return files, nil
}
