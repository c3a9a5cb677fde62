package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

func (c *cli) secretCmd() *cobra.Command {
	return noun("secret", "Store, list and delete secrets",
		c.putCmd("create REF", "Store a new secret; fails when it exists", agent.CreateOnly),
		c.putCmd("set REF", "Store a secret, new or not", agent.Upsert),
		c.putCmd("update REF", "Store a new value; fails when the secret does not exist", agent.UpdateOnly),
		c.rotateSecretCmd(),
		c.secretListCmd(), c.secretInfoCmd(), c.historyCmd(), c.rollbackCmd(), c.renameCmd(), c.tagCmd(),
		c.secretDeleteCmd(), c.restoreCmd(), c.revealCmd())
}

// withRef runs f with a client and the secret that args[0] names.
func (c *cli) withRef(f func(context.Context, *agent.Client, secret.Ref) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, ref, err := c.ref(args[0])
		if err != nil {
			return err
		}
		client, err := c.connect(cmd.Context(), cfg.Home)
		if err != nil {
			return err
		}
		defer client.Close()
		return f(cmd.Context(), client, ref)
	}
}

func (c *cli) putCmd(use, short string, mode agent.PutMode) *cobra.Command {
	v := &valueFlags{}
	cmd := c.jsonFlag(&cobra.Command{Use: use, Short: short, Args: oneName, ValidArgsFunction: c.completeRefs,
		Long: short + `.

The value comes from the terminal, where it is not shown, or from --stdin,
--file or --generate. It never comes from the command line.`,
		RunE: c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
			if st, err := client.Status(ctx); err == nil && !st.Vault && !client.ByMachineKey() { // before a value is typed for nothing
				return fmt.Errorf("store %q: %w", ref, agent.ErrNoVault)
			}
			value, err := v.read(c, ref)
			if err != nil {
				return err
			}
			defer value.Wipe()
			info, err := c.put(ctx, client, agent.PutRequest{Ref: ref, Value: value, Mode: mode, Plain: v.plain, Tags: v.tags})
			if err != nil {
				return err
			}
			return c.stored(info, value)
		})})
	v.add(cmd)
	return cmd
}

// oneName accepts a secret's name and nothing that may be its value: that is in
// the shell's history by now, and in the list of processes.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && strings.Contains(args[0], "=") {
		return hinted{usage(cmd, errors.New("a value on the command line")), "give the name alone: ov asks, or reads --stdin or --file. What was typed is in your shell's history: remove it there, and issue a new value"}
	}
	return nArgs(1)(cmd, args)
}

// stored reports a new version, and what to know about its value.
func (c *cli) stored(info agent.Info, value secret.Value) error {
	if value.CheckEnv() != nil {
		c.say("note: the value contains a NUL byte, so \"ov run\" cannot inject it as a variable")
	}
	if info.Weak && !info.Plain {
		c.say("note: the value can be guessed; masking cannot hide it from a program that prints guesses")
	}
	if c.json {
		return c.printJSON(view(info))
	}
	c.say("stored %s, version %d", info.Ref, info.Version)
	return nil
}

