package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
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
			o, err := mask.options(c, cfg.Home)
			if err != nil {
				return err
			}
			client, err := c.connect(cmd.Context(), cfg.Home)
			if err != nil {
				return err
			}
			defer client.Close()
			var passed ledger
			flows, err := c.thirdParty(cmd.Context(), client, cfg.Home, &o, &passed)
			if err != nil {
				return err
			}
			out, err := c.outputs(flows, false)
			if err != nil {
				return err
			}
			err = broker.Mask(cmd.Context(), client, broker.MaskRequest{Space: cfg.Context(), Redact: o, In: c.in, Out: out.stdout,
				Passed: func() []agent.Count { return append(passed.counts(), out.counts()...) }})
			return errors.Join(err, out.close())
		},
	}
	mask.add(cmd)
	return cmd
}
