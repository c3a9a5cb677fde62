package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// load resolves the context of a command. On a terminal the person is asked
// about a project file that nobody has trusted yet.
func (c *cli) load(o config.Options) (*config.Config, error) {
	if home, err := config.Home(o); err == nil { // before anything in it is believed
		if err := agent.CheckHome(home); err != nil {
			return nil, err
		}
	}
	cfg, err := config.Load(o)
	if !errors.Is(err, config.ErrUntrusted) || !isTerminal(c.in) || !isTerminal(c.err) {
		return cfg, err
	}
	if ok, asked := c.ask(fmt.Sprintf("%s is new, or has changed:\n\n%s\nUse it?", cfg.Project.Path, cfg.Project.Content())); asked != nil || !ok {
		return cfg, err
	}
	if err := config.Trust(cfg.Home, cfg.Project); err != nil {
		return nil, err
	}
	return config.Load(o)
}

// context resolves where a command is; list says that it uses the project's list.
func (c *cli) context(list bool) (*config.Config, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	o.List = list
	return c.load(o)
}

// ref reads a reference; what it leaves out comes from the context.
func (c *cli) ref(arg string) (*config.Config, secret.Ref, error) {
	o, err := c.options()
	if err != nil {
		return nil, secret.Ref{}, err
	}
	switch parts := strings.Split(arg, "/"); len(parts) {
	case 2:
		o.RefEnv = parts[0]
	case 3:
		o.RefApp, o.RefEnv = parts[0], parts[1]
	}
	if _, err := secret.ParseRef(arg, secret.Ref{App: config.DefaultApp, Env: config.DefaultEnv}); err != nil {
		parts := strings.Split(arg, "/")
		if name := wellFormed(parts[len(parts)-1]); name != "" && len(parts) <= 3 {
			err = hinted{err, fmt.Sprintf("a name is a variable's: did you mean %s?", strings.Join(append(parts[:len(parts)-1:len(parts)-1], name), "/"))}
		}
		return nil, secret.Ref{}, err
	}
	cfg, err := c.load(o)
	if err != nil {
		return nil, secret.Ref{}, err
	}
	r, err := secret.ParseRef(arg, cfg.Context())
	return cfg, r, err
}

// homeFolder returns where everything is, for commands without a context.
func (c *cli) homeFolder() (string, error) {
	o, err := c.options()
	if err != nil {
		return "", err
	}
	home, err := config.Home(o)
	if err != nil {
		return "", err
	}
	return home, agent.CheckHome(home)
}

// connect returns a client for the vault in home.
func (c *cli) connect(ctx context.Context, home string) (*agent.Client, error) {
	return agent.Connect(ctx, agent.Options{Home: home, Client: "cli", Agent: agent.Detect(os.Environ()), Password: c.password(),
		Notify: func(line string) { c.say("%s", line) }, Locks: func() agent.Locks { return c.locks }})
}

// password says where the master password comes from, should it be needed. ov
// passes a descriptor on and reads none of them.
func (c *cli) password() agent.Password {
	switch {
	case c.passwordStdin:
		return agent.FromStdin(c.in)
	case c.remembered:
		return agent.FromKeyring()
	}
	return agent.Configured(c.err, func(line string) { c.say("%s", line) })
}

// ask puts a yes-or-no question on the terminal.
func (c *cli) ask(question string) (bool, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Errorf("ask: no terminal")
	}
	defer tty.Close()
	fmt.Fprintf(tty, "%s [y/N] ", exit.Clean(question))
	line, err := bufio.NewReader(tty).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", err
}

// sure asks question, unless the answer was given with --yes.
func (c *cli) sure(yes bool, cmd *cobra.Command, question string) error {
	if yes {
		return nil
	}
	if ok, err := c.ask(question); err != nil || !ok {
		path := cmd.CommandPath()
		return hinted{fmt.Errorf("%s: nobody said yes", strings.TrimPrefix(path, "ov ")), fmt.Sprintf("in a script: \"%s --yes\"", path)}
	}
	return nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
