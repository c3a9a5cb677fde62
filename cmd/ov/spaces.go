package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

func (c *cli) envCreateCmd() *cobra.Command {
	return &cobra.Command{Use: "create NAME", Short: "Make an environment of the app, without a secret", Args: nArgs(1),
		Long: `Makes an environment. A first secret in it does so, too: "ov secret set NAME/SECRET".`,
		RunE: c.inApp(func(cmd *cobra.Command, client *agent.Client, cfg *config.Config, name string) error {
			if err := client.CreateSpace(cmd.Context(), cfg.App.Value, name); err != nil {
				return err
			}
			c.say("made the environment %s/%s", cfg.App.Value, name)
			return nil
		})}
}

func (c *cli) appCreateCmd() *cobra.Command {
	return &cobra.Command{Use: "create NAME", Short: "Make an app, with the environment that --env or the context names", Args: nArgs(1),
		RunE: c.inApp(func(cmd *cobra.Command, client *agent.Client, cfg *config.Config, name string) error {
			if all, err := environments(cmd.Context(), client, name); err != nil {
				return err
			} else if len(all) > 0 {
				return fmt.Errorf("create app %q: %w", name, agent.ErrExists)
			}
			if err := client.CreateSpace(cmd.Context(), name, cfg.Env.Value); err != nil {
				return err
			}
			c.say("made the app %s with the environment %s", name, cfg.Env.Value)
			return nil
		})}
}

func (c *cli) envDeleteCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "delete NAME", Short: "Delete an environment, its secrets and their history; it cannot be undone", Args: nArgs(1),
		RunE: c.inApp(func(cmd *cobra.Command, client *agent.Client, cfg *config.Config, name string) error {
			all, err := environments(cmd.Context(), client, cfg.App.Value)
			if err != nil {
				return err
			}
			for _, s := range all {
				if s.Env == name {
					return c.deleteSpaces(cmd, client, yes, "environment "+s.App+"/"+s.Env, s)
				}
			}
			return fmt.Errorf("delete environment %q of app %q: %w", name, cfg.App.Value, agent.ErrNotFound)
		})}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (c *cli) appDeleteCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "delete NAME", Short: "Delete an app, its environments and all in them; it cannot be undone", Args: nArgs(1),
		RunE: c.inApp(func(cmd *cobra.Command, client *agent.Client, _ *config.Config, name string) error {
			all, err := environments(cmd.Context(), client, name)
			if err == nil && len(all) == 0 {
				err = fmt.Errorf("delete app %q: %w", name, agent.ErrNotFound)
			}
			if err != nil {
				return err
			}
			return c.deleteSpaces(cmd, client, yes, "app "+name, all...)
		})}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// deleteSpaces asks, unless the answer was given, and deletes one after the other.
func (c *cli) deleteSpaces(cmd *cobra.Command, client *agent.Client, yes bool, what string, all ...agent.Space) error {
	secrets := 0
	for _, s := range all {
		secrets += s.Secrets
	}
	if err := c.sure(yes, cmd, fmt.Sprintf("The %s holds %s. They and their history will be gone. Delete it?", what, plural(secrets, "secret"))); err != nil {
		return err
	}
	for _, s := range all {
		if err := client.DeleteSpace(cmd.Context(), s); err != nil {
			return err
		}
	}
	c.say("deleted the %s with %s", what, plural(secrets, "secret"))
	return nil
}

// environments are those of an app.
func environments(ctx context.Context, client *agent.Client, app string) ([]agent.Space, error) {
	all, err := client.Spaces(ctx)
	var of []agent.Space
	for _, s := range all {
		if s.App == app {
			of = append(of, s)
		}
	}
	return of, err
}

// inApp runs do with a client, the context and the command's argument.
func (c *cli) inApp(do func(*cobra.Command, *agent.Client, *config.Config, string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := c.context(false)
		if err != nil {
			return err
		}
		client, err := c.connect(cmd.Context(), cfg.Home)
		if err != nil {
			return err
		}
		defer client.Close()
		return do(cmd, client, cfg, args[0])
	}
}
