// Command ov runs commands with secrets that never come back: see README.md.
//
// main takes streams and returns a number; a command is one function in the
// file of its noun; errors.go alone knows exit codes and hints.
//
//go:debug containermaxprocs=0
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/version"
)

func main() {
	if code, ok := proc.Reexec(); ok {
		os.Exit(code)
	}
	// Before anything of ours is open: the pipes of a shell's <(...) are found by their numbers.
	pipes := proc.NamedPipes(os.Args[1:])
	ctx, end := context.WithCancelCause(context.Background())
	crash.Contain(func(s os.Signal) {
		end(fmt.Errorf("%w: %v", errSignal, s))
		time.Sleep(patience) // for the child's end and the audit record
		os.Exit(crash.Status)
	})
	defer crash.Exit()

	os.Exit(run(ctx, os.Args[1:], pipes, streams{os.Stdin, os.Stdout, os.Stderr}))
}

// errSignal is why a command ends that was sent a signal of a fault.
var errSignal = errors.New("ended by a signal")

// patience is how long it has for that.
const patience = 5 * time.Second

// streams are what the process was started with.
type streams struct{ in, out, err *os.File }

// cli is one invocation: its streams and the flags that every command has.
type cli struct {
	streams
	home, app, env string
	passwordStdin  bool
	remembered     bool // the password is in the system's keyring
	json           bool
	pipes          []int       // of a shell's <(...), which ov run passes on
	locks          agent.Locks // of the third-party scanners that were loaded
}

// run is the whole program: arguments and streams in, exit status out.
func run(ctx context.Context, args []string, pipes []int, s streams) int {
	c := &cli{streams: s, pipes: pipes}
	// Without a handler a broken pipe on stdout would end ov before the audit
	// record is complete; ignoring the signal would pass that on to children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	root := c.root(args)
	root.SetArgs(args)
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	cmd, err := root.ExecuteContextC(ctx)
	return c.report(cmd, err)
}

// A verb is a command below ov: under which heading, and what makes it.
type verb struct {
	name, group string
	cmd         func() *cobra.Command
}

func (c *cli) verbs() []verb {
	return []verb{
		{"run", "day", c.runCmd}, {"shell", "day", c.shellCmd}, {"secret", "day", c.secretCmd}, {"redact", "day", c.redactCmd},
		{"scan", "day", c.scanCmd}, {"mcp", "day", c.mcpCmd}, {"import", "day", c.importCmd},
		{"init", "place", c.initCmd}, {"trust", "place", c.trustCmd}, {"status", "place", c.statusCmd}, {"app", "place", c.appCmd},
		{"env", "place", c.envCmd}, {"scanner", "place", c.scannerCmd}, {"provider", "place", c.providerCmd},
		{"vault", "vault", c.vaultCmd}, {"unlock", "vault", c.unlockCmd}, {"lock", "vault", c.lockCmd}, {"agent", "vault", c.agentCmd},
		{"audit", "vault", c.auditCmd}, {"policy", "vault", c.policyCmd}, {"approve", "vault", c.approveCmd},
		{"sync", "vault", c.syncCmd}, {"device", "vault", c.deviceCmd}, {"auth", "vault", c.authCmd}, {"share", "vault", c.shareCmd},
		{"version", "about", c.versionCmd}, {"doctor", "about", c.doctorCmd}, {"selftest", "about", c.selftestCmd},
	}
}

// root is the tree of commands. When the first of args is a verb the others are
// left out: making all of them takes as long as the rest of a start.
func (c *cli) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "ov",
		Short:         "Run commands with secrets; no trace of them comes back",
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return c.welcome(cmd.Context()) },
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version.Get().String(),
	}
	root.SetFlagErrorFunc(badFlag)
	f := root.PersistentFlags()
	f.StringVar(&c.home, "home", "", "the `folder` that holds everything (default: OV_HOME or ~/.ov)")
	f.StringVarP(&c.app, "app", "a", "", "app instead of the one of .ov.yaml")
	f.StringVarP(&c.env, "env", "e", "", "environment instead of the one of .ov.yaml")
	f.BoolVar(&c.passwordStdin, "password-stdin", false, "read the master password from stdin")
	root.AddGroup(&cobra.Group{ID: "day", Title: "Every day:"}, &cobra.Group{ID: "place", Title: "Where you are:"},
		&cobra.Group{ID: "vault", Title: "The vault:"}, &cobra.Group{ID: "about", Title: "About ov:"})
	all := c.verbs()
	if i := slices.IndexFunc(all, func(v verb) bool { return len(args) > 0 && v.name == args[0] }); i >= 0 {
		all = all[i : i+1]
	} else {
		root.AddCommand(append(topics(), c.manCmd())...)
	}
	for _, v := range all {
		cmd := v.cmd()
		cmd.GroupID = v.group
		root.AddCommand(cmd)
	}
	root.SetHelpCommandGroupID("about")
	root.SetCompletionCommandGroupID("about")
	if len(all) > 1 {
		root.SetHelpCommand(helpCmd(root))
		plainCompletions(root)
		if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
			unquoted(root)
		}
	}
	return root
}

// noun returns a command that only holds verbs.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknown(cmd, args[0])
		}
		return usage(cmd, fmt.Errorf("which verb? %s", strings.Join(names(verbs), ", ")))
	}, RunE: func(cmd *cobra.Command, _ []string) error { return nil }}
	cmd.AddCommand(verbs...)
	return cmd
}

func names(cmds []*cobra.Command) []string {
	var all []string
	for _, cmd := range cmds {
		all = append(all, cmd.Name())
	}
	return all
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.HasSubCommands() {
		return unknown(cmd, args[0])
	}
	return nArgs(0)(cmd, args)
}

// nArgs accepts exactly n arguments.
func nArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(cmd, fmt.Errorf("%d arguments, want %d", len(args), n))
		}
		return nil
	}
}

// maxArgs accepts at most n arguments.
func maxArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usage(cmd, fmt.Errorf("%d arguments, want at most %d", len(args), n))
		}
		return nil
	}
}

// jsonFlag gives a command --json.
func (c *cli) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// printJSON writes v to stdout, indented, field order as declared.
func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printf writes data to stdout.
func (c *cli) printf(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// say tells the person something; it is no data and goes to stderr.
func (c *cli) say(format string, args ...any) {
	io.WriteString(c.err, "ov: "+exit.Clean(fmt.Sprintf(format, args...))+"\n")
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// options returns what the configuration is resolved from.
func (c *cli) options() (config.Options, error) {
	o, err := config.Lookup()
	o.Home, o.App, o.Env = c.home, c.app, c.env
	return o, err
}
