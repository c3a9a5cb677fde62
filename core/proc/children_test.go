//go:build linux || darwin

package proc

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
)

// childKey names, in a child's environment, which of the children below the test program plays.
const childKey = "PROC_TEST_CHILD"

func TestMain(m *testing.M) {
	if code, ok := Reexec(); ok {
		os.Exit(code)
	}
	name := os.Getenv(childKey)
	if name == "" {
		os.Exit(m.Run())
	}
	play, ok := children()[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no child %q\n", name)
		os.Exit(99)
	}
	play(os.Args[1:])
	os.Exit(0)
}

// spec is how the test program is started as one of its children.
func spec(t *testing.T, name string, args ...string) Spec {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Spec{Path: exe, Args: append([]string{name}, args...), Env: []string{childKey + "=" + name}}
}

// result is all that a child left.
type result struct {
	status      Status
	out, stderr string
}

// finish reads both streams to their ends and waits.
func finish(t *testing.T, p *Process) result {
	t.Helper()
	var out, errs bytes.Buffer
	var wg sync.WaitGroup
	read := func(dst *bytes.Buffer, src io.Reader) {
		if src != nil {
			wg.Go(func() { io.Copy(dst, src) })
		}
	}
	read(&out, p.Stdout)
	read(&errs, p.Stderr)
	wg.Wait()
	st, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	return result{st, out.String(), errs.String()}
}

// launch starts a child or fails the test, and makes sure that it does not outlive it.
func launch(t *testing.T, s Spec) *Process {
	t.Helper()
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(0); p.Close() })
	return p
}
