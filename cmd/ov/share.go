package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) shareCmd() *cobra.Command {
	var with, name, role, expires string
	cmd := &cobra.Command{Use: "share APP/ENVIRONMENT --with WORDS", Short: "Let another person read an environment; needs the master password",
		Long: `Lets another person read one environment of your vault, with keys of their own. They ask, and tell you the six words that
their machine shows:

  ov --home ~/.ov-shop share ask --server URL --vault ID
  ov share shop/production --with WORDS --role read

What they are sent is sealed to their key. They read the environment from that home, with a password of their own; whatever
they sign is no change of your vault. "ov share revoke" gives the environment a new key.`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, errors.New("which environment? APP/ENVIRONMENT"))
			}
			app, env, ok := strings.Cut(args[0], "/")
			switch {
			case !ok || app == "" || env == "" || strings.Contains(env, "/"):
				return usage(cmd, fmt.Errorf("environment %q: want APP/ENVIRONMENT", args[0]))
			case with == "":
				return usage(cmd, errors.New("with whom? --with WORDS"))
			case role != "read":
				return usage(cmd, fmt.Errorf("--role %q: want read; members who write are not there yet", role))
			}
			r := agent.ShareRequest{App: app, Env: env, Words: with, Name: name}
			var err error
			if r.NotAfter, err = until(expires, time.Now()); err != nil {
				return usage(cmd, err)
			}
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				m, err := client.Share(cmd.Context(), r)
				if err != nil {
					return err
				}
				c.say("%q reads %s/%s, %s", exit.Clean(m.Name), m.App, m.Env, ends(m))
				return nil
			})(cmd, nil)
		}}
	f := cmd.Flags()
	f.StringVar(&with, "with", "", "the six `WORDS` that the person's machine shows")
	f.StringVar(&role, "role", "read", "what they may do: read")
	f.StringVar(&name, "name", "", "what they are called here (default: as they call themselves)")
	f.StringVar(&expires, "expires", "never", "when it ends: `AGE`, as 90d, 12w, 36h; or never")
	cmd.AddCommand(c.shareAskCmd(), c.shareListCmd(), c.shareRevokeCmd())
	return cmd
}

func (c *cli) shareAskCmd() *cobra.Command {
	var s serverFlags
	var id string
	cmd := &cobra.Command{Use: "ask", Short: "Ask another person for an environment of their vault", Args: noArgs,
		Long: `Asks the owner of a vault for one environment of it, and waits. It gets a home of its own (--home FOLDER, or OV_HOME) and a
password of your own; from then on "ov --home FOLDER run --app A --env E -- COMMAND" uses it.`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			server, err := s.server()
			if err != nil || server == nil || id == "" {
				return usage(cmd, errors.Join(err, errors.New("whose? --server URL --vault ID")))
			}
			server.Vault = id
			r, err := client.ShareAsk(cmd.Context(), *server)
			if err != nil {
				return err
			}
			c.say("tell the vault's owner these words:  %s", r.Words)
			c.say("hint: they run \"ov share APP/ENVIRONMENT --with WORDS\"; the request is kept until %s", r.Expires.Local().Format(time.TimeOnly))
			m, err := client.ShareWait(cmd.Context())
			if err != nil {
				return err
			}
			c.say("this home reads %s/%s", m.App, m.Env)
			c.say("hint: ov run --app %s --env %s -- COMMAND", m.App, m.Env)
			return nil
		})}
	s.add(cmd, "the vault's server:")
	cmd.Flags().StringVar(&id, "vault", "", "the vault's `ID`, which its owner sees in \"ov vault status\"")
	return cmd
}

func (c *cli) shareListCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "list", Short: "List the people that environments are shared with", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			list, err := client.Members(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(append([]agent.Machine{}, list...))
			}
			if len(list) == 0 {
				c.say("nothing is shared")
				return nil
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tID\tREADS\tSINCE\tENDS")
			for _, m := range list {
				fmt.Fprintf(w, "%s\t%.8s\t%s/%s\t%s\t%s\n", exit.Clean(m.Name), m.ID, m.App, m.Env, date(m.Added), ends(m))
			}
			return w.Flush()
		})})
}

func (c *cli) shareRevokeCmd() *cobra.Command {
	return &cobra.Command{Use: "revoke NAME", Short: "End what a person reads, by name or id; needs the master password", Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				m, err := client.RevokeMember(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				c.say("%q reads nothing any more; %s/%s has a new key", exit.Clean(m.Name), m.App, m.Env)
				c.say("hint: what they had read they have: give its secrets new values")
				return nil
			})(cmd, args)
		}}
}
