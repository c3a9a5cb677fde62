package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/broker"
)

func (c *cli) redactCmd() *cobra.Command {
	var mask maskFlags
	cmd := &cobra.Command{
		Use:     "redact",
		Short:   "Copy stdin to stdout with the secrets masked",
		Example: `  some-command 2>&1 | ov redact > report.txt`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.passwordStdin {
				return misuse{errors.New("--password-stdin: stdin is what gets masked")}
			}
			cfg, err := c.context(false)
			if err != nil {
				return err
			}
			o, err := mask.options(cfg.Home)
			if err != nil {
				return err
			}
			flows, err := c.thirdParty(cfg.Home, &o)
			if err != nil {
				return err
			}
			out, err := c.outputs(flows, false)
			if err != nil {
				return err
			}
			client, err := c.connect(cmd.Context(), cfg.Home)
			if err != nil {
				return err
			}
			defer client.Close()
			err = broker.Mask(cmd.Context(), client, cfg.Context(), o, c.in, out.stdout)
			return errors.Join(err, out.close())
		},
	}
	mask.add(cmd)
	return cmd
}
