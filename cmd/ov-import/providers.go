package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/sdk/provider"
)

func (c *cli) providerCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "provider", Short: "The systems that secrets can be imported from"}
	list := &cobra.Command{Use: "list", Short: "List the built-in and the registered providers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.listProviders(cmd.Context()) }}
	list.Flags().BoolVar(&c.json, "json", false, "print JSON")
	info := &cobra.Command{Use: "info NAME", Short: "What a provider takes, reads and tries", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return c.providerInfo(cmd.Context(), args[0]) }}
	info.Flags().BoolVar(&c.json, "json", false, "print JSON")
	add := &cobra.Command{Use: "add FILE [ARGUMENT...]", Short: "Register a program as a provider, by its hash", Args: cobra.MinimumNArgs(1),
		Long: `FILE is run to say what it is, and registered in the vault by its path and SHA-256: another program in its place is not
started. It is given the environment variables that it says it reads, and no others. This needs the master password.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.addProvider(cmd.Context(), args[0], args[1:], yes)
		}}
	add.Flags().BoolVar(&yes, "yes", false, "do not ask")
	remove := &cobra.Command{Use: "remove NAME", Short: "Forget a registered provider; this needs the master password", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return c.removeProvider(cmd.Context(), args[0]) }}
	test := &cobra.Command{Use: "test SOURCE", Short: "Sign in and list, and read no value", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return c.testProvider(cmd.Context(), args[0]) }}
	cmd.AddCommand(list, info, add, remove, test)
	return cmd
}

// A listed provider is one line of `ov provider list`.
type listedProvider struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"` // built-in, registered
	Description string `json:"description,omitempty"`
	Path        string `json:"path,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
}

func (c *cli) listProviders(ctx context.Context) error {
	path, err := agent.Sibling("ov-provider")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, "--list")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list providers: %w", err)
	}
	all := []listedProvider{}
	for l := range strings.Lines(string(out)) {
		name, what, _ := strings.Cut(strings.TrimSpace(l), "\t")
		all = append(all, listedProvider{Name: name, Kind: "built-in", Description: what})
	}
	registered, err := c.catalog(ctx)
	if err != nil {
		c.say("registered providers are not shown: %s", err)
	}
	for _, r := range registered {
		all = append(all, listedProvider{Name: r.Name, Kind: "registered", Path: r.Path, SHA256: r.SHA256})
	}
	if c.json {
		return c.printJSON(all)
	}
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tKIND\tWHAT")
	for _, p := range all {
		what := p.Description
		if p.Path != "" {
			what = p.Path + " sha256:" + p.SHA256[:min(16, len(p.SHA256))]
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", exit.Clean(p.Name), p.Kind, exit.Clean(what))
	}
	return t.Flush()
}

func (c *cli) catalog(ctx context.Context) (all []agent.Registered, err error) {
	err = c.withVault(ctx, func(_ string, client *agent.Client) error {
		all, err = client.Catalog(ctx)
		return err
	})
	return all, err
}

func (c *cli) providerInfo(ctx context.Context, name string) error {
	path, err := agent.Sibling("ov-provider")
	if err != nil {
		return err
	}
	info, err := describe(ctx, path, name)
	if err != nil {
		all, cerr := c.catalog(ctx)
		if cerr != nil {
			return cerr
		}
		i := slices.IndexFunc(all, func(r agent.Registered) bool { return r.Name == name })
		if i < 0 {
			return hinted{fmt.Errorf("provider %q: %w", name, agent.ErrNotFound), `"ov provider list" shows them`}
		}
		if info, err = describe(ctx, all[i].Path, all[i].Args...); err != nil {
			return err
		}
	}
	if c.json {
		return c.printJSON(info)
	}
	return c.printInfo(info)
}

func (c *cli) printInfo(info provider.Info) error {
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s %s\t%s\n", exit.Clean(info.Name), exit.Clean(info.Version), exit.Clean(info.Description))
	for i, s := range info.Settings {
		how := s.Name + "="
		if i == 0 {
			how = info.Name + "://" + strings.ToUpper(s.Name) + " or " + how
		}
		what := s.Description
		if s.Required {
			what += " (required)"
		}
		fmt.Fprintf(t, "  %s\t%s\n", exit.Clean(how), exit.Clean(what))
	}
	if len(info.Doors) > 0 {
		fmt.Fprintf(t, "ways in\t%s\n", exit.Clean(strings.Join(info.Doors, ", ")))
	}
	if len(info.Environment) > 0 {
		fmt.Fprintf(t, "reads\t%s\n", exit.Clean(strings.Join(info.Environment, " ")))
	}
	return t.Flush()
}

func (c *cli) addProvider(ctx context.Context, file string, args []string, yes bool) error {
	path, err := filepath.Abs(file)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return fmt.Errorf("add provider: %w", err)
	}
	sum, err := hash(path)
	if err != nil {
		return fmt.Errorf("add provider: %w", err)
	}
	c.say("%s\nov: sha256 %s", path, sum)
	if !yes {
		ok, err := ask("Run it to see what it is?")
		if err != nil {
			return hinted{fmt.Errorf("add provider: %w", err), "--yes registers it without asking"}
		}
		if !ok {
			return fmt.Errorf("add provider: %w", agent.ErrDenied)
		}
	}
	info, err := describe(ctx, path, args...)
	if err != nil {
		return err
	}
	if err := c.printInfo(info); err != nil {
		return err
	}
	if again, err := hash(path); err != nil || again != sum {
		return fmt.Errorf("add provider %q: it changed while it was looked at", path)
	}
	if builtin, err := agent.Sibling("ov-provider"); err == nil {
		if _, err := describe(ctx, builtin, info.Name); err == nil {
			return fmt.Errorf("add provider: %w: %q is the name of a built-in one", agent.ErrExists, info.Name)
		}
	}
	if !yes {
		if ok, err := ask("Register it, with these variables?"); err != nil || !ok {
			return fmt.Errorf("add provider: %w", agent.ErrDenied)
		}
	}
	r := agent.Registered{Name: info.Name, Path: path, SHA256: sum, Environment: info.Environment, Args: args}
	return c.changeCatalog(ctx, func(all []agent.Registered) ([]agent.Registered, error) {
		all = slices.DeleteFunc(all, func(o agent.Registered) bool { return o.Name == r.Name })
		return append(all, r), nil
	}, "registered "+r.Name)
}

func (c *cli) removeProvider(ctx context.Context, name string) error {
	return c.changeCatalog(ctx, func(all []agent.Registered) ([]agent.Registered, error) {
		left := slices.DeleteFunc(slices.Clone(all), func(o agent.Registered) bool { return o.Name == name })
		if len(left) == len(all) {
			return nil, fmt.Errorf("provider %q: %w", name, agent.ErrNotFound)
		}
		return left, nil
	}, "removed "+name)
}

func (c *cli) changeCatalog(ctx context.Context, change func([]agent.Registered) ([]agent.Registered, error), done string) error {
	return c.withVault(ctx, func(_ string, client *agent.Client) error {
		all, err := client.Catalog(ctx)
		if err != nil {
			return err
		}
		if all, err = change(all); err != nil {
			return err
		}
		if err := client.SetCatalog(ctx, all); err != nil {
			return err
		}
		c.say("%s", done)
		return nil
	})
}

func hash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// testProvider signs in and counts what is listed.
func (c *cli) testProvider(ctx context.Context, text string) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	s, err := parseSource(text)
	if err != nil {
		return err
	}
	m, end, err := c.open(ctx, cfg.Home, s)
	if err != nil {
		return err
	}
	defer end()
	n := 0
	for _, err := range m.provider.List(ctx, provider.Query{}) {
		if err != nil {
			return err
		}
		n++
	}
	c.say("signed in to %s (%s): %d entries; no value was read", m.account.Name, cmp.Or(m.account.Door, "no sign-in needed"), n)
	return nil
}
