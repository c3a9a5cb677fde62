package serve

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
)

func tempHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "ov")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	return home
}

func TestListen(t *testing.T) {
	home := tempHome(t)
	s, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(s.path)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket's folder: %v, %v", info.Mode(), err)
	}
	if _, err := Listen(home); !errors.Is(err, ErrRunning) {
		t.Errorf("a second agent: %v, want ErrRunning", err)
	}
	// It is handed over to the next process image with its lock.
	files, err := s.Handover()
	if err != nil {
		t.Fatal(err)
	}
	var fds [2]int // an exec would keep the numbers; here their files own them
	for i, f := range files {
		if fds[i], err = syscall.Dup(int(f.Fd())); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	next, err := Inherit(fds[0], fds[1])
	if err != nil {
		t.Fatal(err)
	}
	s.Listener.Close()
	s.lock.Close()
	if _, err := Listen(home); !errors.Is(err, ErrRunning) {
		t.Errorf("beside the next image: %v, want ErrRunning", err)
	}
	if _, err := net.Dial("unix", next.path); err != nil {
		t.Errorf("after the handover: %v", err)
	}
	next.Close()
	if _, err := os.Lstat(next.path); err == nil {
		t.Error("Close left the socket")
	}
}

// A socket that an agent left behind when it was killed is replaced.
func TestListenAfterKill(t *testing.T) {
	home := tempHome(t)
	path := agent.SocketPaths(home)[0]
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	s, err := Listen(home)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// Attack: the folder of the socket was made by somebody else, or leads elsewhere.
func TestAttackListenFolder(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"open to all": func(dir string) error { return errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o777)) },
		"a link": func(dir string) error {
			return errors.Join(os.MkdirAll(dir+"-real", 0o700), os.MkdirAll(filepath.Dir(dir), 0o700), os.Symlink(dir+"-real", dir))
		},
		"a file": func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Dir(dir), 0o700), os.WriteFile(dir, nil, 0o600))
		},
		"somebody else's": func(dir string) error {
			if os.Geteuid() != 0 {
				return os.Symlink("/", dir) // the closest that an ordinary user can make
			}
			return errors.Join(os.MkdirAll(dir, 0o700), os.Chown(dir, 65534, 65534))
		},
	} {
		home := tempHome(t)
		if dir := filepath.Dir(agent.SocketPaths(home)[0]); filepath.Dir(dir) == home {
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			if s, err := Listen(home); !errors.Is(err, agent.ErrDenied) {
				t.Errorf("%s: Listen = %v, %v, want ErrDenied", name, s, err)
			}
		} else {
			t.Skip("this user has a runtime folder, which the system made")
		}
	}
}

func TestMCPIsWhatItIs(t *testing.T) {
	for _, tt := range []struct {
		exe, says, want string
		mcp             bool
	}{
		{"/usr/bin/ov", "cli", "cli", false},
		{"/usr/bin/ov", "", "mcp:unnamed", true}, // what nobody knows is trusted least
		{"/usr/bin/ov", "a\x1b[2Jb\nc", "mcp:a2Jbc", true},
		{"/usr/bin/ov", "CLI", "mcp:CLI", true},
		{"/usr/bin/ov", "cli:me", "mcp:cli:me", true},
		{"/usr/bin/ov", "mcp", "mcp:mcp", true},
		{"/usr/bin/ov", "machine:ci", "mcp:unproven:machine:ci", true},
		{"/usr/bin/ov-mcp", "mcp:claude-code", "mcp:claude-code", true},
		{"/usr/bin/ov-mcp", "cli", "mcp:cli", true},
		{"", "mcp:x", "mcp:x", true},
	} {
		a := Actor{Exe: tt.exe}
		a.meet(wire.Hello{Client: tt.says})
		if a.Client != tt.want || a.MCP() != tt.mcp {
			t.Errorf("%s says %q: %q, MCP %v", tt.exe, tt.says, a.Client, a.MCP())
		}
	}
}
