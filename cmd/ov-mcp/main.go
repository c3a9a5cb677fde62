// Command ov-mcp is the MCP server: it lets a model use secrets without seeing
// them. `ov mcp serve` starts it; it speaks JSON-RPC on standard input and
// output until the input ends.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/opaquevault/ov/cmd/ov-mcp/stdio"
	"github.com/opaquevault/ov/cmd/ov-mcp/tools"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/version"
)

const (
	// grace is how long calls may go on after the client is gone; together with
	// the time to end their commands it stays under patience.
	grace = 700 * time.Millisecond
	// patience is how long the whole end may take. Clients kill a server that
	// takes two seconds.
	patience = 1800 * time.Millisecond
	// memory is what the server's heap is kept under, however much the commands
	// print.
	memory = 48 << 20
)

const instructions = "Secrets live in a vault. Run commands that need credentials with vault_run and name the secrets; you never see a value, " +
	"and output comes back masked. Never ask the user to paste a secret and never put one into an argument or a file."

func main() {
	if code, ok := proc.Reexec(); ok {
		os.Exit(code)
	}
	crash.Contain(nil)
	defer crash.Exit()
	os.Exit(run(os.Args[1:]))
}

// run is `ov mcp VERB ARGS`: what `ov` hands over, with the home folder in front.
func run(args []string) int {
	if version.Asked(args) {
		fmt.Println("ov-mcp", version.Get())
		return 0
	}
	flags := newFlags("ov-mcp")
	home := flags.String("home", "", "the folder that holds the vault")
	if err := flags.Parse(args); err != nil {
		return status("", fmt.Errorf("%w: %w", errUsage, err))
	}
	o, err := config.Lookup()
	if err == nil {
		o.Home = *home
		*home, err = config.Home(o)
	}
	verb, rest := "serve", flags.Args()
	if len(rest) > 0 {
		verb, rest = rest[0], rest[1:]
	}
	if err == nil {
		switch verb {
		case "serve":
			err = serve(o, *home, rest)
		case "install", "uninstall":
			err = install(rest, *home, verb == "uninstall")
		case "list":
			err = list(os.Stdout, rest)
		case "doctor":
			err = doctor(o, *home, rest)
		case "wrap":
			err = wrapped(o, *home, rest)
		default:
			err = fmt.Errorf("%w: ov mcp serve|install|uninstall|list|wrap|doctor", errUsage)
		}
	}
	return status(verb, err)
}

func serve(o config.Options, home string, args []string) error {
	flags := newFlags("serve")
	flags.StringVar(&home, "home", home, "the folder that holds the vault")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return fmt.Errorf("%w: ov mcp serve [--home DIR]", errUsage)
	}
	debug.SetMemoryLimit(memory)
	t, m, err := build(o, home)
	if err != nil {
		return err
	}
	// A closed output is an error to handle, not the end: commands must be ended
	// first. Ignoring the signal would pass that on to them.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	in := &watched{Reader: os.Stdin, ended: make(chan struct{})}
	go deadline(ctx, in.ended)
	s := &stdio.Server{MCP: m, Grace: grace}
	err = s.Serve(ctx, in, os.Stdout)
	t.Close()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// deadline ends the process when its orderly end takes too long, with a client
// that reads nothing for one. The commands that still run are ended by their
// watchers.
func deadline(ctx context.Context, ended <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-ended:
	}
	time.Sleep(patience)
	os.Exit(1)
}

// build puts the server together. It opens nothing and starts nothing: clients
// probe a server by starting it and throwing it away.
func build(o config.Options, home string) (*tools.Tools, *server.MCPServer, error) {
	scanners, err := newInstalled(home, scan.Balanced, func(line string) { fmt.Fprintf(os.Stderr, "ov: %s\n", line) })
	if err != nil {
		return nil, nil, err
	}
	t := tools.New(tools.Config{
		Home: home, UserHome: o.UserHome, Dir: o.Dir, Getenv: os.Getenv, Environ: os.Environ(),
		Masks:   scanners.masks,
		Helper:  findQuicker().helper,
		Connect: newConnections(home).get,
	})
	m := server.NewMCPServer("ov", version.Get().Version, server.WithToolCapabilities(false), server.WithElicitation(), server.WithInstructions(instructions))
	return t, m, t.Register(m)
}
