//go:build linux || darwin

package agent

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

// read opens a password as a request would, and reads what the agent would.
func read(t *testing.T, p Password) string {
	t.Helper()
	f, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Where a password comes from, and which source is looked at first.
func TestConfigured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	order := []struct {
		name, value string
		kind        PasswordKind
		text        string
		warns       bool
	}{
		{"OV_MACHINE_KEY_FILE", file, PasswordMachine, "from the file\n", false},
		{"OV_MACHINE_KEY", "a machine key", PasswordMachine, "a machine key", false},
		{"OV_PASSWORD_FILE", file, PasswordFile, "from the file\n", false},
		{"OV_PASSWORD_COMMAND", "echo from the command", PasswordCommand, "from the command\n", false},
		{"OV_PASSWORD", "a password", PasswordEnv, "a password", true},
	}
	for from := range order {
		for i, o := range order { // this one, and all that come after it
			t.Setenv(o.name, map[bool]string{true: o.value}[i >= from])
		}
		o, warned := order[from], 0
		p := Configured(os.Stderr, func(line string) {
			if warned++; strings.Contains(line, o.value) {
				t.Errorf("the warning quotes the password: %s", line)
			}
		})
		if got := read(t, p); p.Kind != o.kind || got != o.text || warned > 0 != o.warns {
			t.Errorf("%s: %q of kind %q, %d warnings, want %q of %q", o.name, got, p.Kind, warned, o.text, o.kind)
		}
		if o.kind == PasswordEnv && os.Getenv(o.name) != "" {
			t.Errorf("%s is in the environment still", o.name)
		}
	}
	if p := Configured(os.Stderr, func(string) {}); p.Kind != PasswordTTY {
		t.Errorf("without a source: %q, want the terminal", p.Kind)
	}
}

func TestPasswordSources(t *testing.T) {
	if _, err := FromFile(filepath.Join(t.TempDir(), "none")).Open(t.Context()); !errors.Is(err, ErrUsage) {
		t.Errorf("a file that is not there: %v, want ErrUsage", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.WriteString("typed into a pipe")
	w.Close()
	if got := read(t, FromStdin(r)); got != "typed into a pipe" {
		t.Errorf("stdin: %q", got)
	}
	if r.Close() != nil {
		t.Error("stdin was closed, and not a duplicate")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := FromCommand("echo x", io.Discard).Open(ctx); err == nil {
		b, _ := io.ReadAll(f)
		f.Close()
		t.Errorf("a cancelled command said %q", b)
	}
}

// Another program of ours is the one beside this one, and nothing on PATH.
func TestSibling(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(self), "ov-beside")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(path)
	if got, err := Sibling("ov-beside"); got != path || err != nil {
		t.Errorf("%q, %v, want %q", got, err, path)
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "ov-elsewhere"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", elsewhere+":"+os.Getenv("PATH"))
	if got, err := Sibling("ov-elsewhere"); !errors.Is(err, ErrUnavailable) || Hint(err) == "" {
		t.Errorf("one on PATH: %q, %v, want ErrUnavailable and a hint", got, err)
	}
}

// Stop returns when the agent's lock is free, and no sooner.
func TestReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if err := released(t.Context(), path); err != nil {
		t.Errorf("no lock at all: %v", err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := released(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is held: %v", err)
	}
	free := make(chan error, 1)
	go func() { free <- released(context.Background(), path) }()
	f.Close()
	if err := <-free; err != nil {
		t.Errorf("when it is let go: %v", err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := released(t.Context(), link); err == nil {
		t.Error("a link was followed")
	}
}

// Warm makes the one connection that the first request takes; without an agent it
// does nothing, and says nothing.
func TestWarm(t *testing.T) {
	home := shortDir(t)
	cold, err := Connect(t.Context(), Options{Home: home, Notify: func(line string) { t.Error(line) }})
	if err != nil {
		t.Fatal(err)
	}
	cold.Warm(t.Context())
	if err := cold.Close(); err != nil {
		t.Error(err)
	}
	var hellos, others atomic.Int32
	fakeAgent(t, home, func(f *wire.Frame) wire.Header {
		if f.Op == wire.OpHello {
			hellos.Add(1)
			return hello(wire.Version)
		}
		others.Add(1)
		return wire.Header{Args: []byte(`[]`)}
	})
	c, err := Connect(t.Context(), Options{Home: home})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Warm(t.Context())
	for range 2 {
		if _, err := c.Spaces(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if hellos.Load() != 1 || others.Load() != 2 {
		t.Errorf("%d connections, %d requests, want 1 and 2", hellos.Load(), others.Load())
	}
}
