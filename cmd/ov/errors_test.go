package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

// One test a row of `ov help exit`.
func TestExitCodes(t *testing.T) {
	rows := map[int][]error{
		0: {nil},
		1: {errors.New("anything else"), fs.ErrPermission, secret.ErrMarker, agent.ErrTampered, agent.ErrRollback, agent.ErrCorrupt, agent.ErrAudit, agent.ErrStorage},
		2: {errUsage, secret.ErrRef, agent.ErrUsage},
		3: {errFound},
		4: {agent.ErrLocked, agent.ErrPassword, agent.ErrPause},
		5: {agent.ErrNotFound, agent.ErrNoVault},
		6: {agent.ErrExists, agent.ErrVaultExists, agent.ErrConflict},
		7: {},
		8: {agent.ErrDenied, agent.ErrApproval, config.ErrUntrusted},
	}
	for _, o := range outcomes() {
		errs, ok := rows[o.code]
		if !ok {
			t.Errorf("row %d has no test", o.code)
		}
		delete(rows, o.code)
		for _, err := range errs {
			if err != nil {
				err = fmt.Errorf("do thing %q: %w", "x", err)
			}
			if got := exitCode(err); got != o.code {
				t.Errorf("%v exits %d, want %d", err, got, o.code)
			}
		}
		if !strings.Contains(exitHelp(), fmt.Sprintf("%3d  %s\n", o.code, o.means)) {
			t.Errorf("row %d is not in the help", o.code)
		}
	}
	if len(rows) > 0 {
		t.Errorf("tests without a row: %v", rows)
	}
}

func TestRunCodes(t *testing.T) {
	for want, errs := range map[int][]error{
		exitNoCmd:   {proc.ErrNotFound},
		exitNotExec: {proc.ErrNotExecutable},
		exitSelf:    {errUsage, agent.ErrLocked, agent.ErrDenied, agent.ErrNotFound, broker.ErrMasking, broker.ErrSink, broker.ErrTimeout, config.ErrUntrusted, errors.New("any")},
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
		config.ErrUntrusted, secret.ErrMarker, secret.ErrShort, secret.ErrTooLong, secret.ErrEmpty} {
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
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
