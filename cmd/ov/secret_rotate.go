package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// errRotate is wrapped by a rotation that left the secret as it was.
var errRotate = errors.New("not rotated")

// A rotation replaces the value of one secret, and takes it back when it does
// not work.
type rotation struct {
	command, verify, generate string
	secrets, reason           string
	timeout                   time.Duration
}

func (c *cli) rotateSecretCmd() *cobra.Command {
	var r rotation
	cmd := c.jsonFlag(&cobra.Command{Use: "rotate REF", Short: "Replace a value by a new one, and go back when that does not work",
		ValidArgsFunction: c.completeRefs,
		Long: `Makes a new value, stores it as a new version, and has a command try it.

--command is a line of shell that prints the new value on stdout, which nobody is shown; it gets the present value in the
variable NAME, and what --secrets names. What it says on stderr is shown, masked. --verify is a line of shell that gets the
new value in the variable NAME and succeeds when it works. When it fails, the version before becomes the newest again.`,
		Example: `  ov secret rotate API_KEY --command './issue-key' --verify 'curl -sf -H "X-Key: $API_KEY" https://api.example.com/me'
  ov secret rotate DB_PASSWORD --generate=32 --command 'psql -c "alter user app password '"'$DB_PASSWORD'"'"'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if (r.command == "") == (r.generate == "") {
				return usage(cmd, errors.New("one of --command and --generate says where the new value comes from"))
			}
			return nArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, ref, err := c.ref(args[0])
			if err != nil {
				return err
			}
			client, err := c.connect(cmd.Context(), cfg.Home)
			if err != nil {
				return err
			}
			defer client.Close()
			return c.rotate(cmd.Context(), client, cfg, ref, &r)
		}})
	f := cmd.Flags()
	f.StringVar(&r.command, "command", "", "a line of `SHELL` that prints the new value on stdout")
	f.StringVar(&r.generate, "generate", "", "make the new value: `LENGTH[:ALPHABET]`")
	f.Lookup("generate").NoOptDefVal = "32:alnum"
	f.StringVar(&r.verify, "verify", "", "a line of `SHELL` that fails when the new value does not work")
	f.StringVarP(&r.secrets, "secrets", "s", "", "`NAMES` of more secrets for both commands")
	f.DurationVar(&r.timeout, "timeout", 5*time.Minute, "end a command after this long")
	f.StringVar(&r.reason, "reason", "", "why, for the audit log")
	return cmd
}

func (c *cli) rotate(ctx context.Context, client *agent.Client, cfg *config.Config, ref secret.Ref, r *rotation) error {
	before, err := client.Info(ctx, ref)
	if err != nil {
		return err
	}
	value, from, err := c.fresh(ctx, client, cfg, ref, r)
	if err != nil {
		return fmt.Errorf("rotate %q: %w: %w", ref, errRotate, err)
	}
	defer value.Wipe()
	now, err := client.Put(ctx, agent.PutRequest{Ref: ref, Value: value, Mode: agent.UpdateOnly, Plain: before.Plain, Tags: before.Tags,
		IfVersion: before.Version, From: from, Reason: r.reason})
	if err != nil {
		return hinted{fmt.Errorf("rotate %q: store the new value: %w", ref, err), "the new value is lost: revoke it where it was issued"}
	}
	if err := c.tryOut(ctx, client, cfg, ref, r); err != nil {
		return c.takeBack(ctx, client, before, now, err)
	}
	return c.stored(now, value)
}

// fresh makes the new value.
func (c *cli) fresh(ctx context.Context, client *agent.Client, cfg *config.Config, ref secret.Ref, r *rotation) (secret.Value, agent.Source, error) {
	if r.generate != "" {
		v, err := generate(r.generate)
		return v, agent.Source{Kind: agent.FromGenerator}, err
	}
	take := &broker.Take{Name: ref.Name}
	code, err := c.shellLine(ctx, client, cfg, ref, r, r.command, take)
	switch {
	case err != nil:
	case code != 0:
		err = fmt.Errorf("the command exits with %d", code)
	default:
		err = take.Value.Check(false)
	}
	if err != nil {
		take.Value.Wipe()
	}
	dir, derr := os.Getwd()
	return take.Value, agent.Source{Kind: agent.FromACommand, Executable: shell, Argv: shellArgv(r.command), Dir: dir, Inherited: os.Environ()},
		errors.Join(err, derr)
}

const shell = "/bin/sh"

func shellArgv(line string) []string { return []string{shell, "-c", line} }

// tryOut has the command of --verify use the new value.
func (c *cli) tryOut(ctx context.Context, client *agent.Client, cfg *config.Config, ref secret.Ref, r *rotation) error {
	if r.verify == "" {
		return nil
	}
	code, err := c.shellLine(ctx, client, cfg, ref, r, r.verify, nil)
	if err == nil && code != 0 {
		err = fmt.Errorf("--verify exits with %d", code)
	}
	return err
}

// takeBack makes the version before the newest again, also when the person has
// lost patience meanwhile.
func (c *cli) takeBack(ctx context.Context, client *agent.Client, before, now agent.Info, why error) error {
	back, err := client.Rollback(context.WithoutCancel(ctx), before.Ref, before.Version)
	if err != nil {
		return hinted{fmt.Errorf("rotate %q: %w: and going back to version %d did not work either: %w", before.Ref, why, before.Version, err),
			fmt.Sprintf("version %d is the new value; \"ov secret rollback %s --to %d\"", now.Version, before.Ref, before.Version)}
	}
	return hinted{fmt.Errorf("rotate %q: %w: %w; version %d holds the value of version %d again", before.Ref, errRotate, why, back.Version, before.Version),
		fmt.Sprintf("version %d is the new value, in case it works after all", now.Version)}
}

// shellLine runs a line of shell with the secret, and what --secrets names.
func (c *cli) shellLine(ctx context.Context, client *agent.Client, cfg *config.Config, ref secret.Ref, r *rotation, line string, take *broker.Take) (int, error) {
	f := runFlags{secrets: r.secrets, mask: maskFlags{lanes: "all", level: "precise"}}
	wants := []broker.Want{}
	if r.secrets != "" {
		var err error
		if wants, err = f.wants(cfg); err != nil {
			return 0, err
		}
	}
	mask, err := f.mask.options(c, cfg.Home)
	if err != nil {
		return 0, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return 0, fmt.Errorf("find working directory: %w", err)
	}
	return broker.Run(ctx, client, broker.Request{
		Argv: shellArgv(line), Dir: dir, Environ: os.Environ(), Wants: append(wants, broker.Want{Ref: ref, As: ref.Name}),
		Space: cfg.Context(), Redact: mask, Timeout: r.timeout, Reason: r.reason, Take: take,
		Stdin: c.in, Stdout: c.err, Stderr: c.err, Relay: true,
		Notice: func(line string) { c.say("%s", line) }, Opened: func(int) {},
	})
}
