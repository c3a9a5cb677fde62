//go:build linux || darwin

package crash

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// held is what must not be seen; it is spelled in no other way below.
const held = "s3cr3t-8f14e45f"

// TestMain is also the programs that fail.
func TestMain(m *testing.M) {
	how := os.Getenv("FAIL")
	if how == "" {
		os.Exit(m.Run())
	}
	os.Args[0] = "/usr/bin/prog"
	Contain(nil)
	defer Exit()
	failures()[how]([]byte(held), [2]uint64{0x7333637233742d38, 0x6631346534356600})
	os.Stdout.WriteString("went on\n")
}

// failures are ways to fail while holding a value.
func failures() map[string]func([]byte, [2]uint64) {
	return map[string]func([]byte, [2]uint64){
		"panic": func(b []byte, _ [2]uint64) { panic("cannot mask " + string(b)) },
		"error": func(b []byte, _ [2]uint64) { panic(errors.New(string(b))) },
		"index": func(b []byte, g [2]uint64) { _ = b[len(b)+int(g[0]>>60)] },
		"nil": func(b []byte, _ [2]uint64) {
			var p *[1 << 20]byte
			copy(b, p[4096:])
		},
		"goroutine": func(b []byte, _ [2]uint64) {
			go func() { panic(string(b)) }()
			time.Sleep(time.Minute)
		},
		"recovered": func(b []byte, _ [2]uint64) {
			err := errors.New("none")
			func() {
				defer Recover(&err)
				panic(string(b))
			}()
			os.Stdout.WriteString(err.Error() + "\n")
		},
		"throw": func(b []byte, g [2]uint64) { // the runtime's own end: nothing recovers
			debug.SetMaxStack(1 << 16)
			deeper(b, g)
		},
		"wait": func([]byte, [2]uint64) {
			os.Stdout.WriteString("ready\n")
			time.Sleep(time.Minute)
		},
		"exec": func([]byte, [2]uint64) {
			Exec("/bin/sh", []string{"sh", "-c", "echo to stderr >&2"}, nil)
		},
		"none": func([]byte, [2]uint64) { os.Stderr.WriteString("a word\n") },
	}
}

// deeper overflows the stack, on purpose.
//
//go:noinline
func deeper(b []byte, g [2]uint64) uint64 {
	var room [1024]byte
	copy(room[:], b)
	return deeper(room[:], g) + g[0] //lint:ignore SA5007 the overflow is the test
}

var lines = regexp.MustCompile(`:[1-9]\d+\)`)

// failing runs this test's program as one that fails.
func failing(t *testing.T, how string, after func(*exec.Cmd)) (code string, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	// What a user, or a coding agent, sets to see more, shows no more.
	cmd.Env = append(os.Environ(), "FAIL="+how, "GOTRACEBACK=system")
	var out, errs bytes.Buffer
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after != nil {
		b := make([]byte, 6)
		r.Read(b)
		after(cmd)
	}
	out.ReadFrom(r)
	cmd.Wait()
	return cmd.ProcessState.String(), lines.ReplaceAllString(out.String(), ":N)"), lines.ReplaceAllString(errs.String(), ":N)")
}

func TestFailures(t *testing.T) {
	for _, c := range []struct{ how, state, stdout, stderr string }{
		{"none", "exit status 0", "went on\n", "a word\n"},
		{"panic", "exit status 125", "", "prog: internal error at crash.failures.func1 (crash_test.go:N)\n"},
		{"error", "exit status 125", "", "prog: internal error at crash.failures.func2 (crash_test.go:N)\n"},
		{"index", "exit status 125", "", "prog: internal error at crash.failures.func3 (crash_test.go:N)\n"},
		{"nil", "exit status 125", "", "prog: internal error at crash.failures.func4 (crash_test.go:N)\n"},
		{"recovered", "exit status 0", "internal error at crash.failures.func6.1 (crash_test.go:N)\nwent on\n", ""},
		{"goroutine", "signal: aborted", "", ""},
		{"throw", "signal: aborted", "", ""},
		{"exec", "exit status 0", "", "to stderr\n"},
	} {
		state, stdout, stderr := failing(t, c.how, nil)
		state, _, _ = strings.Cut(state, " (")
		if state != c.state || stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%s: %s\nstdout %q\nstderr %q\nwant %s, %q, %q", c.how, state, stdout, stderr, c.state, c.stdout, c.stderr)
		}
	}
}

func TestSignals(t *testing.T) {
	for _, s := range faultSignals() {
		state, _, stderr := failing(t, "wait", func(c *exec.Cmd) { c.Process.Signal(s) })
		if want := "prog: ended by a signal: " + s.String() + "\n"; state != "exit status 125" || stderr != want {
			t.Errorf("%v: %s, %q, want 125 and %q", s, state, stderr, want)
		}
	}
	state, _, stderr := failing(t, "wait", func(c *exec.Cmd) { c.Process.Signal(syscall.SIGQUIT) })
	if !strings.HasPrefix(state, "signal: ") || stderr != "" {
		t.Errorf("SIGQUIT: %s, %q, want its end by a signal, in silence", state, stderr)
	}
}

func TestErrorIsABug(t *testing.T) {
	var err error
	func() {
		defer Recover(&err)
		var m map[string]int
		m[runtime.GOOS] = 1 //lint:ignore SA5000 the bug is the test
	}()
	if !errors.Is(err, ErrBug) || !strings.Contains(err.Error(), "TestErrorIsABug") {
		t.Errorf("%v, want ErrBug and the place", err)
	}
	err = nil
	func() { defer Recover(&err) }()
	if err != nil {
		t.Errorf("%v without a panic", err)
	}
}
