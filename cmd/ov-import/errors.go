package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/plugins/host"
	"github.com/opaquevault/ov/plugins/plan"
	"github.com/opaquevault/ov/sdk/provider"
)

// Errors of this program.
var (
	errStuck  = errors.New("the plan cannot be applied as it is")
	errPartly = errors.New("not everything was imported")
)

// misuse is a mistake on the command line.
type misuse struct{ error }

func (misuse) Is(target error) bool { return target == exit.ErrUsage }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// exitCode is the table of `ov help exit`, and what of a plan's options is wrong.
func exitCode(err error) int {
	return exit.Code(err, exit.Outcome{Code: 2, Errs: []error{plan.ErrOption}})
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
	case errors.Is(err, exit.ErrUsage):
		return `ov import FILE, or ov import PROVIDER://...; "ov provider list" shows the providers, "ov import --help" the rest`
	case errors.Is(err, config.ErrNoHome):
		return "set HOME, or OV_HOME to the folder that shall hold the vault"
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

// ask puts a yes-or-no question on the terminal.
func ask(question string) (bool, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false, errNoTerminal
	}
	defer tty.Close()
	fmt.Fprintf(tty, "%s [y/N] ", exit.Clean(question))
	line, err := bufio.NewReader(tty).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", err
}
