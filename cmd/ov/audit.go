package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) auditCmd() *cobra.Command {
	return noun("audit", "Who used which secret, when and for what", c.auditShowCmd(), c.auditVerifyCmd(), c.auditRestartCmd(), c.exposedCmd(), c.auditGrepCmd(), c.auditExportCmd(), c.auditPruneCmd())
}

func (c *cli) auditShowCmd() *cobra.Command {
	var q agent.AuditQuery
	var since time.Duration
	cmd := c.jsonFlag(&cobra.Command{Use: "show", Short: "Show the audit log, the oldest line first", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if since > 0 {
				q.Since = time.Now().Add(-since)
			}
			if q.Name != "" {
				_, ref, err := c.ref(q.Name)
				if err != nil {
					return err
				}
				q.Name = ref.String()
			}
			lines, err := client.AuditShow(cmd.Context(), q)
			if err != nil {
				return err
			}
			for _, l := range lines {
				c.auditLine(l)
			}
			return nil
		})})
	cmd.Flags().IntVarP(&q.Limit, "lines", "n", 0, "the last `N` lines only")
	cmd.Flags().DurationVar(&since, "since", 0, "only what is younger, as 24h")
	cmd.Flags().StringVar(&q.Name, "name", "", "only what touched the secret `REF`")
	return cmd
}

func (c *cli) auditVerifyCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "verify", Short: "Check that the audit log is whole", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			r, err := client.AuditVerify(cmd.Context())
			if err != nil {
				return err
			}
			if c.json {
				err = c.printJSON(r)
			}
			if r.FirstBad != 0 || r.Problem != "" {
				return fmt.Errorf("verify audit log: record %d: %s", r.FirstBad, r.Problem)
			}
			if !c.json {
				c.printf("%d records, unbroken\n", r.Records)
				if r.Removed > 0 {
					c.printf("%d older ones, up to %s, were removed by \"ov audit prune\" on %s\n", r.Removed,
						r.Newest.Local().Format(time.DateTime), r.Pruned.Local().Format(time.DateTime))
				}
			}
			return err
		})})
}

func (c *cli) auditRestartCmd() *cobra.Command {
	var yes bool
	var reason string
	cmd := &cobra.Command{Use: "restart --reason TEXT", Short: "Set a log aside that was altered or cut, and begin a new one", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if reason == "" {
				return usage(cmd, errors.New("say why with --reason: the new log begins with it"))
			}
			if err := c.sure(yes, cmd, "Set the broken audit log aside and begin a new one?"); err != nil {
				return err
			}
			if err := client.AuditRestart(cmd.Context(), reason); err != nil {
				return err
			}
			c.say("a new audit log was begun; the old one is beside it, in a folder broken-...")
			return nil
		})}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&reason, "reason", "", "what happened, for the first line of the new log")
	return cmd
}

func (c *cli) exposedCmd() *cobra.Command {
	var since time.Duration
	var by string
	cmd := c.jsonFlag(&cobra.Command{Use: "exposed", Short: "List what was released since a time: what to rotate after an incident", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			all, err := client.AuditExposed(cmd.Context(), time.Now().Add(-since), by)
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(append([]agent.Exposure{}, all...))
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "SECRET\tTIMES\tFIRST\tLAST\tCLIENTS")
			for _, e := range all {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", exit.Clean(e.Name), e.Times, e.First.Local().Format(time.DateTime), e.Last.Local().Format(time.DateTime),
					exit.Clean(strings.Join(e.Clients, ", ")))
			}
			return w.Flush()
		})})
	cmd.Flags().DurationVar(&since, "since", 24*time.Hour, "how far back to look")
	cmd.Flags().StringVar(&by, "client", "", "only what went to this `CLIENT`, as cli or mcp:claude-code")
	return cmd
}
