package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/plugins/host"
	"github.com/opaquevault/ov/plugins/plan"
	"github.com/opaquevault/ov/sdk/provider"
)

// A maker makes plans from a provider and a vault.
type maker struct {
	c        *cli
	home     string
	client   *agent.Client
	provider *host.Provider
	account  provider.Account
	settings map[string]string
	infos    []agent.Info // of the target
	listed   []provider.Entry
	seen     int // entries that the provider listed
	reads    int // values read
}

// open connects to the vault and starts the provider.
func (c *cli) open(ctx context.Context, home string, s source) (*maker, func(), error) {
	client, err := c.connect(ctx, home)
	if err != nil {
		return nil, nil, err
	}
	p, account, settings, end, err := c.start(ctx, client, s)
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return &maker{c: c, home: home, client: client, provider: p, account: account, settings: settings},
		func() { end(); client.Close() }, nil
}

// source opens what the text of a source names, for the choices of o.
func (c *cli) source(ctx context.Context, text string, o *options) (*maker, func(), error) {
	home, err := c.settle(o)
	if err != nil {
		return nil, nil, err
	}
	s, err := parseSource(text)
	if err != nil {
		return nil, nil, err
	}
	return c.open(ctx, home, s)
}

// listed opens a source and lists it; no value is read.
func (c *cli) listed(ctx context.Context, text string, o *options) (*maker, *plan.Plan, func(), error) {
	m, end, err := c.source(ctx, text, o)
	if err != nil {
		return nil, nil, nil, err
	}
	p := plan.New(o.mapping)
	if err := m.list(ctx, p, o); err != nil {
		end()
		return nil, nil, nil, err
	}
	return m, p, end, nil
}

// planned makes the plan of a source and hands it over; its values are wiped
// afterwards.
func (c *cli) planned(ctx context.Context, text string, o *options, use func(*maker, *plan.Plan) error) error {
	m, end, err := c.source(ctx, text, o)
	if err != nil {
		return err
	}
	defer end()
	p := plan.New(o.mapping)
	defer p.Wipe()
	if err := m.fill(ctx, p, o); err != nil {
		return err
	}
	c.say("%s: %d entries listed, %d values read", p.Source(), len(m.listed), m.reads)
	if line := m.calls(); line != "" {
		c.say("%s", line)
	}
	for _, n := range m.account.Notes {
		c.say("%s", n)
	}
	return use(m, p)
}

// calls says how many calls of the service that took, where the provider can tell.
func (m *maker) calls() string {
	signIn, list, read := m.account.Cost.Calls(m.seen, m.reads)
	if list == 0 {
		return ""
	}
	all := signIn + list + read
	return fmt.Sprintf("%d calls of the service: %d to sign in, %d to list %d, %d to read %d; more where one was tried again", all, signIn, list, m.seen, read, m.reads)
}

// fill lists, reads what is new or has changed, and decides on every row.
func (m *maker) fill(ctx context.Context, p *plan.Plan, o *options) error {
	if err := m.list(ctx, p, o); err != nil {
		return err
	}
	read := m.listed
	if !o.all {
		read = p.Known(m.listed, m.infos)
	}
	m.read(ctx, p, read)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	p.Clashes()
	if err := m.compare(ctx, p, o.onConflict); err != nil {
		return err
	}
	if o.onConflict == plan.Rename {
		m.rename(p)
	}
	p.Sort()
	return nil
}

// list reads the metadata of both sides.
func (m *maker) list(ctx context.Context, p *plan.Plan, o *options) error {
	sum := m.provider.SHA256()
	p.Provider, p.SHA256 = m.provider.Info().Name, fmt.Sprintf("%x", sum)
	p.Account, p.Settings, p.Path, p.Tags = m.account.Name, m.settings, o.query.Path, o.query.Tags
	for e, err := range m.provider.List(ctx, o.query) {
		if err != nil {
			return err
		}
		m.seen++
		if p.Mapping.Takes(e) && o.may(p.Mapping, e) {
			m.listed = append(m.listed, e)
		}
	}
	var err error
	m.infos, err = m.client.List(ctx, p.Mapping.App, p.Mapping.Env, "")
	if errors.Is(err, agent.ErrNotFound) {
		err = nil
	}
	return err
}

// read fetches values into rows. An entry that cannot be read is a row as well.
func (m *maker) read(ctx context.Context, p *plan.Plan, entries []provider.Entry) {
	if len(entries) == 0 {
		return
	}
	byRef := make(map[string]provider.Entry, len(entries))
	refs := make([]string, len(entries))
	for i, e := range entries {
		byRef[e.Ref], refs[i] = e, e.Ref
	}
	bar := m.c.progress("reading", len(refs))
	defer bar.end()
	for i := range m.provider.Fetch(ctx, refs) {
		bar.step()
		e := byRef[i.Ref]
		if i.Err != nil {
			p.Reject(e, plan.Failed, i.Err.Error())
			continue
		}
		m.reads++
		if i.ChangeToken != "" { // of the very value that was read
			e.ChangeToken = i.ChangeToken
		}
		p.Add(e, i.Value, i.Binary)
	}
}

// batches cuts rows into what one request to the agent takes.
func batches(rows []*plan.Row) [][]*plan.Row {
	var out [][]*plan.Row
	var now []*plan.Row
	size := 0
	for _, r := range rows {
		if n := r.Value.Len(); len(now) == agent.MaxImport || len(now) > 0 && size+n > agent.MaxImportBytes {
			out, now, size = append(out, now), nil, 0
		}
		now, size = append(now, r), size+r.Value.Len()
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}

func refsOf(rows []*plan.Row) ([]secret.Ref, []secret.Value) {
	refs, values := make([]secret.Ref, len(rows)), make([]secret.Value, len(rows))
	for i, r := range rows {
		refs[i], values[i] = r.Ref, r.Value
	}
	return refs, values
}

// compare asks the agent how the values stand beside what the vault holds.
func (m *maker) compare(ctx context.Context, p *plan.Plan, onConflict string) error {
	var rows []*plan.Row
	for i := range p.Rows {
		if p.Rows[i].Action == plan.Create {
			rows = append(rows, &p.Rows[i])
		}
	}
	for _, batch := range batches(rows) {
		refs, values := refsOf(batch)
		got, err := m.client.ImportCompare(ctx, refs, values)
		if err != nil {
			return fmt.Errorf("compare with the vault: %w", err)
		}
		for i, r := range batch {
			p.Decide(r, got[i], onConflict)
		}
	}
	return nil
}

// rename gives every row in conflict a name of its own.
func (m *maker) rename(p *plan.Plan) {
	taken := map[secret.Ref]bool{}
	for _, i := range m.infos {
		taken[i.Ref] = true
	}
	for _, r := range p.Rows {
		taken[r.Ref] = true
	}
	for i := range p.Rows {
		if r := &p.Rows[i]; r.Action == plan.Conflict {
			p.Renamed(r, func(ref secret.Ref) bool { return taken[ref] })
			taken[r.Ref] = true
		}
	}
}