// secretView is a secret in --json: these names stay.
type secretView struct {
	Ref     string    `json:"ref"`
	App     string    `json:"app"`
	Env     string    `json:"environment"`
	Name    string    `json:"name"`
	Version uint64    `json:"version"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Plain   bool      `json:"plain"`
	Weak    bool      `json:"weak"`
	Size    int       `json:"size"`
	Tags    []string  `json:"tags"`
	Device  string    `json:"device,omitempty"`
	By      string    `json:"by,omitempty"` // in a history

	Due *time.Time `json:"due,omitempty"` // when it wants a new value, if [rotation] says so
}

func view(i agent.Info) secretView {
	v := secretView{i.Ref.String(), i.Ref.App, i.Ref.Env, i.Ref.Name, i.Version, i.Created, i.Updated, i.Plain, i.Weak, i.Size, i.Tags, i.Device, i.By, nil}
	if v.Tags == nil {
		v.Tags = []string{}
	}
	return v
}

func (c *cli) secretListCmd() *cobra.Command {
	var stale bool
	cmd := c.jsonFlag(&cobra.Command{Use: "list [PREFIX]", Short: "List the secrets of the app and environment; never a value",
		Args: maxArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.context(false)
			if err != nil {
				return err
			}
			client, err := c.connect(cmd.Context(), cfg.Home)
			if err != nil {
				return err
			}
			defer client.Close()
			infos, err := client.List(cmd.Context(), cfg.App.Value, cfg.Env.Value, strings.Join(args, ""))
			nowhere := cfg.App.Rung == config.FromDefault && cfg.Env.Rung == config.FromDefault // nobody has named a place
			if nowhere && errors.Is(err, agent.ErrNotFound) {
				err = nil
			}
			if errors.Is(err, agent.ErrNotFound) {
				return hinted{fmt.Errorf("environment %s: %w", cfg.Context().Space(), agent.ErrNotFound), `"ov env list" shows those that hold secrets; the first "ov secret set" makes one`}
			}
			if err != nil {
				return err
			}
			return c.list(cfg, infos, stale)
		}})
	cmd.Flags().BoolVar(&stale, "stale", false, "only what is due for a new value, as [rotation] of config.toml says")
	return cmd
}

func (c *cli) list(cfg *config.Config, infos []agent.Info, stale bool) error {
	views := []secretView{}
	for _, i := range infos {
		if v := dated(view(i), cfg.User.Rotation); !stale || v.overdue() {
			views = append(views, v)
		}
	}
	if _, told := cfg.User.Rotation[cfg.Env.Value]; stale && !told {
		c.say("nothing says how old a secret of %s may get", cfg.Env.Value)
		c.say("hint: write [rotation] and %s = \"90d\" into %s", cfg.Env.Value, config.UserFile(cfg.Home))
	}
	if c.json {
		return c.printJSON(views)
	}
	if len(views) == 0 {
		c.say("no %ssecrets in %s", map[bool]string{true: "stale "}[stale], cfg.Context().Space())
		return nil
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tVERSION\tUPDATED\tNOTES")
	for _, v := range views {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", v.Name, v.Version, v.Updated.Local().Format("2006-01-02 15:04"), notes(v))
	}
	return w.Flush()
}

func notes(v secretView) string {
	var n []string
	if v.Plain {
		n = append(n, "plain: not masked")
	}
	if v.Weak && !v.Plain {
		n = append(n, "weak: can be guessed")
	}
	if v.overdue() {
		n = append(n, "due for a new value since "+v.Due.Local().Format(time.DateOnly))
	}
	return exit.Clean(strings.Join(append(n, v.Tags...), ", "))
}

func (c *cli) secretInfoCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "info REF", Short: "Show what is known about a secret; never its value",
		Args: nArgs(1), ValidArgsFunction: c.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := c.ref(args[0])
			if err != nil {
				return err
			}
			return c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
				info, err := client.Info(ctx, ref)
				if err != nil {
					return err
				}
				return c.info(dated(view(info), cfg.User.Rotation))
			})(cmd, args)
		}})
}

func (c *cli) info(v secretView) error {
	if c.json {
		return c.printJSON(v)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "secret\t%s\nversion\t%d\ncreated\t%s\nupdated\t%s\nage\t%s\nsize\tat most %d bytes\nnotes\t%s\n",
		v.Ref, v.Version, v.Created.Local().Format(time.DateTime), v.Updated.Local().Format(time.DateTime), age(v), v.Size, notes(v))
	return w.Flush()
}

func (c *cli) secretDeleteCmd() *cobra.Command {
	return &cobra.Command{Use: "delete REF", Short: "Delete a secret", Args: nArgs(1), ValidArgsFunction: c.completeRefs,
		RunE: c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
			if err := client.Delete(ctx, ref); err != nil {
				return err
			}
			c.say("deleted %s; \"ov secret restore\" brings it back for 30 days", ref)
			return nil
		})}
}

// errReveal is a refusal to show a value.
var errReveal = errors.New("reveal is for a person at a terminal")

func (c *cli) revealCmd() *cobra.Command {
	return &cobra.Command{Use: "reveal REF", Short: "Show a value to a person, who types the master password", Args: nArgs(1),
		Long: `Prints one value to the terminal, never to a pipe or file. The master password is asked for even when the vault is
unlocked, and the reading is recorded. Refused when a coding agent runs this shell.`,
		RunE: c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
			if by := agent.Detect(os.Environ()); by != "" {
				return hinted{fmt.Errorf("reveal %q: %w: %w: this shell belongs to %s", ref, agent.ErrDenied, errReveal, by),
					`"ov run" gives a command the secret without showing it`}
			}
			tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
			if err != nil || !isTerminal(c.out) {
				return hinted{fmt.Errorf("reveal %q: %w: %w", ref, agent.ErrDenied, errReveal), `"ov run" gives a command the secret without showing it`}
			}
			defer tty.Close()
			return client.Reveal(ctx, ref, tty)
		})}
}
