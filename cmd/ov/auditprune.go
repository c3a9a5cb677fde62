package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) auditPruneCmd() *cobra.Command {
	var before string
	var r agent.PruneRequest
	var dry, yes bool
	cmd := c.jsonFlag(&cobra.Command{Use: "prune --before AGE | --keep N", Short: "Remove the oldest part of the audit log", Args: noArgs,
		Long: `Removes records that are older than AGE (2y, 90d, 48h, or a day as 2025-01-31) and not among the N newest. The log is kept in
pieces of about two thousand records, and goes by whole pieces. What is left verifies, begins with what was removed (how many
records, the hash of the last one, the signed checkpoint over them), and "ov audit verify" says so. It takes the master password,
typed afresh; records that were removed in any other way are still found missing.`,
		Example: "  ov audit export > audit-2025.jsonl && ov audit prune --before 2y\n  ov audit prune --keep 100000 --dry-run",
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if before == "" && r.Keep == 0 {
				return usage(cmd, errors.New("say what may go: --before AGE or --keep N"))
			}
			if before != "" {
				at, err := ago(before, time.Now())
				if err != nil {
					return usage(cmd, fmt.Errorf("--before %q: %w", before, err))
				}
				r.Before = at
			}
			p, err := client.AuditPrunable(cmd.Context(), r)
			if err != nil {
				return err
			}
			if p.Removed == 0 || dry {
				return c.pruned(p, "would be removed")
			}
			c.say("%d records, the newest of %s, would go; %d stay", p.Removed, p.Newest.Local().Format(time.DateTime), p.Left)
			c.say(`hint: "ov audit export > FILE" keeps a copy of all of them first`)
			if err := c.sure(yes, cmd, "Remove them?"); err != nil {
				return err
			}
			if p, err = client.AuditPrune(cmd.Context(), r); err != nil {
				return err
			}
			return c.pruned(p, "were removed")
		})})
	cmd.Flags().StringVar(&before, "before", "", "what is older than `AGE`: 2y, 90d, 48h, or before the day 2025-01-31")
	cmd.Flags().Uint64Var(&r.Keep, "keep", 0, "keep the `N` newest records")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would go")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask; the password is asked for all the same")
	return cmd
}

func (c *cli) pruned(p agent.PruneReport, what string) error {
	if c.json {
		return c.printJSON(p)
	}
	if p.Removed == 0 {
		c.printf("nothing %s: no whole piece of the log is that old; %d records stay\n", what, p.Left)
		return nil
	}
	c.printf("%d records %s, up to %s; %d stay\nlast hash %s\n", p.Removed, what, p.Newest.Local().Format(time.DateTime), p.Left, p.Last)
	return nil
}

// ago reads an age, or a day.
func ago(s string, now time.Time) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		if day.After(now) {
			return day, errors.New("this day is still to come")
		}
		return day, nil
	}
	m := regexp.MustCompile(`^([1-9][0-9]{0,4})([ywdh])$`).FindStringSubmatch(s)
	if m == nil {
		return now, errors.New("want 2y, 10w, 90d, 48h, or a day as 2025-01-31")
	}
	n, _ := strconv.Atoi(m[1]) // at most five digits
	switch m[2] {
	case "y":
		return now.AddDate(-n, 0, 0), nil
	case "w":
		return now.AddDate(0, 0, -7*n), nil
	case "d":
		return now.AddDate(0, 0, -n), nil
	}
	return now.Add(-time.Duration(n) * time.Hour), nil
}
