package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

// may says what a role lets somebody do.
func may(r agent.Role) string {
	return map[agent.Role]string{agent.RoleRead: "read", agent.RoleWrite: "read and write"}[r]
}

func (c *cli) shareCmd() *cobra.Command {
	var with, name, role, expires, request string
	cmd := &cobra.Command{Use: "share APP/ENVIRONMENT --with WORDS", Short: "Let another person into an environment; needs the master password",
		Long: `Lets another person read, or read and write, one environment of your vault, with keys of their own. They ask, and tell you the
six words that their machine shows. By text, which travels by whatever way you have:

  ov --home ~/.ov-shop share ask --text                             theirs: prints a request
  ov share shop/production --with WORDS --role read --request TEXT  yours: prints an invitation
  ov --home ~/.ov-shop share accept INVITATION                      theirs

or through the vault's server, while they wait:

  ov --home ~/.ov-shop share ask --server URL --vault ID
  ov share shop/production --with WORDS --role read

An invitation opens with the keys of who asked, and with no others. Compare words by voice: yours of them here, theirs of you
when they accept. "ov share revoke" gives the environment a new key.`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := agent.ShareRequest{Words: with, Name: name, Role: agent.Role(role)}
			if err := whatShared(&r, args); err != nil {
				return usage(cmd, err)
			}
			var err error
			if r.NotAfter, err = until(expires, time.Now()); err != nil {
				return usage(cmd, err)
			}
			if request != "" {
				if r.Request, err = c.text(request); err != nil {
					return usage(cmd, err)
				}
			}
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				out, err := client.Share(cmd.Context(), r)
				if err != nil {
					return err
				}
				return c.shared(&out)
			})(cmd, nil)
		}}
	f := cmd.Flags()
	f.StringVar(&with, "with", "", "the six `WORDS` that the person's machine shows")
	f.StringVar(&role, "role", "read", "what they may do: `read` or write")
	f.StringVar(&name, "name", "", "what they are called here (default: as they call themselves)")
	f.StringVar(&expires, "expires", "never", "when it ends: `AGE`, as 90d, 12w, 36h; or never")
	f.StringVar(&request, "request", "", "their request, when it came as text: the `TEXT`, a file that holds it, or - for stdin")
	cmd.AddCommand(c.shareAskCmd(), c.shareAcceptCmd(), c.shareListCmd(), c.shareRevokeCmd())
	return c.jsonFlag(cmd)
}

// whatShared reads which environment is meant, and holds r together.
func whatShared(r *agent.ShareRequest, args []string) error {
	if len(args) == 0 {
		return errors.New("which environment? APP/ENVIRONMENT")
	}
	var ok bool
	r.App, r.Env, ok = strings.Cut(args[0], "/")
	switch {
	case !ok || r.App == "" || r.Env == "" || strings.Contains(r.Env, "/"):
		return fmt.Errorf("environment %q: want APP/ENVIRONMENT", args[0])
	case r.Words == "":
		return errors.New("with whom? --with WORDS")
	case may(r.Role) == "":
		return fmt.Errorf("--role %q: want read or write", r.Role)
	}
	return nil
}

// shared tells what was shared, and prints the invitation.
func (c *cli) shared(out *agent.ShareAnswer) error {
	if c.json {
		return c.printJSON(out)
	}
	c.say("%q may %s %s/%s, %s", exit.Clean(out.Name), may(out.Role), out.App, out.Env, ends(out.Machine))
	if out.Invitation != "" {
		c.printf("%s\n", out.Invitation)
		c.say("hint: send them this line; it opens for nobody else. They run \"ov share accept\", and compare:")
	}
	c.say("words of this device: %s", out.OwnerWords)
	return nil
}

// maxText is the longest request or invitation that is read.
const maxText = 64 << 10

// text returns what arg is or names: a request or an invitation, a file that
// holds one, or - for stdin.
func (c *cli) text(arg string) (string, error) {
	if trimmed := strings.TrimSpace(arg); strings.HasPrefix(trimmed, "ovask1_") || strings.HasPrefix(trimmed, "ovinv1_") {
		return arg, nil
	}
	in := c.in
	if arg != "-" {
		f, err := os.Open(arg)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	} else if c.passwordStdin {
		return "", errors.New("the text and the password cannot both come from stdin")
	}
	b, err := io.ReadAll(io.LimitReader(in, maxText+1))
	if err == nil && len(b) > maxText {
		err = errors.New("longer than any request or invitation")
	}
	if err != nil {
		return "", fmt.Errorf("read %q: %w", arg, err)
	}
	return string(b), nil
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
			fmt.Fprintln(w, "NAME\tROLE\tENVIRONMENT\tSINCE\tENDS\tBY\tWORDS")
			for _, m := range list {
				fmt.Fprintf(w, "%s\t%s\t%s/%s\t%s\t%s\t%s\t%s\n", exit.Clean(m.Name), m.Role, m.App, m.Env, date(m.Added), ends(m), exit.Clean(m.By), m.Words)
			}
			return w.Flush()
		})})
}

func (c *cli) shareRevokeCmd() *cobra.Command {
	return &cobra.Command{Use: "revoke NAME", Short: "End a person's access, by name, id or words; needs the master password", Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				m, err := client.RevokeMember(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				c.say("%q reads and writes nothing any more; %s/%s has a new key", exit.Clean(m.Name), m.App, m.Env)
				c.say("hint: what they had read they have: give its secrets new values")
				return nil
			})(cmd, args)
		}}
}
