package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

func TestErrorsCross(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes() {
		if seen[c.Code] {
			t.Errorf("code %q stands for two errors", c.Code)
		}
		seen[c.Code] = true
		in := fmt.Errorf("do it: %w", &Error{Err: c.Err, Message: "what happened", Advice: "what to do", Similar: []string{"a"}})
		var h wire.Header
		Encode(in, &h)
		raw, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var back wire.Header
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		out := decode(&back)
		if !errors.Is(out, c.Err) || out.Error() != "do it: what happened" || Hint(out) != "what to do" || Similar(out)[0] != "a" {
			t.Errorf("%s became %v, hint %q", c.Code, out, Hint(out))
		}
		for _, other := range codes() {
			if other.Code != c.Code && errors.Is(out, other.Err) {
				t.Errorf("%s is %s as well", c.Code, other.Code)
			}
		}
	}
	var h wire.Header
	Encode(errors.New("anything else"), &h)
	if !errors.Is(decode(&h), ErrInternal) {
		t.Errorf("an error without a code is %q", h.Code)
	}
	if err := decode(&wire.Header{Code: "of the future", Message: "m"}); !errors.Is(err, ErrInternal) || err.Error() != "m" {
		t.Errorf("an unknown code is %v", err)
	}
	if decode(&wire.Header{}) != nil {
		t.Error("no code is an error")
	}
}

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{nil, ""},
		{[]string{"PATH=/bin", "HOME=/root", "TERM=xterm"}, ""},
		{[]string{"CLAUDECODE=1"}, "claude-code"},
		{[]string{"CLAUDECODE="}, ""},
		{[]string{"CLAUDECODE=0"}, ""},
		{[]string{"CLAUDE_CODE_ENTRYPOINT=cli"}, "claude-code"},
		{[]string{"CODEX_SANDBOX=seatbelt"}, "codex"},
		{[]string{"CODEX_HOME=/home/me/.codex"}, ""},
		{[]string{"GEMINI_CLI=1"}, "gemini-cli"},
		{[]string{"CURSOR_AGENT=1"}, "cursor"},
		{[]string{"AI_AGENT=some"}, "an AI agent"},
		{[]string{"GEMINI_CLIENT=1", "MY_CLAUDECODE=1", "SSH_AGENT_PID=7"}, ""},
	} {
		if got := Detect(tt.env); got != tt.want {
			t.Errorf("Detect(%q) = %q, want %q", tt.env, got, tt.want)
		}
	}
}

// shortDir returns a folder whose path fits a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ov")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestSocketPaths(t *testing.T) {
	dir := shortDir(t)
	a, b := SocketPaths(dir), SocketPaths(dir+"2")
	if len(a) == 0 || a[0] == b[0] {
		t.Errorf("two homes share %q", a)
	}
	link := dir + "-link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(link)
	if got := SocketPaths(link); got[0] != a[0] {
		t.Errorf("through a link: %q, want %q", got[0], a[0])
	}
	for _, p := range SocketPaths("/" + strings.Repeat("long/", 60)) {
		if len(p) > maxSocketPath {
			t.Errorf("%q has %d bytes", p, len(p))
		}
	}
	t.Setenv("XDG_RUNTIME_DIR", "/elsewhere")
	t.Setenv("HOME", "/elsewhere")
	if got := SocketPaths(dir); got[0] != a[0] {
		t.Errorf("the environment moved the socket to %q", got[0])
	}
}

func TestCheckFolder(t *testing.T) {
	dir := filepath.Join(shortDir(t), "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := CheckFolder(dir); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for _, mode := range []os.FileMode{0o701, 0o710, 0o720, 0o707, 0o755} {
		os.Chmod(dir, mode)
		if err := CheckFolder(dir); !errors.Is(err, ErrDenied) {
			t.Errorf("mode %o: %v, want ErrDenied", mode, err)
		}
	}
	os.Chmod(dir, 0o700)
	link := dir + "-link"
	os.Symlink(dir, link)
	if err := CheckFolder(link); !errors.Is(err, ErrDenied) {
		t.Errorf("a link: %v, want ErrDenied", err)
	}
	file := dir + "-file"
	os.WriteFile(file, nil, 0o600)
	if err := CheckFolder(file); !errors.Is(err, ErrDenied) {
		t.Errorf("a file: %v, want ErrDenied", err)
	}
	if err := CheckFolder(dir + "-none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v, want ErrNotExist", err)
	}
	if os.Geteuid() == 0 {
		os.Chown(dir, 65534, 65534)
		if err := CheckFolder(dir); !errors.Is(err, ErrDenied) {
			t.Errorf("somebody else's: %v, want ErrDenied", err)
		}
	}
}

