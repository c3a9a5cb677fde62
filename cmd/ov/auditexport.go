package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

// auditGrepCmd is `ov audit show --name`, as people look for it.
func (c *cli) auditGrepCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "grep REF", Short: "Show what touched one secret, the oldest line first", Args: nArgs(1),
		ValidArgsFunction: c.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, ref, err := c.ref(args[0])
			if err != nil {
				return err
			}
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				lines, err := client.AuditShow(cmd.Context(), agent.AuditQuery{Name: ref.String()})
				if err != nil {
					return err
				}
				for _, l := range lines {
					c.auditLine(l)
				}
				return nil
			})(cmd, args)
		}})
}

func (c *cli) auditLine(l agent.AuditLine) {
	if c.json {
		c.printf("%s\n", l.Record)
		return
	}
	c.printf("%s\n", exit.Clean(l.Text))
}

// auditExportCmd writes the log for other systems: names stay HMACs there too.
func (c *cli) auditExportCmd() *cobra.Command {
	var format string
	var since time.Duration
	cmd := &cobra.Command{Use: "export", Short: "Write the audit log for another system, the oldest line first", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			line := func(l agent.AuditLine) string { return exit.Clean(l.Text) }
			switch format {
			case "text":
			case "json":
				line = func(l agent.AuditLine) string { return string(l.Record) }
			case "rfc5424":
				line = func(l agent.AuditLine) string { return l.Syslog }
			default:
				return usage(cmd, fmt.Errorf("--format %q: want text, json or rfc5424", format))
			}
			var from time.Time
			if since > 0 {
				from = time.Now().Add(-since)
			}
			return client.AuditExport(cmd.Context(), from, func(l agent.AuditLine) error {
				_, err := fmt.Fprintln(c.out, line(l))
				return err
			})
		})}
	cmd.Flags().StringVar(&format, "format", "json", "`FORMAT`: text, json or rfc5424 (syslog)")
	cmd.Flags().DurationVar(&since, "since", 0, "only what is younger, as 24h")
	return cmd
}
