package main

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

func (c *cli) initCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "init [SECRET...]",
		Short: "Write a .ov.yaml for this folder, and trust it",
		Long: `Writes .ov.yaml with the app and environment of the context (see "ov status", or give --app and --env).
Names of secrets make a list: "ov run" then injects these and no others.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			o, err := c.options()
			if err != nil {
				return err
			}
			cfg, err := config.Load(o)
			if err != nil && !errors.Is(err, config.ErrUntrusted) {
				return err
			}
			p, err := config.Write(cfg.Home, o.Dir, cfg.App.Value, cfg.Env.Value, names)
			if errors.Is(err, os.ErrExist) {
				return hinted{err, "edit it, then run \"ov trust\""}
			}
			if err != nil {
				return err
			}
			c.say("wrote %s for %s/%s", p.Path, p.App, p.Env)
			return nil
		},
	}
}

func (c *cli) trustCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Let the .ov.yaml here decide app, environment and secrets",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			o, err := c.options()
			if err != nil {
				return err
			}
			cfg, err := config.Load(o)
			switch {
			case err != nil && !errors.Is(err, config.ErrUntrusted):
				return err
			case cfg.Project == nil:
				return hinted{errors.New("trust: no .ov.yaml here or above"), `"ov init" writes one`}
			case cfg.Project.Trusted:
				c.say("%s is trusted already", cfg.Project.Path)
				return nil
			}
			if !yes {
				ok, err := c.ask(fmt.Sprintf("%s says:\n\n%s\nTrust it?", cfg.Project.Path, cfg.Project.Content()))
				if err != nil {
					return hinted{fmt.Errorf("trust %q: %w", cfg.Project.Path, config.ErrUntrusted), `read the file, then run "ov trust --yes"`}
				}
				if !ok {
					return fmt.Errorf("trust %q: %w", cfg.Project.Path, config.ErrUntrusted)
				}
			}
			if err := config.Trust(cfg.Home, cfg.Project); err != nil {
				return err
			}
			c.say("trusted %s", cfg.Project.Path)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (c *cli) appCmd() *cobra.Command {
	return noun("app", "Apps: the first part of a reference", c.appCreateCmd(), c.appDeleteCmd(),
		c.spacesCmd("List the apps", func(s agent.Space, _ *config.Config) string { return s.App }),
		c.useCmd("app", "Use an app where no .ov.yaml says otherwise"))
}

func (c *cli) envCmd() *cobra.Command {
	return noun("env", "Environments: the second part of a reference", c.envCreateCmd(), c.envDeleteCmd(),
		c.spacesCmd("List the environments of the app", func(s agent.Space, cfg *config.Config) string {
			if s.App != cfg.App.Value {
				return ""
			}
			return s.Env
		}),
		c.useCmd("environment", "Use an environment where no .ov.yaml says otherwise"))
}

// useCmd writes key into the user config.
func (c *cli) useCmd(key, short string) *cobra.Command {
	return &cobra.Command{Use: "use NAME", Short: short, Args: nArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		home, err := c.homeFolder()
		if err != nil {
			return err
		}
		if err := config.Use(home, key, args[0]); err != nil {
			return err
		}
		c.say("%s is %s where nothing else says so", key, args[0])
		return nil
	}}
}

// spacesCmd lists one part of the vault's spaces, each once.
func (c *cli) spacesCmd(short string, part func(agent.Space, *config.Config) string) *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "list", Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		cfg, err := c.context(false)
		if err != nil {
			return err
		}
		client, err := c.connect(cmd.Context(), cfg.Home)
		if err != nil {
			return err
		}
		defer client.Close()
		spaces, err := client.Spaces(cmd.Context())
		if err != nil {
			return err
		}
		names := parts(spaces, cfg, part)
		if c.json {
			return c.printJSON(names)
		}
		for _, n := range names {
			c.printf("%s\n", n)
		}
		return nil
	}})
}

func parts(spaces []agent.Space, cfg *config.Config, part func(agent.Space, *config.Config) string) []string {
	seen, names := map[string]bool{"": true}, []string{}
	for _, s := range spaces {
		if n := part(s, cfg); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return names
}
