package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/plugins/plan"
	"github.com/opaquevault/ov/sdk/provider"
)

// What ov-mcp has done for a coding agent, in two steps. The first reads names
// and no value: whether a value is in the vault already would answer "was that
// the value?". The second is done under the client's own name, for the names that
// ov-agent was allowed to take from it by a person, and says how many became what.

// names is what the first step prints.
type names struct {
	Source  string   `json:"source"`
	Names   []string `json:"names"`
	Clashes []string `json:"clashes"` // names that several entries would get
	Invalid int      `json:"invalid"` // entries whose name cannot be a secret's
}

// outcome is what the second step prints.
type outcome struct {
	Written   int      `json:"written"`
	Unchanged int      `json:"unchanged"`
	Failed    []failed `json:"failed"`
}

type failed struct {
	Name string `json:"name"`
	Note string `json:"note"`
}

func (c *cli) forAgentCmd() *cobra.Command {
	o := &options{onConflict: plan.Overwrite}
	apply := false
	cmd := &cobra.Command{Use: "for-agent SOURCE", Short: "What ov-mcp asks for", Hidden: true, Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.client != "mcp" && !strings.HasPrefix(c.client, "mcp:") {
				return misuse{errors.New("for-agent: want --client mcp:NAME")}
			}
			o.mapping.Flatten = plan.Never // what a value is made of is not known from names
			if apply {
				return c.applyNamed(cmd.Context(), args[0], o)
			}
			return c.nameAll(cmd.Context(), args[0], o)
		}}
	c.mappingFlags(cmd, o)
	f := cmd.Flags()
	f.StringVar(&c.client, "client", "", "the MCP `client`")
	f.BoolVar(&apply, "apply", false, "import the names on stdin")
	return cmd
}

// may reports whether the options let the entry through, by its name.
func (o *options) may(m plan.Mapping, e provider.Entry) bool {
	if o.only == nil {
		return true
	}
	name, err := m.Name(e, "")
	return err == nil && o.only[name]
}

// nameAll lists what a source has, as names of secrets.
func (c *cli) nameAll(ctx context.Context, text string, o *options) error {
	m, p, end, err := c.listed(ctx, text, o)
	if err != nil {
		return err
	}
	defer end()
	out := names{Source: p.Source(), Names: []string{}, Clashes: []string{}}
	times := map[string]int{}
	for _, e := range m.listed {
		name, err := o.mapping.Name(e, "")
		if err != nil {
			out.Invalid++
			continue
		}
		switch times[name]++; times[name] {
		case 1:
			out.Names = append(out.Names, name)
		case 2:
			out.Clashes = append(out.Clashes, name)
		}
	}
	out.Names = slices.DeleteFunc(out.Names, func(n string) bool { return times[n] > 1 })
	slices.Sort(out.Names)
	slices.Sort(out.Clashes)
	return json.NewEncoder(c.out).Encode(out)
}

// maxNames bounds what is read from stdin, in bytes.
const maxNames = 1 << 20

// applyNamed imports the names on stdin and no other.
func (c *cli) applyNamed(ctx context.Context, text string, o *options) error {
	var list []string
	if err := json.NewDecoder(io.LimitReader(c.in, maxNames)).Decode(&list); err != nil {
		return misuse{errors.New("for-agent: want a JSON list of names on stdin")}
	}
	o.only = map[string]bool{}
	for _, n := range list {
		if err := secret.CheckName(n); err != nil {
			return misuse{err}
		}
		o.only[n] = true
	}
	return c.planned(ctx, text, o, func(m *maker, p *plan.Plan) error {
		pending := p.Pending()
		var err error
		if len(pending) > 0 {
			err = c.execute(ctx, m, p, nil)
		}
		out := outcome{Unchanged: p.Count(plan.Same), Written: p.Count(plan.Create, plan.Update), Failed: []failed{}}
		for _, r := range p.Rows {
			switch r.Action {
			case plan.Create, plan.Update, plan.Same:
			default:
				out.Failed = append(out.Failed, failed{r.Ref.Name, exit.Clean(r.Note)})
			}
		}
		if err != nil && !errors.Is(err, errPartly) {
			return err
		}
		return json.NewEncoder(c.out).Encode(out)
	})
}
