package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
)

// maskFlags say what masking looks for. None of them turns it off.
type maskFlags struct{ lanes, level string }

func (m *maskFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.lanes, "redact", "all", "how to look for the secrets: `LANES` of exact,encoded,squeezed,fragments; fewer than all only as the policy allows")
	cmd.Flags().StringVar(&m.level, "level", "precise", "what else to mask by its shape: known (nothing), precise, balanced or strict")
}

// options reads the flags, and the rule files of the home folder.
func (m *maskFlags) options(c *cli, home string) (redact.Options, error) {
	lanes, err := redact.ParseLanes(m.lanes)
	if err != nil {
		return redact.Options{}, misuse{fmt.Errorf("--redact: %w", err)}
	}
	o := redact.Options{Lanes: lanes}
	for tier, name := range levels() {
		if name == m.level {
			o.Level = scan.Tier(tier)
			if o.Level > scan.Known {
				o.Scanners, err = c.ruleScanners(home)
			}
			return o, err
		}
	}
	return o, misuse{fmt.Errorf("--level %q: want one of %s", m.level, strings.Join(levels(), ", "))}
}

// levels are the names of the tiers, in their order.
func levels() []string { return []string{"known", "precise", "balanced", "strict"} }
