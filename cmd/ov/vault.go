package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) vaultCmd() *cobra.Command {
	return noun("vault", "Make, describe and check the vault", c.vaultInitCmd(), c.vaultStatusCmd(), c.vaultLogCmd(), c.vaultVerifyCmd(), c.kitCmd(),
		c.joinCmd(), c.pushCmd(), c.passwdCmd(), c.rotateCmd(), c.backupCmd(), c.vaultRestoreCmd(), c.destroyCmd())
}

// withVault runs f with a client for the vault, without a context.
func (c *cli) withVault(f func(*cobra.Command, *agent.Client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		home, err := c.homeFolder()
		if err != nil {
			return err
		}
		client, err := c.connect(cmd.Context(), home)
		if err != nil {
			return err
		}
		defer client.Close()
		return f(cmd, client)
	}
}

func (c *cli) vaultVerifyCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "verify", Short: "Open and check every record", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			r, err := client.Verify(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				err = c.printJSON(r)
			} else {
				for _, p := range r.Problems {
					c.printf("%s\n", exit.Clean(p))
				}
				c.printf("%d of %d records are readable\n", r.Readable, r.Records)
			}
			if len(r.Problems) > 0 {
				return fmt.Errorf("verify vault: %d problems", len(r.Problems))
			}
			return err
		})})
}

func (c *cli) unlockCmd() *cobra.Command {
	var t agent.TTLs
	var forget bool
	cmd := &cobra.Command{Use: "unlock", Short: "Keep the vault open in the background", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if t.Idle < 0 || t.Hard < 0 {
				return usage(cmd, errors.New("a negative time"))
			}
			if forget {
				return client.Forget(cmd.Context())
			}
			if err := client.Unlock(cmd.Context(), t); err != nil {
				return err
			}
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			c.say("unlocked for %v, or until %v without use", round(st.HardLeft), round(st.IdleLeft))
			return nil
		})}
	cmd.Flags().DurationVar(&t.Hard, "ttl", 0, "lock after this long (default 8h)")
	cmd.Flags().DurationVar(&t.Idle, "idle", 0, "lock after this long without use (default 15m)")
	cmd.Flags().BoolVar(&t.Remember, "remember", false, "put the password into the system's keyring as well")
	cmd.Flags().BoolVar(&c.remembered, "remembered", false, "with the password that --remember put there")
	cmd.Flags().BoolVar(&forget, "forget", false, "only take it out of the keyring again")
	cmd.MarkFlagsMutuallyExclusive("remember", "remembered", "forget")
	return cmd
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }

func (c *cli) lockCmd() *cobra.Command {
	return &cobra.Command{Use: "lock", Short: "Forget the keys now", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if err := client.Lock(cmd.Context()); err != nil {
				return err
			}
			c.say("locked")
			return nil
		})}
}

func (c *cli) agentCmd() *cobra.Command {
	return noun("agent", "The process that holds the keys",
		c.jsonFlag(&cobra.Command{Use: "status", Short: "Describe the agent", Args: noArgs,
			RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				st, err := client.Status(cmd.Context())
				if err != nil {
					return err
				}
				if c.json {
					return c.printJSON(agentView(st))
				}
				c.printf("%s\n", describe(st))
				return nil
			})}),
		&cobra.Command{Use: "stop", Short: "End the agent; the vault is locked then", Args: noArgs,
			RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				if err := client.Stop(cmd.Context()); err != nil {
					return err
				}
				c.say("stopped")
				return nil
			})},
		&cobra.Command{Use: "restart", Short: "End the agent, start a new one and unlock it", Args: noArgs,
			RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				if err := errors.Join(client.Stop(cmd.Context()), client.Close()); err != nil {
					return err
				}
				if err := client.Unlock(cmd.Context(), agent.TTLs{}); err != nil {
					return err
				}
				c.say("restarted and unlocked")
				return nil
			})})
}

// agentJSON is the agent in --json: these names stay.
type agentJSON struct {
	Running  bool   `json:"running"`
	Locked   bool   `json:"locked"`
	PID      int    `json:"pid,omitempty"`
	Version  string `json:"version,omitempty"`
	IdleLeft int    `json:"idle_left_seconds"`
	HardLeft int    `json:"hard_left_seconds"`
	Grants   int    `json:"grants"`
	Socket   string `json:"socket,omitempty"`
	Memory   string `json:"memory,omitempty"`
}

func agentView(s agent.Status) agentJSON {
	return agentJSON{s.Running, s.Locked, s.PID, s.Version, int(s.IdleLeft.Seconds()), int(s.HardLeft.Seconds()), s.Grants, s.Socket, s.Memory}
}

func describe(s agent.Status) string {
	switch {
	case !s.Running:
		return "no agent runs: each command asks for the password (\"ov unlock\" starts one)"
	case s.Locked:
		return fmt.Sprintf("agent %d runs, locked", s.PID)
	}
	return fmt.Sprintf("agent %d runs, unlocked for %v, or until %v without use; keys in %s", s.PID, round(s.HardLeft), round(s.IdleLeft), s.Memory)
}

// device names this machine in the vault.
func device() string {
	name, err := os.Hostname()
	if err != nil {
		return "this machine"
	}
	return name
}