// fakeAgent listens for home and answers each request with reply.
func fakeAgent(t *testing.T, home string, reply func(f *wire.Frame) wire.Header) {
	t.Helper()
	path := SocketPaths(home)[0]
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			go answer(sock.(*net.UnixConn), reply)
		}
	}()
}

// answer answers each request on sock with reply.
func answer(sock *net.UnixConn, reply func(f *wire.Frame) wire.Header) {
	defer sock.Close()
	c := wire.NewConn(sock, wire.ServerLimits())
	for {
		f, err := c.Read()
		if err != nil {
			return
		}
		h := reply(f)
		if h.ID == 0 {
			h.ID = f.ID
		}
		if c.Write(&wire.Frame{Header: h}) != nil {
			return
		}
	}
}

func hello(protocol int) wire.Header {
	raw, _ := json.Marshal(wire.Hello{Protocol: protocol, Build: "v0.0.1", PID: 4711})
	return wire.Header{Args: raw}
}

func TestOtherVersions(t *testing.T) {
	home := shortDir(t)
	var stopped bool
	protocol := wire.Version - 1
	fakeAgent(t, home, func(f *wire.Frame) wire.Header {
		stopped = stopped || f.Op == wire.OpStop
		return hello(protocol)
	})
	var said []string
	c, err := Connect(t.Context(), Options{Home: home, Notify: func(s string) { said = append(said, s) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Errorf("beside an older agent: %v", err)
	}
	if !stopped || len(said) != 1 || !strings.Contains(said[0], "older ov-agent (pid 4711, v0.0.1)") {
		t.Errorf("an older agent: stopped %v, said %q", stopped, said)
	}
	stopped, protocol = false, wire.Version+1
	if err := c.Lock(t.Context()); !errors.Is(err, ErrVersion) || Hint(err) == "" || stopped {
		t.Errorf("a newer agent: %v, hint %q, stopped %v", err, Hint(err), stopped)
	}
}

// Answers to other requests, or to none, confuse nobody.
func TestStrangeAnswers(t *testing.T) {
	home := shortDir(t)
	fakeAgent(t, home, func(f *wire.Frame) wire.Header {
		switch f.Op {
		case wire.OpHello:
			return hello(wire.Version)
		case wire.OpStatus:
			return wire.Header{ID: 999}
		}
		return wire.Header{Code: "busy", Message: "later"}
	})
	c, _ := Connect(t.Context(), Options{Home: home})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer to another request: %v", err)
	}
	if _, err := c.Spaces(t.Context()); !errors.Is(err, ErrBusy) || err.Error() != "later" {
		t.Errorf("Spaces: %v", err)
	}
}

// An agent that listens but does not answer may hold keys: that is neither "no
// agent" nor "locked". One that was replacing itself is reached in the end.
func TestAgentDies(t *testing.T) {
	home := shortDir(t)
	path := SocketPaths(home)[0]
	os.MkdirAll(filepath.Dir(path), 0o700)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var dying, asked atomic.Int32
	dying.Store(1 << 20)
	go func() {
		for {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			if dying.Add(-1) >= 0 {
				io.ReadFull(sock, make([]byte, 20))
				sock.Close()
				continue
			}
			go answer(sock.(*net.UnixConn), func(f *wire.Frame) wire.Header {
				if f.Op == wire.OpHello {
					return hello(wire.Version)
				}
				asked.Add(1)
				return wire.Header{}
			})
		}
	}()
	c, _ := Connect(t.Context(), Options{Home: home})
	if err := c.Lock(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Lock of an agent that does not answer: %v, want ErrUnavailable", err)
	}
	if _, err := c.Spaces(t.Context()); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrLocked) {
		t.Errorf("Spaces of an agent that does not answer: %v, want ErrUnavailable", err)
	}
	dying.Store(3)
	if err := c.Lock(t.Context()); err != nil || asked.Load() != 1 {
		t.Errorf("Lock once it answers again: %v, asked %d times", err, asked.Load())
	}
	if _, err := Connect(t.Context(), Options{Home: "relative"}); !errors.Is(err, ErrUsage) {
		t.Errorf("a relative home: %v", err)
	}
}
