package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/redact"
)

func (c *cli) redactCmd() *cobra.Command {
	var lanes string
	cmd := &cobra.Command{
		Use:     "redact",
		Short:   "Copy stdin to stdout with the secrets masked",
		Example: `  some-command 2>&1 | ov redact > report.txt`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := redact.ParseLanes(lanes)
			if err != nil {
				return misuse{fmt.Errorf("--redact: %w", err)}
			}
			if c.passwordStdin {
				return misuse{errors.New("--password-stdin: stdin is what gets masked")}
			}
			cfg, err := c.context(false)
			if err != nil {
				return err
			}
			client, err := c.connect(cmd.Context(), cfg.Home)
			if err != nil {
				return err
			}
			defer client.Close()
			return broker.Mask(cmd.Context(), client, cfg.Context(), redact.Options{Lanes: l}, c.in, c.out)
		},
	}
	cmd.Flags().StringVar(&lanes, "redact", "all", "what to look for: `LANES` of exact,encoded,squeezed,fragments")
	return cmd
}
