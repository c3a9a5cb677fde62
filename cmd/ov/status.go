package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

// statusView is `ov status --json`: these names stay.
type statusView struct {
	Home    string              `json:"home"`
	Vault   bool                `json:"vault"`
	App     config.Setting      `json:"app"`
	Env     config.Setting      `json:"environment"`
	Project *projectView        `json:"project,omitempty"`
	Agent   agentJSON           `json:"agent"`
	Coding  string              `json:"coding_agent,omitempty"`
	Ages    *agesView           `json:"ages,omitempty"`   // of an open vault, where [rotation] says what is old
	Remote  *agent.RemoteStatus `json:"remote,omitempty"` // of a vault on a server
	Shared  []agent.Shared      `json:"shared,omitempty"` // of a home that uses environments of other people's vaults
	Asked   []string            `json:"asked,omitempty"`  // words of its requests that wait for an invitation
}

type projectView struct {
	File    string `json:"file"`
	Trusted bool   `json:"trusted"`
}

// status collects what there is to say about here and now. It opens nothing, and leaves nothing in the audit log, unless
// its reader asked to be reminded of old values: their dates are sealed, and reading them is a use that is on record.
func (c *cli) status(ctx context.Context) (*statusView, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(o)
	if err != nil && !errors.Is(err, config.ErrUntrusted) {
		return nil, err
	}
	client, err := c.connect(ctx, cfg.Home)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	st, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	v := &statusView{Home: cfg.Home, Vault: st.Vault, App: cfg.App, Env: cfg.Env, Agent: agentView(st), Remote: st.Remote, Shared: st.Shared, Asked: st.Asked}
	if cfg.Project != nil {
		v.Project = &projectView{cfg.Project.Path, cfg.Project.Trusted}
	}
	if _, reminded := cfg.User.Rotation[cfg.Env.Value]; reminded && st.Vault && !st.Locked {
		v.Ages = ages(ctx, client, cfg)
	}
	return v, nil
}

func (c *cli) statusCmd() *cobra.Command {
	var kernel bool
	cmd := c.jsonFlag(&cobra.Command{Use: "status", Short: "Say which vault, app and environment this is, and why", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kernel {
				return c.kernel()
			}
			v, err := c.status(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(v)
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "app\t%s\t%s\nenvironment\t%s\t%s\n", v.App.Value, from(v.App), v.Env.Value, from(v.Env))
			if p := v.Project; p != nil && !p.Trusted {
				fmt.Fprintf(w, "project\t%s\tnot trusted, so it decides nothing: \"ov trust\"\n", exit.Clean(p.File))
			}
			fmt.Fprintf(w, "home\t%s\t%s\n", v.Home, map[bool]string{true: "", false: `no vault yet: "ov vault init"`}[v.Vault])
			if r := v.Remote; r != nil {
				state, note := remoteLine(r)
				fmt.Fprintf(w, "server\t%s, %s\t%s\n", exit.Clean(r.URL), state, exit.Clean(note))
			}
			for _, e := range v.Shared {
				what, how := sharedLine(e)
				fmt.Fprintf(w, "shared\t%s\t%s\n", what, how)
			}
			for _, words := range v.Asked {
				fmt.Fprintf(w, "asked\t%s\twaits for \"ov share accept INVITATION\"\n", exit.Clean(words))
			}
			if a := v.Ages; a != nil && a.Oldest != "" {
				fmt.Fprintf(w, "oldest value\t%s, %s\t%s\n", a.Oldest, plural(a.Days, "day"), map[bool]string{true: plural(a.Due, "secret") + ` due: "ov secret list --stale"`}[a.Due > 0])
			}
			return w.Flush()
		}})
	cmd.Flags().BoolVar(&kernel, "kernel", false, "list what runs rely on, and what this machine lacks of it")
	return cmd
}

// sharedLine says which environment of somebody else's vault a home uses, and how.
func sharedLine(e agent.Shared) (what, how string) {
	end := ends(agent.Machine{NotAfter: e.NotAfter})
	if e.Ended {
		end = "ended by its owner"
	}
	return exit.Clean(fmt.Sprintf("%s %s/%s", may(e.Role), e.App, e.Env)), exit.Clean(fmt.Sprintf("as %q, %s; by the device %s, on %s", e.Name, end, e.OwnerWords, e.Server))
}

func from(s config.Setting) string {
	return strings.TrimSpace("from " + string(s.Rung) + " " + exit.Clean(s.Where))
}

func (c *cli) vaultStatusCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "status", Short: "Say whether there is a vault, and whether it is open", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			home, err := c.homeFolder()
			if err != nil {
				return err
			}
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(struct {
					Home   string              `json:"home"`
					Vault  bool                `json:"vault"`
					Agent  agentJSON           `json:"agent"`
					Remote *agent.RemoteStatus `json:"remote,omitempty"`
					Shared []agent.Shared      `json:"shared,omitempty"`
				}{home, st.Vault, agentView(st), st.Remote, st.Shared})
			}
			if !st.Vault {
				return fmt.Errorf("vault in %q: %w", home, agent.ErrNoVault)
			}
			if len(st.Shared)+len(st.Asked) == 0 {
				c.printf("vault in %s\n", home)
			}
			for _, e := range st.Shared {
				what, how := sharedLine(e)
				c.printf("shared in %s: %s %s\nvault id %s\n", home, what, how, exit.Clean(e.Vault))
			}
			c.printf("%s\n", describe(st))
			if r := st.Remote; r != nil {
				state, note := remoteLine(r)
				c.printf("server %s (%s), %s\nvault id %s\n", exit.Clean(r.URL), r.Words, strings.TrimSuffix(state+"; "+exit.Clean(note), "; "), r.Vault)
			}
			return nil
		})})
}

// welcome is `ov` alone: what to do next.
func (c *cli) welcome(ctx context.Context) error {
	v, err := c.status(ctx)
	if err != nil {
		return err
	}
	c.printf("ov runs commands with secrets; no trace of them comes back.\n\n")
	if !v.Vault {
		c.printf(`There is no vault in %s yet. Start with:

  ov vault init                 make one; asks for a master password
  ov unlock                     keep it open for a while
  ov secret set API_KEY         store a secret; asks for the value
  ov run -- sh -c 'env'         run a command with it, and see nothing of it

`, v.Home)
	} else {
		c.printf(`Here: %s/%s (%s). %s.

  ov secret list                what is there
  ov secret set NAME            store a secret; asks for the value
  ov run -- COMMAND             run a command with the secrets
  ov status                     why this app and environment

`, v.App.Value, v.Env.Value, from(v.App), map[bool]string{true: "The vault is locked", false: "The vault is open"}[v.Agent.Locked])
	}
	c.printf("\"ov help\" lists every command.\n")
	return nil
}
