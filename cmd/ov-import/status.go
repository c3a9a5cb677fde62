package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/plugins/plan"
)

// A drift is how one source stands beside what was imported from it.
type drift struct {
	Source    string   `json:"source"`
	Unchanged int      `json:"unchanged"`
	Changed   []string `json:"changed"` // entries with another change token
	New       []string `json:"new"`     // entries that were never imported
	Gone      []string `json:"gone"`    // secrets whose entry is no longer there
}

// An imported source, as the vault alone knows it.
type imported struct {
	Source  string    `json:"source"`
	App     string    `json:"app"`
	Env     string    `json:"environment"`
	Secrets int       `json:"secrets"`
	Last    time.Time `json:"last"`
	Open    int       `json:"unfinished,omitempty"` // rows of an import that was cut short
}

func (c *cli) statusCmd() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{Use: "status [SOURCE]", Short: "What was imported; with SOURCE, what has changed there since (reads no value)",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return c.imports(cmd.Context())
			case 1:
				return c.drift(cmd.Context(), args[0], o)
			}
			return oneArg(cmd, args)
		}}
	c.mappingFlags(cmd, o)
	return cmd
}

// imports lists the sources that secrets of the vault came from.
func (c *cli) imports(ctx context.Context) error {
	return c.withVault(ctx, func(home string, client *agent.Client) error {
		spaces, err := client.Spaces(ctx)
		if err != nil {
			return err
		}
		by := map[imported]*imported{}
		at := func(source, app, env string) *imported {
			k := imported{Source: source, App: app, Env: env}
			if by[k] == nil {
				by[k] = &imported{Source: source, App: app, Env: env}
			}
			return by[k]
		}
		for _, sp := range spaces {
			infos, err := client.List(ctx, sp.App, sp.Env, "")
			if err != nil {
				return err
			}
			for _, i := range infos {
				if i.Origin == nil {
					continue
				}
				s := at(i.Origin.Source, sp.App, sp.Env)
				if s.Secrets++; i.Origin.Time.After(s.Last) {
					s.Last = i.Origin.Time
				}
			}
		}
		open, err := reopen(ctx, client, home)
		if err != nil {
			return err
		}
		for _, u := range open {
			at(u.plan.Source(), u.plan.Mapping.App, u.plan.Mapping.Env).Open += len(u.plan.Rows)
		}
		all := []imported{}
		for _, s := range by {
			all = append(all, *s)
		}
		slices.SortFunc(all, func(a, b imported) int {
			return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.App, b.App), cmp.Compare(a.Env, b.Env))
		})
		return c.printImports(all)
	})
}

func (c *cli) printImports(all []imported) error {
	if c.json {
		return c.printJSON(all)
	}
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SECRETS\tINTO\tLAST\tFROM")
	for _, s := range all {
		last := "-"
		if !s.Last.IsZero() {
			last = s.Last.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%d\t%s/%s\t%s\t%s\n", s.Secrets, s.App, s.Env, last, exit.Clean(s.Source))
		if s.Open > 0 {
			fmt.Fprintf(t, "\t\tcut short\t\"ov import resume\" finishes %d rows\n", s.Open)
		}
	}
	return t.Flush()
}

func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// drift compares change tokens. No value is read on either side.
func (c *cli) drift(ctx context.Context, text string, o *options) error {
	m, p, end, err := c.listed(ctx, text, o)
	if err != nil {
		return err
	}
	defer end()
	d := measure(p, m)
	if c.json {
		err = c.printJSON(d)
	} else {
		_, err = fmt.Fprintf(c.out, "%s\n%d unchanged, %d changed, %d new, %d gone\n", exit.Clean(d.Source), d.Unchanged, len(d.Changed), len(d.New), len(d.Gone))
		for _, l := range []struct {
			word string
			refs []string
		}{{"changed", d.Changed}, {"new", d.New}, {"gone", d.Gone}} {
			for _, r := range l.refs {
				fmt.Fprintf(c.out, "%s  %s\n", l.word, exit.Clean(r))
			}
		}
	}
	if err == nil && len(d.Changed)+len(d.New)+len(d.Gone) > 0 {
		err = fmt.Errorf("status: %w", exit.ErrPending)
	}
	return err
}

func measure(p *plan.Plan, m *maker) drift {
	d := drift{Source: p.Source(), Changed: []string{}, New: []string{}, Gone: []string{}}
	had := map[string]bool{}
	for _, i := range m.infos {
		if i.Origin != nil && i.Origin.Source == p.Source() {
			had[i.Origin.Ref] = true
		}
	}
	differ := p.Known(m.listed, m.infos)
	d.Unchanged = len(m.listed) - len(differ)
	for _, e := range differ {
		if had[e.Ref] {
			d.Changed = append(d.Changed, e.Ref)
		} else {
			d.New = append(d.New, e.Ref)
		}
	}
	for _, e := range m.listed {
		delete(had, e.Ref)
	}
	for ref := range had {
		d.Gone = append(d.Gone, ref)
	}
	slices.Sort(d.Gone)
	return d
}

func (c *cli) verifyCmd() *cobra.Command {
	o := &options{all: true}
	cmd := &cobra.Command{Use: "verify SOURCE", Short: "Read every value again and compare it with the vault", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.planned(cmd.Context(), args[0], o, func(_ *maker, p *plan.Plan) error {
				if n := len(p.Rows) - p.Count(plan.Same); n > 0 {
					if err := c.show(p); err != nil {
						return err
					}
					return fmt.Errorf("verify: %w: %d of %d differ", exit.ErrPending, n, len(p.Rows))
				}
				c.say("%d secrets are what %s holds", len(p.Rows), p.Source())
				return nil
			})
		}}
	c.mappingFlags(cmd, o)
	return cmd
}
