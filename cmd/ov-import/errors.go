package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/plugins/host"
	"github.com/opaquevault/ov/plugins/plan"
	"github.com/opaquevault/ov/sdk/provider"
)

// Errors of this program.
var (
	errPending = errors.New("changes are pending")
	errStuck   = errors.New("the plan cannot be applied as it is")
	errPartly  = errors.New("not everything was imported")
)

// misuse is a mistake on the command line.
type misuse struct{ error }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// exitCode is the table of `ov help exit`.
func exitCode(err error) int {
	is := func(all ...error) bool {
		for _, e := range all {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return 0
	case is(errPending):
		return 7
	case errors.As(err, new(misuse)), is(secret.ErrRef, agent.ErrUsage, plan.ErrOption):
		return 2
	case is(agent.ErrLocked, agent.ErrPassword, agent.ErrPause):
		return 4
	case is(agent.ErrNotFound, agent.ErrNoVault):
		return 5
	case is(agent.ErrExists, agent.ErrConflict):
		return 6
	case is(agent.ErrDenied, agent.ErrApproval, config.ErrUntrusted):
		return 8
	}
	return 1
}

// report prints err and its hint, and returns the exit status.
func (c *cli) report(err error) int {
	if err == nil {
		return 0
	}
	c.say("%s", err)
	if h := hint(err); h != "" {
		c.say("hint: %s", h)
	}
	return exitCode(err)
}

func hint(err error) string {
	if h := (hinted{}); errors.As(err, &h) {
		return h.hint
	}
	if h := agent.Hint(err); h != "" {
		return h
	}
	switch {
	case errors.Is(err, config.ErrUntrusted):
		return `read the file, then run "ov trust"`
	case errors.Is(err, host.ErrChanged):
		return `the binary is not the one that was registered: look at it, then "ov provider add" it again`
	}
	switch provider.CodeOf(err) {
	case provider.Unauthenticated:
		return `sign in to the service first; "ov provider info NAME" lists the ways in and the variables that are read`
	case provider.Denied:
		return "docs/providers names the permissions that are needed"
	}
	return ""
}

// clean makes text safe for a terminal: names come from other systems.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// ask puts a yes-or-no question on the terminal.
func ask(question string) (bool, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false, errNoTerminal
	}
	defer tty.Close()
	fmt.Fprintf(tty, "%s [y/N] ", clean(question))
	line, err := bufio.NewReader(tty).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", err
}
