package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

// runFlags are the flags of ov run.
type runFlags struct {
	mask               maskFlags
	secrets, reason    string
	pristine, keep     bool
	pty, noPTY         bool
	deliver, templates []string
	shell              bool     // it is ov shell
	environ            []string // on top of ours
	timeout            time.Duration
	sweep              bool
}

func (c *cli) runCmd() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run a command with secrets; every trace of them is masked",
		Long: `Runs COMMAND with secrets in its environment. What it prints comes back with every secret, plain or encoded,
replaced by [REDACTED:NAME]. stdin is the command's own.

Which secrets: --secrets, else the list in .ov.yaml, else all of the app and environment.
The exit status is the command's own; 125 means that ov itself failed (see "ov help exit").`,
		Example: `  ov run -- npm test
  ov run --secrets DATABASE_URL,TOKEN=GITHUB_TOKEN -- ./deploy
  ov run --env production --secrets API_KEY -- sh -c 'curl -H "X-Key: $API_KEY" https://api.example.com'`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return hinted{usage(cmd, errors.New("no command")), "ov run -- COMMAND [ARG...]"}
			case f.pty && f.noPTY:
				return usage(cmd, errors.New("--pty and --no-pty exclude each other"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.runChild(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false)
	fl.StringVarP(&f.secrets, "secrets", "s", "", "`NAMES` separated by commas; VAR=NAME renames")
	f.mask.add(cmd)
	cmd.RegisterFlagCompletionFunc("secrets", c.completeNames)
	fl.BoolVar(&f.pristine, "pristine", false, "start from an empty environment")
	fl.BoolVar(&f.keep, "keep-existing", false, "leave variables alone that are set already")
	fl.BoolVar(&f.pty, "pty", false, "give the command a terminal of its own, whatever stdout is")
	fl.BoolVar(&f.noPTY, "no-pty", false, "pipes even on a terminal")
	f.deliveryFlags(cmd)
	fl.DurationVar(&f.timeout, "timeout", 0, "end the command after this long: TERM, then KILL")
	fl.BoolVar(&f.sweep, "sweep", false, "say which files below the working directory the command wrote that hold a secret")
	fl.StringVar(&f.reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c *cli) runChild(ctx context.Context, f runFlags, argv []string) error {
	cfg, err := c.context(f.secrets == "")
	if err != nil {
		return err
	}
	wants, err := f.wants(cfg)
	if err != nil {
		return err
	}
	deliver, err := f.deliveries(cfg)
	if err != nil {
		return err
	}
	templates, err := f.templateFiles()
	if err != nil {
		return err
	}
	if c.passwordStdin {
		return hinted{misuse{errors.New("--password-stdin: stdin belongs to the command")}, "use OV_PASSWORD_FILE or \"ov unlock\""}
	}
	client, err := c.connect(ctx, cfg.Home)
	if err != nil {
		return err
	}
	defer client.Close()
	client.Warm(ctx)
	mask, err := f.mask.options(c, cfg.Home)
	if err != nil {
		return err
	}
	terminal, err := proc.NewTerminal(f.mode(), c.in, c.out, c.err)
	if err != nil {
		return err
	}
	defer terminal.Close()
	var passed ledger
	flows, err := c.thirdParty(ctx, client, cfg.Home, &mask, &passed)
	if err != nil {
		return err
	}
	out, err := c.outputs(flows, terminal != nil)
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find working directory: %w", err)
	}
	r := broker.Request{
		Argv: argv, Dir: dir, Environ: append(os.Environ(), f.environ...), Shell: f.shell, Pristine: f.pristine, KeepExisting: f.keep,
		Wants: wants, Space: cfg.Context(), Redact: mask, Timeout: f.timeout, Reason: f.reason,
		Deliver: deliver, Templates: templates, Passed: func() []agent.Count { return append(passed.counts(), out.counts()...) },
		Inherit: c.inherit(argv),
		Stdin:   c.in, Stdout: out.stdout, Stderr: out.stderr, Terminal: terminal, Relay: true,
		Notice: func(line string) { c.say("%s", line) },
		Opened: func(n int) {
			if wants == nil && (n == 0 || isTerminal(c.err)) {
				c.say("%s of %s", plural(n, "secret"), cfg.Context().Space())
			}
		},
	}
	if f.sweep {
		s, err := c.newSweep(dir)
		if err != nil {
			return err
		}
		defer s.root.Close()
		r.Sweep = s.look
	}
	code, err := broker.Run(ctx, client, r)
	err = errors.Join(err, out.close())
	if errors.Is(err, proc.ErrNotFound) && strings.ContainsAny(argv[0], " |;&<>$") {
		err = hinted{err, "a line of shell goes to a shell: ov run -- sh -c '...'"}
	}
	if err != nil || code == 0 {
		return err
	}
	return exited{code}
}

// inherit returns the pipes that the command's arguments name and that were open when we started.
func (c *cli) inherit(argv []string) []int {
	return slices.DeleteFunc(proc.NamedPipes(argv), func(fd int) bool { return !slices.Contains(c.pipes, fd) })
}

// mode says whether the command gets a terminal of its own.
func (f *runFlags) mode() proc.Mode {
	switch {
	case f.pty:
		return proc.Always
	case f.noPTY:
		return proc.Never
	}
	return proc.Auto
}

// wants returns which secrets go where; nil means all of the environment.
func (f *runFlags) wants(cfg *config.Config) ([]broker.Want, error) {
	entries := []config.Entry(nil)
	if cfg.Project != nil && cfg.Project.Trusted {
		entries = cfg.Project.Secrets
	}
	if f.secrets != "" {
		entries = nil
		for item := range strings.SplitSeq(f.secrets, ",") {
			item = strings.TrimSpace(item)
			as, name, renamed := strings.Cut(item, "=")
			if !renamed {
				as, name = "", item
			} else if err := secret.CheckName(as); err != nil {
				return nil, misuse{fmt.Errorf("--secrets: %w", err)}
			}
			entries = append(entries, config.Entry{Name: name, As: as})
		}
	}
	if entries == nil {
		return nil, nil
	}
	wants := []broker.Want{}
	for _, e := range entries {
		ref, err := secret.ParseRef(e.Name, cfg.Context())
		if err != nil {
			return nil, err
		}
		w := broker.Want{Ref: ref, As: e.As}
		if w.As == "" {
			w.As = ref.Name
		}
		if slices.ContainsFunc(wants, func(o broker.Want) bool { return o.As == w.As }) {
			return nil, misuse{fmt.Errorf("two secrets for the variable %s", w.As)}
		}
		wants = append(wants, w)
	}
	return wants, nil
}
