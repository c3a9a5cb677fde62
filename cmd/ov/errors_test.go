package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// `ov help exit` prints each row, and a row of ov's own counts.
func TestExitCodes(t *testing.T) {
	for _, o := range exit.Outcomes() {
		if !strings.Contains(exitHelp(), fmt.Sprintf("%3d  %s\n", o.Code, o.Means)) {
			t.Errorf("row %d is not in the help", o.Code)
		}
	}
	for err, want := range map[error]int{nil: 0, exit.ErrFound: 3, lock.ErrNone: 5, fs.ErrPermission: 1} {
		if got := exitCode(err); got != want {
			t.Errorf("%v exits %d, want %d", err, got, want)
		}
	}
}

func TestRunCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		exitNoCmd:   {proc.ErrNotFound},
		exitNotExec: {proc.ErrNotExecutable},
		exitSelf:    {exit.ErrUsage, agent.ErrLocked, agent.ErrDenied, agent.ErrNotFound, broker.ErrMasking, broker.ErrSink, broker.ErrTimeout, config.ErrUntrusted, errors.New("any")},
	} {
		for _, err := range errs {
			if got := runCode(fmt.Errorf("run: %w", err)); got != want {
				t.Errorf("%v: %d, want %d", err, got, want)
			}
		}
	}
}

// Every error of the first hour says what to do about it.
func TestHints(t *testing.T) {
	for _, err := range []error{agent.ErrNoVault, agent.ErrVaultExists, agent.ErrLocked, agent.ErrNotFound, agent.ErrExists, agent.ErrUnavailable,
		config.ErrUntrusted, secret.ErrMarker, redact.ErrSize, secret.ErrShort, secret.ErrTooLong, secret.ErrEmpty} {
		if hint(fmt.Errorf("do: %w", err)) == "" {
			t.Errorf("%v has no hint", err)
		}
	}
	similar := &agent.Error{Err: agent.ErrNotFound, Message: "x", Similar: []string{"A", "B"}}
	if h := hint(similar); h != "did you mean A, B?" {
		t.Errorf("similar names: %q", h)
	}
}

// What an error names can come from a hostile repository.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain \t ü \n":             "plain \t ü \n",
		"\x1b]0;title\x07":          `\u001b]0;title\u0007`,
		"a\rb\x7f\u009b":            `a\u000db\u007f\u009b`,
		"rtl \u202e override\u2066": `rtl \u202e override\u2066`,
	} {
		if got := exit.Clean(in); got != want {
			t.Errorf("exit.Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
