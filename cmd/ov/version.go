package main

import (
	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/version"
)

func (c *cli) versionCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		v := version.Get()
		if c.json {
			return c.printJSON(v)
		}
		c.printf("ov %s\n", v)
		return nil
	}})
}
