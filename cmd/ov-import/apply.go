package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/plugins/plan"
	"github.com/opaquevault/ov/sdk/provider"
)

func (c *cli) applyCmd() *cobra.Command {
	return &cobra.Command{Use: "apply FILE", Short: "Apply a plan that --plan-out wrote", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.withVault(ctx, func(home string, client *agent.Client) error {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("apply: %w", err)
				}
				defer f.Close()
				p, err := plan.Read(ctx, client, f)
				if err != nil {
					return hinted{fmt.Errorf("apply %q: %w", args[0], err), "make a new plan: it takes a moment"}
				}
				return c.finishPlan(ctx, home, p, nil)
			})
		}}
}

func (c *cli) resumeCmd() *cobra.Command {
	return &cobra.Command{Use: "resume", Short: "Finish the imports that were cut short", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			return c.withVault(ctx, func(home string, client *agent.Client) error {
				all, err := reopen(ctx, client, home)
				if err != nil {
					return err
				}
				if len(all) == 0 {
					c.say("no import was cut short")
				}
				for _, u := range all {
					if u.cut {
						c.say("plan %s was cut short before anything was written", u.plan.ID)
						err = errors.Join(err, os.Remove(u.path))
						continue
					}
					j, jerr := u.again(client)
					if jerr != nil {
						return jerr
					}
					err = errors.Join(err, c.finishPlan(ctx, home, u.plan, j))
				}
				return err
			})
		}}
}

// withVault connects to the vault of the context.
func (c *cli) withVault(ctx context.Context, use func(home string, client *agent.Client) error) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	client, err := c.connect(ctx, cfg.Home)
	if err != nil {
		return err
	}
	defer client.Close()
	return use(cfg.Home, client)
}

// finishPlan applies a plan that has no values with it: what is not done yet is
// read again, and has to be what was planned.
func (c *cli) finishPlan(ctx context.Context, home string, p *plan.Plan, j *journal) error {
	m, end, err := c.open(ctx, home, source{provider: p.Provider, settings: p.Settings})
	if err != nil {
		return err
	}
	defer end()
	defer p.Wipe()
	if now := m.provider.Info().Name + ": " + m.account.Name; now != p.Source() {
		return hinted{fmt.Errorf("plan %s: it is for %s, this is %s", p.ID, p.Source(), now), "sign in to the account of the plan, or make a new one"}
	}
	if n := p.Count(plan.Clash, plan.Conflict); n > 0 {
		return fmt.Errorf("plan %s: %w: %d rows in the way", p.ID, errStuck, n)
	}
	if err := m.refill(ctx, p); err != nil {
		return err
	}
	return c.execute(ctx, m, p, j)
}

// refill reads the values of the rows that are not in the vault yet. A row
// whose entry or secret is not what it was is marked as changed since the plan.
func (m *maker) refill(ctx context.Context, p *plan.Plan) error {
	if err := m.list(ctx, &plan.Plan{Mapping: p.Mapping}, &options{query: provider.Query{Path: p.Path, Tags: p.Tags}}); err != nil {
		return err
	}
	there := map[secret.Ref]agent.Info{}
	for _, i := range m.infos {
		there[i.Ref] = i
	}
	entries := map[string]provider.Entry{}
	for _, e := range m.listed {
		entries[e.Ref] = e
	}
	wanted := map[string]bool{}
	var read []provider.Entry
	for _, r := range p.Pending() {
		e, ok := entries[r.Entry]
		switch i := there[r.Ref]; {
		case i.Origin != nil && i.Origin.Plan == p.ID && i.Origin.Ref == r.Entry && i.Origin.Key == r.Key:
			r.Action, r.Note = plan.Same, "written already"
		case !ok, e.ChangeToken != r.Token:
			r.Action, r.Note = plan.Failed, "changed since the plan: at its source"
		case i.Version != r.Replaces:
			r.Action, r.Note = plan.Failed, "changed since the plan: in the vault"
		case !wanted[r.Entry]:
			wanted[r.Entry] = true
			read = append(read, e)
		}
	}
	fresh := &plan.Plan{Mapping: p.Mapping}
	m.read(ctx, fresh, read)
	if err := m.compare(ctx, fresh, plan.Overwrite); err != nil {
		fresh.Wipe()
		return err
	}
	give(p, fresh)
	return ctx.Err()
}

