package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/cmd/ov-mcp/wrap"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/scan"
)

// exited is the wrapped server's own exit status.
type exited struct{ code int }

func (e exited) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// wrapped is `ov mcp wrap -- SERVER ARGS`: the same broker as `ov run`, with
// output that is masked as JSON messages.
func wrapped(o config.Options, home string, args []string) error {
	flags := newFlags("wrap")
	flags.StringVar(&home, "home", home, "the folder that holds the vault")
	flags.StringVar(&o.App, "app", "", "app of references that name none")
	flags.StringVar(&o.Env, "env", "", "environment of references that name none")
	names := flags.String("secrets", "", "NAMES separated by commas; VAR=NAME renames")
	if err := flags.Parse(args); err != nil || flags.NArg() == 0 {
		return fmt.Errorf("%w: ov mcp wrap [--secrets A,B] -- SERVER ARGS", errUsage)
	}
	o.Home = home
	cfg, err := config.Load(o)
	if err != nil {
		return err
	}
	wants, environ, err := wrap.Split(os.Environ(), cfg.Context())
	if err == nil {
		wants, err = wrap.Named(wants, *names, cfg.Context())
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if len(wants) == 0 {
		return fmt.Errorf("%w: no secret is named: set a variable to ov://NAME in the client's configuration, or use --secrets", errUsage)
	}
	masks, locks, err := masking(cfg.Home, scan.Precise)
	if err != nil {
		return err
	}
	client, err := agent.Connect(context.Background(), agent.Options{Home: cfg.Home, Client: "mcp:wrap", Agent: agent.Detect(environ),
		Locks: func() agent.Locks { return locks }})
	if err != nil {
		return err
	}
	defer client.Close()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	code, err := broker.Run(context.Background(), client, broker.Request{
		Argv: flags.Args(), Dir: o.Dir, Environ: environ, Wants: wants, Space: cfg.Context(),
		Redact: masks,
		Stdin:  os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Frames: true, Relay: true, Leader: true, Grace: grace,
		Notice: func(line string) { fmt.Fprintf(os.Stderr, "ov: %s\n", line) }, Opened: func(int) {},
	})
	if err != nil {
		return err
	}
	if code != 0 {
		return exited{code}
	}
	return nil
}

// status maps what a verb returned to an exit status.
func status(verb string, err error) int {
	e := exited{}
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, errUsage):
		fmt.Fprintf(os.Stderr, "ov: %v\n", err)
		return 2
	}
	fmt.Fprintf(os.Stderr, "ov: mcp %s: %v\n", verb, err)
	if hint := agent.Hint(err); hint != "" {
		fmt.Fprintf(os.Stderr, "ov: hint: %s\n", hint)
	}
	if verb == "wrap" { // as ov run: 125 is ov's own failure
		return 125
	}
	return exit.Code(err)
}
