package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// Exit codes of ov run beside the child's own; it uses no others.
const (
	exitSelf    = 125 // ov itself failed, usage and locked included
	exitNotExec = 126
	exitNoCmd   = 127
	exitSignal  = 128 // + the signal's number
)

// exitCode maps an error to the exit status, apart from ov run's own rules.
func exitCode(err error) int {
	return exit.Code(err, exit.Outcome{Code: 5, Errs: []error{lock.ErrNone}})
}

// runCode maps an error of ov run.
func runCode(err error) int {
	switch {
	case errors.Is(err, proc.ErrNotFound):
		return exitNoCmd
	case errors.Is(err, proc.ErrNotExecutable):
		return exitNotExec
	}
	return exitSelf
}

// exited carries the status of a child through cobra.
type exited struct{ code int }

func (e exited) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// A misuse is a mistake on the command line.
type misuse struct{ error }

func (misuse) Is(target error) bool { return target == exit.ErrUsage }

// usage marks err as a mistake on cmd's command line.
func usage(cmd *cobra.Command, err error) error {
	if verb := strings.TrimPrefix(cmd.CommandPath()[len("ov"):], " "); verb != "" {
		err = fmt.Errorf("%s: %w", verb, err)
	}
	return hinted{misuse{err}, fmt.Sprintf("see \"%s --help\"", cmd.CommandPath())}
}

// report prints err and its hint, and returns the exit status.
func (c *cli) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	if e := (exited{}); errors.As(err, &e) {
		return e.code
	}
	c.say("%s", err)
	h := hint(err)
	if h == "" && exitCode(err) == 1 {
		h = c.trouble() // what may be behind an error that says nothing of it
	}
	if h != "" {
		c.say("hint: %s", h)
	}
	if cmd != nil && (cmd.Name() == "run" || cmd.Name() == "shell") {
		return runCode(err)
	}
	return exitCode(err)
}

// trouble says what is wrong with the vault's folder, when something is: a
// failing write is told in many ways, and this is what is behind most of them.
func (c *cli) trouble() string {
	home, err := c.homeFolder()
	if err != nil {
		return hint(err)
	}
	says, fix := folderTrouble(home)
	if says == "" {
		return ""
	}
	return says + "; " + fix
}

// hint says what to do about err, or nothing.
func hint(err error) string {
	if h := (hinted{}); errors.As(err, &h) {
		return h.hint
	}
	if similar := agent.Similar(err); len(similar) > 0 {
		return "did you mean " + strings.Join(similar, ", ") + "?"
	}
	if h := agent.Hint(err); h != "" {
		return h
	}
	for _, h := range []struct {
		err  error
		hint string
	}{
		{agent.ErrNoVault, `run "ov vault init" to make one`},
		{agent.ErrVaultExists, `"ov status" shows it; another one needs another folder: --home or OV_HOME`},
		{agent.ErrLocked, `run "ov unlock", or set OV_PASSWORD_FILE`},
		{config.ErrNoHome, "set HOME, or OV_HOME to the folder that shall hold the vault"},
		{config.ErrUntrusted, `read the file, then run "ov trust"`},
		{agent.ErrNotFound, `"ov secret list" shows what is there`},
		{agent.ErrExists, `"ov secret set" replaces it`},
		{secret.ErrMarker, "this is masked output, not the secret itself; take the value from where it was issued"},
		{secret.ErrShort, "with --plain it is stored as no secret: injected, and shown as it is"},
		{secret.ErrTooLong, "keep large material in a file and store the key that opens it"},
		{secret.ErrEmpty, "give a value: terminal, --stdin, --file or --generate"},
		{redact.ErrSize, "name the secrets that the command needs: --secrets A,B, or secrets in .ov.yaml"},
		{syscall.E2BIG, "arguments, environment and secrets are together more than the system passes on: --deliver NAME=file for a large secret, or --pristine"},
		{proc.ErrChanged, "nothing was started; run it again, and if that helps only once, find out what writes to it"},
		{agent.ErrUnavailable, `ov-agent belongs beside ov: "make build" or "go install ./cmd/..." puts it there`},
	} {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}
