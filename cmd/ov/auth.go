package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

func (c *cli) authCmd() *cobra.Command {
	return noun("auth", "Keys for machines, such as CI, that read one environment", c.machineKeyCmd(), c.machineListCmd(), c.machineRevokeCmd())
}

func (c *cli) machineKeyCmd() *cobra.Command {
	var name, out, expires string
	cmd := c.jsonFlag(&cobra.Command{Use: "derive-machine-key", Short: "Make a key that reads one environment; needs the master password", Args: noArgs,
		Long: `Makes a key for a machine: it opens one environment, reads it and writes nothing, until it expires or is revoked. It is
written to --out, mode 0600, and is nowhere else. The machine is given it as OV_MACHINE_KEY_FILE, or its text as
OV_MACHINE_KEY. See docs/ci.md.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usage(cmd, errors.New("where to? --out FILE"))
			}
			cfg, err := c.context(false)
			if err != nil {
				return err
			}
			r := agent.MachineRequest{Name: name, App: cfg.App.Value, Env: cfg.Env.Value}
			if r.Name == "" {
				r.Name = r.App + "-" + r.Env
			}
			if r.NotAfter, err = until(expires, time.Now()); err != nil {
				return usage(cmd, err)
			}
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error { return c.newMachine(cmd, client, r, out) })(cmd, nil)
		}})
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "what the policy calls it: machine:`NAME` (default APP-ENVIRONMENT)")
	f.StringVar(&out, "out", "", "write the key to a new `FILE`, mode 0600")
	f.StringVar(&expires, "expires", "90d", "when it ends: `AGE` in days, weeks or hours, as 90d, 12w, 36h; or never")
	return cmd
}

// until returns the end of a key that is made now.
func until(age string, now time.Time) (time.Time, error) {
	if age == "never" {
		return time.Time{}, nil
	}
	var a config.Age
	if err := a.UnmarshalText([]byte(age)); err != nil {
		return time.Time{}, fmt.Errorf("--expires: %w", err)
	}
	return now.Add(time.Duration(a)), nil
}

func (c *cli) newMachine(cmd *cobra.Command, client *agent.Client, r agent.MachineRequest, out string) error {
	var m agent.Machine
	err := c.newFile(out, "machine key", func(f *os.File) (err error) {
		r.Out = f
		m, err = client.NewMachine(cmd.Context(), r)
		return err
	})
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(m)
	}
	c.say("machine:%s reads %s/%s, %s", m.Name, m.App, m.Env, ends(m))
	c.say("hint: give the machine OV_MACHINE_KEY_FILE=%s, or the file's text as OV_MACHINE_KEY; \"ov auth revoke %s\" ends it", out, m.Name)
	return nil
}

func ends(m agent.Machine) string {
	if m.NotAfter.IsZero() {
		return "until it is revoked"
	}
	return "until " + m.NotAfter.Local().Format("2006-01-02 15:04")
}

func (c *cli) machineListCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "list", Short: "List the machine keys", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			list, err := client.Machines(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(append([]agent.Machine{}, list...))
			}
			if len(list) == 0 {
				c.say("no machine keys")
				return nil
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tID\tREADS\tADDED\tENDS")
			for _, m := range list {
				fmt.Fprintf(w, "%s\t%.8s\t%s/%s\t%s\t%s\n", exit.Clean(m.Name), m.ID, m.App, m.Env, date(m.Added), ends(m))
			}
			return w.Flush()
		})})
}

func (c *cli) machineRevokeCmd() *cobra.Command {
	return &cobra.Command{Use: "revoke NAME", Short: "End a machine key, by name or id; needs the master password", Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				m, err := client.RevokeMachine(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				c.say("machine:%s reads nothing any more; %s/%s has a new key", m.Name, m.App, m.Env)
				c.say("hint: what it had read it has: give its secrets new values if the key was lost")
				return nil
			})(cmd, args)
		}}
}
