package main

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/redact/leaktest"
)

func (c *cli) selftestCmd() *cobra.Command {
	return noun("selftest", "Check that ov keeps its promises on this machine", c.selftestLeakCmd())
}

// leakView is a row of `ov selftest leak --json`: these names stay.
type leakView struct {
	Shape  string `json:"shape"`
	Lane   string `json:"lane"`
	Caught bool   `json:"caught"`
	Left   int    `json:"bytes_left"`
	Extra  int    `json:"bytes_too_many"`
}

func (c *cli) selftestLeakCmd() *cobra.Command {
	var lanes string
	cmd := c.jsonFlag(&cobra.Command{
		Use:   "leak",
		Short: "Print made-up secrets in every shape that programs use, and see which are masked",
		Long: `Print made-up secrets in every shape that programs use, and see which are masked.

Each line is a shape, the lanes that catch it, and whether it was caught. The exit
status is 1 if a shape leaks though its lanes are on.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := redact.ParseLanes(lanes)
			if err != nil {
				return misuse{fmt.Errorf("--redact: %w", err)}
			}
			return c.selftestLeak(l)
		},
	})
	cmd.Flags().StringVar(&lanes, "redact", "all", "what to look for: `LANES` of exact,encoded,squeezed,fragments")
	return cmd
}

func (c *cli) selftestLeak(lanes redact.Lanes) error {
	var seed [32]byte
	rand.Read(seed[:])
	results, err := leaktest.Run(leaktest.NewCanaries(mathrand.New(mathrand.NewChaCha8(seed))), redact.Options{Lanes: lanes})
	if err != nil {
		return err
	}
	var views []leakView
	broken := 0
	for _, r := range results {
		views = append(views, leakView{r.Shape, r.Lane.String(), r.Caught, r.Left, r.Extra})
		if r.Lane&^lanes == 0 && !r.Caught {
			broken++
		}
	}
	if c.json {
		err = c.printJSON(views)
	} else {
		_, err = leaktest.Report(c.out, results)
	}
	if err == nil && broken > 0 {
		err = fmt.Errorf("selftest leak: %d shapes leak though their lanes are on", broken)
	}
	return err
}
