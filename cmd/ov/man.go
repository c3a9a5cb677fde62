//go:build man

package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// extra writes the manual pages, for releases: the library that does it is not
// linked into what people run.
func extra() []*cobra.Command {
	return []*cobra.Command{{Use: "man FOLDER", Hidden: true, Args: nArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		root := cmd.Root()
		root.DisableAutoGenTag = true
		return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "ov", Manual: "ov"}, args[0])
	}}}
}