// give moves the values of fresh to the rows of p that they were planned for.
func give(p, fresh *plan.Plan) {
	type at struct{ entry, key string }
	rows := map[at]*plan.Row{}
	for i := range fresh.Rows {
		rows[at{fresh.Rows[i].Entry, fresh.Rows[i].Key}] = &fresh.Rows[i]
	}
	for _, r := range p.Pending() {
		f := rows[at{r.Entry, r.Key}]
		switch {
		case f == nil:
			r.Action, r.Note = plan.Failed, "changed since the plan: the value has other parts"
		case f.Action == plan.Failed || f.Action == plan.Invalid:
			r.Action, r.Note = f.Action, f.Note
		case f.Fingerprint != r.Fingerprint:
			r.Action, r.Note = plan.Failed, "changed since the plan: another value"
		default:
			r.Value, f.Value = f.Value, secret.Value{}
		}
	}
	fresh.Wipe()
}

// execute writes the pending rows of p, batch by batch, and reads them back.
func (c *cli) execute(ctx context.Context, m *maker, p *plan.Plan, j *journal) (err error) {
	began := time.Now()
	if j == nil {
		if j, err = begin(ctx, m.client, m.home, p); err != nil {
			return err
		}
	}
	pending := p.Pending()
	written := 0
	bar := c.progress("writing", len(pending))
	for _, batch := range batches(pending) {
		n, err := m.write(ctx, p, batch)
		written += n
		bar.add(len(batch))
		if err == nil {
			err = j.add(ctx, line{Done: n})
		}
		if err != nil {
			bar.end()
			j.file.Close()
			return hinted{fmt.Errorf("import: %d of %d written: %w", written, len(pending), err), `"ov import resume" goes on where this stopped`}
		}
	}
	bar.end()
	same, err := m.readBack(ctx, pending)
	if err != nil {
		j.file.Close()
		return err
	}
	if err := j.finish(ctx); err != nil {
		return err
	}
	c.say("%d written, %d of them read back and compared, in %.1f s", written, same, time.Since(began).Seconds())
	if failed := p.Count(plan.Failed); same != written || failed > 0 && written < len(pending)+failed {
		for _, r := range p.Rows {
			if r.Action == plan.Failed {
				c.say("%s: %s", r.Ref.Name, r.Note)
			}
		}
		return fmt.Errorf("import: %w: %d rows failed", errPartly, failed)
	}
	return nil
}

// write stores one batch. When it is refused because one of its secrets moved
// meanwhile, the rest is stored row by row.
func (m *maker) write(ctx context.Context, p *plan.Plan, batch []*plan.Row) (int, error) {
	err := m.put(ctx, p, batch)
	if err == nil {
		return len(batch), nil
	}
	if !moved(err) {
		return 0, err
	}
	n := 0
	for _, r := range batch {
		switch err := m.put(ctx, p, []*plan.Row{r}); {
		case err == nil:
			n++
		case moved(err):
			r.Action, r.Note = plan.Failed, "changed since the plan: in the vault"
		default:
			return n, err
		}
	}
	return n, nil
}

func moved(err error) bool {
	return errors.Is(err, agent.ErrConflict) || errors.Is(err, agent.ErrExists)
}

func (m *maker) put(ctx context.Context, p *plan.Plan, rows []*plan.Row) error {
	_, values := refsOf(rows)
	in := make([]agent.ImportRow, len(rows))
	for i, r := range rows {
		in[i] = agent.ImportRow{Ref: r.Ref, IfVersion: r.Replaces, Origin: p.Origin(*r)}
	}
	_, err := m.client.ImportPut(ctx, in, values)
	return err
}

// readBack compares what the vault holds now with what was to be written.
func (m *maker) readBack(ctx context.Context, rows []*plan.Row) (same int, err error) {
	for _, batch := range batches(rows) {
		refs, values := refsOf(batch)
		got, err := m.client.ImportCompare(ctx, refs, values)
		if err != nil {
			return same, fmt.Errorf("read back: %w", err)
		}
		for i, r := range batch {
			switch {
			case got[i].Same:
				same++
			case r.Action != plan.Failed:
				r.Action, r.Note = plan.Failed, "the vault holds another value"
			}
		}
	}
	return same, nil
}
