//go:build linux || darwin

package proc

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExitStatus(t *testing.T) {
	for _, code := range []string{"0", "1", "7", "125", "255"} {
		r := finish(t, launch(t, spec(t, "exit", code)))
		if got := r.status.String(); got != "exit status "+code {
			t.Errorf("exit %s: got %s", code, got)
		}
	}
	if r := finish(t, launch(t, spec(t, "crash"))); r.status.Exit() != 128+int(syscall.SIGKILL) {
		t.Errorf("crash: got %v, %d", r.status, r.status.Exit())
	}
}

func TestStreamsAreSeparateAndDoNotDeadlock(t *testing.T) {
	r := finish(t, launch(t, spec(t, "both")))
	if r.out != strings.Repeat("o", 3<<20) || r.stderr != strings.Repeat("e", 3<<20) {
		t.Errorf("got %d bytes and %d bytes", len(r.out), len(r.stderr))
	}
}

func TestEnvironmentIsExactlyTheOneGiven(t *testing.T) {
	s := spec(t, "env")
	s.Env = append(s.Env, "A=1", "B=x y")
	if got, want := finish(t, launch(t, s)).out, childKey+"=env\nA=1\nB=x y\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStdinPassesThrough(t *testing.T) {
	r, w, _ := os.Pipe()
	s := spec(t, "cat")
	s.Stdin = r
	p := launch(t, s)
	r.Close()
	in := "a\x00b\r\n\xff\xfe no newline"
	io.WriteString(w, in)
	w.Close()
	if got := finish(t, p).out; got != in {
		t.Errorf("got %q", got)
	}
}

func TestKillOfADeafChild(t *testing.T) {
	p := launch(t, spec(t, "deaf"))
	if line, err := bufio.NewReader(p.Stdout).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	p.Kill(50 * time.Millisecond)
	if st, _ := p.Wait(); st.Signal != syscall.SIGKILL {
		t.Errorf("got %v", st)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: %v", err)
	}
}

func TestCloseBreaksThePipe(t *testing.T) {
	p := launch(t, spec(t, "flood"))
	io.ReadFull(p.Stdout, make([]byte, 100))
	p.Close()
	if st, _ := p.Wait(); st.Signal != syscall.SIGPIPE {
		t.Errorf("got %v", st)
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte("#!/bin/sh\necho hi\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, plain, both := write("bin/good", 0o755), write("bin/plain", 0o644), write("b/both", 0o755)
	write("bin/both", 0o644)
	path := "PATH=" + dir + "/bin:" + dir + "/b"
	for _, c := range []struct {
		name, dir, env, want string
		err                  error
	}{
		{"good", "", path, good, nil},
		{"both", "", path, both, nil}, // one that may be run wins over one that may not
		{"plain", "", path, "", ErrNotExecutable},
		{"none", "", path, "", ErrNotFound},
		{"", "", path, "", ErrNotFound},
		{"good", dir + "/bin", "PATH=:.:", "", ErrNotFound}, // never out of the current directory
		{"./good", dir + "/bin", "PATH=", good, nil},
		{"bin/good", dir, "PATH=", good, nil},
		{plain, "", "PATH=", "", ErrNotExecutable},
		{dir, "", "PATH=", "", ErrNotExecutable},
		{good + "/x", "", "PATH=", "", ErrNotFound},
		{dir + "/none", "", "PATH=", "", ErrNotFound},
	} {
		got, err := Resolve(c.name, c.dir, []string{c.env})
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("Resolve(%q, %q, %q) = %q, %v", c.name, c.dir, c.env, got, err)
		}
	}
}

func TestScriptWithoutInterpreterLine(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("echo \"$1\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r := finish(t, launch(t, Spec{Path: script, Args: []string{"script", "x y"}})); r.out != "x y\n" {
		t.Errorf("got %+v", r)
	}
}

func TestStartErrors(t *testing.T) {
	if _, err := Start(Spec{Path: "/nonesuch", Args: []string{"x"}}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := Start(Spec{Path: "/etc/passwd", Args: []string{"x"}}); !errors.Is(err, ErrNotExecutable) {
		t.Error(err)
	}
	huge := Spec{Path: "/bin/true", Args: []string{"true"}, Env: []string{"A=" + strings.Repeat("x", 1<<20)}} // one string alone is too long
	for _, leader := range []bool{false, true} {
		huge.Leader = leader
		if _, err := Start(huge); !errors.Is(err, ErrNotExecutable) || !errors.Is(err, syscall.E2BIG) {
			t.Errorf("leader %v: %v", leader, err)
		}
	}
}
