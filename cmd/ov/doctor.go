package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

// severity is how much a finding matters.
type severity string

const (
	fine    severity = "ok"
	note    severity = "note"    // works, and is worth knowing
	problem severity = "problem" // something does not work, or is open to others
)

// A finding is a row of `ov doctor --json`: these names stay.
type finding struct {
	Check string   `json:"check"`
	State severity `json:"state"`
	Says  string   `json:"says"`
	Fix   string   `json:"fix,omitempty"`
}

// errIll is the end of an examination that found problems.
var errIll = errors.New("problems were found")

// A patient is what the checks look at.
type patient struct {
	c      *cli
	home   string
	cfg    *config.Config // nil when it cannot be read
	client *agent.Client
	status agent.Status // of the agent and the vault; zero when it cannot be had
}

func (c *cli) doctorCmd() *cobra.Command {
	var all bool
	cmd := c.jsonFlag(&cobra.Command{Use: "doctor", Short: "Check the whole installation, and say what to do", Args: noArgs,
		Long: `Looks at the programs, the folder, the vault, its agent, the kernel, the scanners, the clock and the MCP clients. It opens
nothing and changes nothing. Exits with 1 when there is a problem; notes are worth knowing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := c.examine(cmd.Context())
			if err := c.tell(found, all); err != nil {
				return err
			}
			for _, f := range found {
				if f.State == problem {
					return errIll
				}
			}
			return nil
		}})
	cmd.Flags().BoolVar(&all, "all", false, "show what is in order as well")
	return cmd
}

// examine runs every check.
func (c *cli) examine(ctx context.Context) []finding {
	home, err := c.homeFolder()
	if err != nil {
		return []finding{{"folder", problem, err.Error(), hint(err)}}
	}
	p := &patient{c: c, home: home}
	found := p.settings()
	if p.client, err = c.connect(ctx, home); err == nil {
		defer p.client.Close()
		p.status, err = p.client.Status(ctx)
	}
	if err != nil {
		found = append(found, finding{"agent", problem, err.Error(), hint(err)})
	}
	for _, check := range []func(context.Context) []finding{p.programs, p.folder, p.vault, p.agent, p.kernel, p.password, p.scanners, p.clients, p.clock, p.rotation} {
		found = append(found, check(ctx)...)
	}
	return found
}

// tell prints the findings, the worst first.
func (c *cli) tell(found []finding, all bool) error {
	if c.json {
		return c.printJSON(found)
	}
	good := 0
	for _, state := range []severity{problem, note, fine} {
		for _, f := range found {
			if f.State != state {
				continue
			}
			if state == fine {
				if good++; !all {
					continue
				}
			}
			c.printf("%-8s %s: %s\n", f.State, f.Check, exit.Clean(f.Says))
			if f.Fix != "" {
				c.printf("%-8s fix: %s\n", "", exit.Clean(f.Fix))
			}
		}
	}
	if !all {
		c.printf("%s in order%s\n", plural(good, "check"), map[bool]string{true: ` ("ov doctor --all" lists them)`}[good > 0])
	}
	return nil
}

// settings reads the configuration, which everything else builds on.
func (p *patient) settings() []finding {
	o, err := p.c.options()
	if err == nil {
		p.cfg, err = config.Load(o)
	}
	switch {
	case errors.Is(err, config.ErrUntrusted):
		return []finding{{"configuration", note, err.Error(), `read the file, then "ov trust"`}}
	case err != nil:
		p.cfg = nil
		return []finding{{"configuration", problem, err.Error(), "correct the file"}}
	}
	return []finding{{"configuration", fine, fmt.Sprintf("%s (%s)", p.cfg.Context().Space(), from(p.cfg.App)), ""}}
}
