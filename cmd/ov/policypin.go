package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) policyPINCmd() *cobra.Command {
	var remove, page bool
	var file string
	cmd := &cobra.Command{Use: "pin", Short: "Set a PIN for approvals; needs the master password", Args: noArgs,
		Long: `A PIN allows what the policy asks for once or for a session, outside of production (or where a rule says "pin = true"). It opens
nothing and reveals nothing. After five wrong ones it is void until another is set; the master password works as ever.`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			ctx := cmd.Context()
			switch {
			case remove:
				if err := client.RemovePIN(ctx); err != nil {
					return err
				}
				c.say("there is no PIN any more")
				return nil
			case page:
				return c.onPage(ctx, client)
			}
			next := agent.Password{}
			if file != "" {
				next = agent.FromFile(file)
			}
			if err := client.SetPIN(ctx, next); err != nil {
				return err
			}
			c.say("the PIN is set")
			return nil
		})}
	cmd.Flags().BoolVar(&remove, "remove", false, "take the PIN away")
	cmd.Flags().BoolVar(&page, "page", false, "ask on ov-agent's page in the browser")
	cmd.Flags().StringVar(&file, "file", "", "read the new PIN from `FILE`")
	return cmd
}

// onPage has the PIN set in the browser.
func (c *cli) onPage(ctx context.Context, client *agent.Client) error {
	p, err := client.PagePIN(ctx)
	if err != nil {
		return err
	}
	c.say("open %s (code %s)", p.URL, p.Code)
	if err := client.PageWait(ctx, p); err != nil {
		return err
	}
	c.say("the PIN is set")
	return nil
}
