// Command ov-import brings secrets from other systems into the vault. `ov
// import` and `ov provider` become it. It sees values on their way from a
// provider process to ov-agent, and no keys.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/version"
)

func main() {
	crash.Contain(nil)
	defer crash.Exit()
	proc.Harden()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// cli is one invocation.
type cli struct {
	in            *os.File
	out, err      io.Writer
	home          string
	app, env      string
	passwordStdin bool
	json          bool
	client        string // an MCP client that this is done for; empty: a person
}

func run(args []string, in *os.File, out, errw io.Writer) int {
	if version.Asked(args) {
		fmt.Fprintln(out, "ov-import", version.Get())
		return 0
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	c := &cli{in: in, out: out, err: errw}
	root := &cobra.Command{Use: "ov", SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true}}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	f := root.PersistentFlags()
	f.StringVar(&c.home, "home", "", "the `folder` that holds everything (default: OV_HOME or ~/.ov)")
	f.StringVarP(&c.app, "app", "a", "", "app to import into")
	f.StringVarP(&c.env, "env", "e", "", "environment to import into")
	f.BoolVar(&c.passwordStdin, "password-stdin", false, "read the master password from stdin")
	root.AddCommand(c.importCmd(), c.providerCmd(), c.forAgentCmd())
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errw)
	return c.report(root.ExecuteContext(ctx))
}

// config resolves home, app and environment as every other command does.
func (c *cli) config() (*config.Config, error) {
	o, err := config.Lookup()
	if err != nil {
		return nil, err
	}
	o.Home, o.App, o.Env = c.home, c.app, c.env
	return config.Load(o)
}

// connect returns a client for the vault in home.
func (c *cli) connect(ctx context.Context, home string) (*agent.Client, error) {
	if c.client != "" { // whoever it is done for gives no password, and is asked nothing here
		return agent.Connect(ctx, agent.Options{Home: home, Client: c.client, Agent: agent.Detect(os.Environ())})
	}
	return agent.Connect(ctx, agent.Options{Home: home, Client: "cli", Agent: agent.Detect(os.Environ()), Password: c.password(),
		Notify: func(line string) { c.say("%s", line) }})
}

// password says where the master password comes from; it is not read here.
func (c *cli) password() agent.Password {
	if c.passwordStdin {
		return agent.FromStdin(c.in)
	}
	return agent.Configured(os.Stderr, func(line string) { c.say("%s", line) })
}

// say tells the person something; it is no data and goes to stderr.
func (c *cli) say(format string, args ...any) {
	io.WriteString(c.err, "ov: "+exit.Clean(fmt.Sprintf(format, args...))+"\n")
}

// terminal reports whether a person is there to be asked.
func (c *cli) terminal() bool {
	return isTerminal(c.in) && isTerminal(c.err)
}

func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

var errNoTerminal = errors.New("no terminal to ask on")
