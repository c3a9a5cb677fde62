package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) approveCmd() *cobra.Command {
	var refuse bool
	cmd := &cobra.Command{Use: "approve [ID]", Short: "Allow a request that waits for a person, or list what waits",
		Long: `Without ID: lists the requests that wait. With it: ov-agent shows that request and asks for the master password.
What is allowed is exactly what is shown. Requests wait for three minutes.`,
		Args: maxArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				switch {
				case len(args) == 0 && refuse:
					return usage(cmd, errNoID)
				case len(args) == 0:
					return c.pending(cmd, client)
				case refuse:
					if err := client.Refuse(cmd.Context(), args[0]); err != nil {
						return waiting(err)
					}
					c.say("refused %s", args[0])
					return nil
				}
				if err := c.allow(cmd.Context(), client, args[0]); err != nil {
					return waiting(err)
				}
				c.say("allowed %s", args[0])
				return nil
			})(cmd, nil)
		}}
	cmd.Flags().BoolVar(&refuse, "refuse", false, "turn it down instead; that needs no password")
	return c.jsonFlag(cmd)
}

// allow asks on the terminal, where there is one, also when the password is in a
// file: a person is to look at what they allow.
func (c *cli) allow(ctx context.Context, client *agent.Client, id string) error {
	terminal := agent.FromTerminal()
	f, err := terminal.Open(ctx)
	if err != nil || c.passwordStdin {
		return client.Approve(ctx, id)
	}
	f.Close()
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	person, err := agent.Connect(ctx, agent.Options{Home: home, Client: "cli", Agent: agent.Detect(os.Environ()), Password: terminal})
	if err != nil {
		return err
	}
	defer person.Close()
	return person.Approve(ctx, id)
}

// pending lists what waits, oldest first.
func (c *cli) pending(cmd *cobra.Command, client *agent.Client) error {
	all, err := client.Pending(cmd.Context())
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(all)
	}
	if len(all) == 0 {
		c.say("nothing waits for approval")
	}
	for _, p := range all {
		c.printf("%s  %s ago\n", p.ID, time.Since(p.Since).Round(time.Second))
		for _, line := range p.Lines {
			c.printf("    %s\n", exit.Clean(line))
		}
	}
	return nil
}
