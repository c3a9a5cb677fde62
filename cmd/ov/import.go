package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/crash"
)

// importCmd and providerCmd hand everything over to ov-import, which takes this
// process's place: what speaks to other systems is not linked in here.
func (c *cli) importCmd() *cobra.Command {
	return c.handedOver("import", "Bring secrets from another system into the vault")
}

func (c *cli) providerCmd() *cobra.Command {
	return c.handedOver("provider", "The systems that secrets can be imported from")
}

// handedOver is a verb whose flags, help included, are ov-import's own. The
// flags that stand before the verb come along.
func (c *cli) handedOver(verb, short string) *cobra.Command {
	return &cobra.Command{Use: verb, Short: short, DisableFlagParsing: true, RunE: func(_ *cobra.Command, args []string) error {
		path, err := agent.Sibling("ov-import")
		if err != nil {
			return err
		}
		err = crash.Exec(path, append([]string{"ov-import", verb}, args...), os.Environ())
		return fmt.Errorf("start %q: %w", path, err)
	}}
}
