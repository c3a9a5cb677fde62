package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/plugins/plan"
	"github.com/opaquevault/ov/sdk/provider"
)

// options are the flags of `ov import`.
type options struct {
	mapping    plan.Mapping
	query      provider.Query
	tags       []string
	onConflict string
	planOut    string
	yes        bool
	all        bool            // read every value, also of what has not changed
	only       map[string]bool // the names that may be imported; nil: any
}

func (c *cli) importCmd() *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "import SOURCE",
		Short: "Bring secrets from another system into the vault",
		Long: `SOURCE is PROVIDER://MAIN?setting=value (see "ov provider list" and "ov provider info NAME"), or a .env file.

First comes a plan. On a terminal it is asked whether to apply it; elsewhere it ends there, unless --yes is given.
What has not changed since the last import is not read again.`,
		Example: `  ov import .env
  ov import 'aws://?region=eu-central-1' --path prod/shop --app shop --env prod
  ov import status; ov import resume`,
		Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runImport(cmd.Context(), args[0], o) },
	}
	c.mappingFlags(cmd, o)
	f := cmd.Flags()
	f.StringVar(&o.onConflict, "on-conflict", plan.FailConflicts, "a secret exists and came from elsewhere: `fail`, skip, overwrite or rename")
	f.StringVar(&o.planOut, "plan-out", "", "write the plan to a `file` and stop")
	f.BoolVar(&o.yes, "yes", false, "apply without asking")
	cmd.AddCommand(c.applyCmd(), c.resumeCmd(), c.statusCmd(), c.verifyCmd())
	return cmd
}

func oneArg(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misuse{fmt.Errorf("%d arguments, want one", len(args))}
	}
	return nil
}

func (c *cli) mappingFlags(cmd *cobra.Command, o *options) {
	f := cmd.Flags()
	f.StringVar(&o.query.Path, "path", "", "only entries below this `folder`")
	f.StringArrayVar(&o.tags, "tag", nil, "only entries with this `key=value`")
	f.StringArrayVar(&o.mapping.Match, "match", nil, "only entries whose name fits this shell `pattern`")
	f.StringArrayVar(&o.mapping.Exclude, "exclude", nil, "no entries whose name fits this shell `pattern`")
	f.StringVar(&o.mapping.StripPrefix, "strip-prefix", "", "`text` to take off the front of names")
	f.StringArrayVar(&o.mapping.Rewrite, "rewrite", nil, "name entries whose whole path fits `RE=>NAME`")
	f.BoolVar(&o.mapping.Full, "full-path", false, "names begin with their folders: db/prod/PASSWORD becomes DB_PROD_PASSWORD")
	f.StringVar(&o.mapping.Flatten, "flatten", plan.Auto, "make several secrets of a JSON object: `auto`, always or never")
	f.StringVar(&o.mapping.Sep, "sep", "_", "`text` between a name and the key of a JSON object")
	f.StringVar(&o.mapping.Case, "case", "upper", "names are `upper` or keep")
	f.BoolVar(&c.json, "json", false, "print JSON")
}

// settle completes the options by what the context says, and checks them.
func (c *cli) settle(o *options) (home string, err error) {
	cfg, err := c.config()
	if err != nil {
		return "", err
	}
	o.mapping.App, o.mapping.Env = cfg.App.Value, cfg.Env.Value
	for _, t := range o.tags {
		k, v, ok := strings.Cut(t, "=")
		if !ok {
			return "", misuse{fmt.Errorf("tag %q: want key=value", t)}
		}
		if o.query.Tags == nil {
			o.query.Tags = map[string]string{}
		}
		o.query.Tags[k] = v
	}
	switch o.onConflict {
	case "", plan.FailConflicts, plan.SkipConflicts, plan.Overwrite, plan.Rename:
	default:
		return "", misuse{fmt.Errorf("on-conflict %q: want fail, skip, overwrite or rename", o.onConflict)}
	}
	return cfg.Home, o.mapping.Check()
}

// runImport is the whole of `ov import SOURCE`: plan, ask, apply, read back.
func (c *cli) runImport(ctx context.Context, text string, o *options) error {
	return c.planned(ctx, text, o, func(m *maker, p *plan.Plan) error {
		if err := c.show(p); err != nil {
			return err
		}
		if n := p.Count(plan.Clash, plan.Conflict); n > 0 {
			return hinted{fmt.Errorf("import: %w: %d rows in the way", errStuck, n),
				"clashes need --rewrite, --full-path, --match or --exclude; conflicts need --on-conflict skip, overwrite or rename"}
		}
		pending := p.Pending()
		if o.planOut != "" {
			if err := writePlan(ctx, m.client, o.planOut, p); err != nil {
				return err
			}
			c.say("wrote the plan to %s; \"ov import apply %s\" applies it", o.planOut, o.planOut)
		}
		if len(pending) == 0 {
			return unread(p)
		}
		if ok, err := c.agreed(o, len(pending)); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("import: %w", exit.ErrPending))
		}
		if err := c.execute(ctx, m, p, nil); err != nil {
			return err
		}
		return unread(p)
	})
}

// agreed asks whether to apply a plan. Where nobody can be asked it is not.
func (c *cli) agreed(o *options, n int) (bool, error) {
	switch {
	case o.planOut != "":
		return false, nil
	case o.yes:
		return true, nil
	case !c.terminal():
		c.say("hint: --yes applies the plan")
		return false, nil
	}
	return ask(fmt.Sprintf("Write %d secrets?", n))
}

// unread is an error when the plan has rows that could not be imported.
func unread(p *plan.Plan) error {
	if n := p.Count(plan.Invalid, plan.Failed); n > 0 {
		return hinted{fmt.Errorf("import: %w: %d rows are invalid or could not be read", errPartly, n), "the notes of the plan say why; --exclude leaves an entry out"}
	}
	return nil
}

// show prints a plan.
func (c *cli) show(p *plan.Plan) error {
	if !c.json {
		return p.Print(c.out, exit.Clean)
	}
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(p)
}

// writePlan writes a plan for this vault into a new file.
func writePlan(ctx context.Context, client *agent.Client, path string, p *plan.Plan) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	if err := plan.Write(ctx, client, f, p); err != nil {
		f.Close()
		os.Remove(path)
		return fmt.Errorf("write plan %q: %w", path, err)
	}
	return f.Close()
}
