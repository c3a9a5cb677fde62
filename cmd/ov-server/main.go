// Command ov-server keeps the ciphertext of vaults for ov: it stores what it
// cannot read. `ov-server serve` needs no configuration.
//
//	config.go   defaults, file, environment and flags become one struct
//	serve.go    listen, drain
//	listen.go   which transport a listener may have
//	key.go      the server's own key
//	keep.go     backup, restore, gc
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
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

// cli is one invocation.
type cli struct {
	env  []string
	out  io.Writer
	err  io.Writer
	file string // --config
	set  Config // what flags set
}

// A hinted error says what to do about it.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error without its hint.
func (h *hinted) Unwrap() error { return h.error }

func hint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

func run(args, env []string, out, errw io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c := &cli{env: env, out: out, err: errw}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(errw, "ov-server: %v\n", err)
	if h, ok := errors.AsType[*hinted](err); ok {
		fmt.Fprintf(errw, "ov-server: hint: %s\n", h.hint)
	}
	return 1
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "ov-server", Short: "Keep the ciphertext of vaults for ov", Version: version(),
		SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	f := root.PersistentFlags()
	f.StringVar(&c.file, "config", "", "the configuration `file` (default: OV_SERVER_CONFIG, else none)")
	f.StringVar(&c.set.Data, "data", "", "the `folder` of the SQLite database and the server's key")
	f.StringVar(&c.set.Database, "database", "", "`postgres://...` instead of SQLite in the data folder")
	f.StringVar(&c.set.Key, "key", "", "the `file` of the server's key (default: server.key in the data folder)")
	root.AddCommand(c.serveCmd(), c.keyCmd(), c.backupCmd(), c.restoreCmd(), c.removeCmd(), c.gcCmd())
	return root
}

func (c *cli) serveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Answer ov's requests", Args: cobra.NoArgs,
		Long: `Answer ov's requests. Without any configuration the database is SQLite in a
folder of yours and the listener is on loopback, where requests come sealed.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVar(&c.set.Listen, "listen", "", "`address` to listen on (default "+defaultListen+")")
	f.StringVar(&c.set.TLSCert, "tls-cert", "", "certificate chain, a PEM `file`")
	f.StringVar(&c.set.TLSKey, "tls-key", "", "its private key, a PEM `file`")
	f.BoolVar(&c.set.InsecureHTTP, "insecure-http", false, "plain HTTP behind a proxy: on loopback only, sealed requests only")
	f.StringVar(&c.set.MetricsListen, "metrics-listen", "", "serve /metrics, /healthz and /readyz on an `address` of its own, without TLS")
	f.StringVar(&c.set.Registration, "registration", "", "`open` or closed: whether there may be new vaults")
	return cmd
}
