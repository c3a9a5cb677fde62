package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) vaultLogCmd() *cobra.Command {
	var since uint64
	cmd := &cobra.Command{Use: "log", Short: "List the changes of the vault, and who signed each", Args: noArgs,
		Long: `Lists the commits of the vault, the oldest first: number, time, and the device or the member that signed it. The signatures and
the chain of the commits were checked; the time is the word of who signed. What was changed is sealed, and not listed.`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			list, err := client.Commits(cmd.Context(), since)
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(append([]agent.Commit{}, list...))
			}
			w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "COMMIT\tTIME\tSIGNED BY\tKEY")
			for _, m := range list {
				fmt.Fprintf(w, "%d\t%s\t%s\t%.8s\n", m.Seq, m.Time.Local().Format(time.DateTime), signedBy(m), m.Signer)
			}
			return w.Flush()
		})}
	cmd.Flags().Uint64Var(&since, "since", 0, "only commits after this `NUMBER`")
	return c.jsonFlag(cmd)
}

// signedBy names who signed a commit.
func signedBy(m agent.Commit) string {
	name := "without a name here" // a member is not told those of devices; who was taken out has none any more
	if m.Name != "" {
		name = fmt.Sprintf("%q", exit.Clean(m.Name))
	}
	if m.Member {
		return fmt.Sprintf("member %s (%s)", name, m.Role)
	}
	return "device " + name
}
