package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

func (c *cli) historyCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "history REF", Short: "List the kept versions of a secret, the newest first",
		Args: nArgs(1), ValidArgsFunction: c.completeRefs,
		RunE: c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
			infos, err := client.History(ctx, ref)
			if err != nil {
				return err
			}
			views := []secretView{}
			for _, i := range infos {
				views = append(views, view(i))
			}
			if c.json {
				return c.printJSON(views)
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "VERSION\tSTORED\tBY\tNOTES")
			for _, v := range views {
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", v.Version, v.Updated.Local().Format(time.DateTime), exit.Clean(v.By), notes(v))
			}
			return w.Flush()
		})})
}

// changed reports what became of a secret.
func (c *cli) changed(verb string, info agent.Info, err error) error {
	if err == nil {
		c.say("%s %s, version %d", verb, info.Ref, info.Version)
	}
	return err
}

func (c *cli) rollbackCmd() *cobra.Command {
	var to uint64
	cmd := &cobra.Command{Use: "rollback REF --to N", Short: "Make an older version the newest one again", ValidArgsFunction: c.completeRefs,
		Args: func(cmd *cobra.Command, args []string) error {
			if to == 0 {
				return usage(cmd, fmt.Errorf("--to N: which version? \"ov secret history\" lists them"))
			}
			return nArgs(1)(cmd, args)
		},
		RunE: c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
			info, err := client.Rollback(ctx, ref, to)
			return c.changed("rolled back", info, err)
		})}
	cmd.Flags().Uint64Var(&to, "to", 0, "the `VERSION` to go back to")
	return cmd
}

func (c *cli) restoreCmd() *cobra.Command {
	return &cobra.Command{Use: "restore REF", Short: "Bring a deleted secret back", Args: nArgs(1),
		RunE: c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
			info, err := client.Restore(ctx, ref)
			return c.changed("restored", info, err)
		})}
}

func (c *cli) tagCmd() *cobra.Command {
	return &cobra.Command{Use: "tag REF [TAG...]", Short: "Replace the tags of a secret", ValidArgsFunction: c.completeRefs,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, fmt.Errorf("which secret?"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
				info, err := client.Tag(ctx, ref, args[1:])
				return c.changed("tagged "+strconv.Quote(strings.Join(args[1:], ", "))+":", info, err)
			})(cmd, args)
		}}
}

func (c *cli) renameCmd() *cobra.Command {
	return &cobra.Command{Use: "rename REF REF", Short: "Give a secret another name, or another place", Args: nArgs(2), ValidArgsFunction: c.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRef(func(ctx context.Context, client *agent.Client, ref secret.Ref) error {
				to, err := secret.ParseRef(args[1], ref)
				if err != nil {
					return err
				}
				info, err := client.Rename(ctx, ref, to)
				return c.changed("renamed to", info, err)
			})(cmd, args)
		}}
}
