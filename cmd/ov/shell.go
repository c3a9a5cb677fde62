package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/proc"
)

func (c *cli) shellCmd() *cobra.Command {
	f := runFlags{shell: true}
	cmd := &cobra.Command{
		Use:   "shell [flags]",
		Short: "Open your shell with secrets; every trace of them is masked",
		Long: `Starts $SHELL with secrets in its environment, on a terminal of its own. What it and its programs print is masked like
the output of "ov run". Its prompt says so. The secrets are those of "ov run" at this place; they stay until the shell ends.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !isTerminal(c.in) || !isTerminal(c.out) {
				return hinted{misuse{errors.New("a shell needs a terminal")}, `in a script, use "ov run -- COMMAND"`}
			}
			cfg, err := c.context(f.secrets == "")
			if err != nil {
				return err
			}
			var d proc.Delivery
			defer d.Close()
			argv := f.markPrompt(&d, userShell(), cfg.Context().Space())
			return c.runChild(cmd.Context(), f, argv)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.secrets, "secrets", "s", "", "`NAMES` separated by commas; VAR=NAME renames")
	f.mask.add(cmd)
	f.deliveryFlags(cmd)
	fl.StringVar(&f.reason, "reason", "", "why, for the audit log")
	return cmd
}

// userShell is the person's shell.
func userShell() string {
	if sh := os.Getenv("SHELL"); filepath.IsAbs(sh) {
		return sh
	}
	return "/bin/sh"
}

// markPrompt is the command line of a shell whose prompt begins with where its secrets are from. bash reads its start-up files as
// ever, and then ours; other shells take the prompt of their environment unless their own files set one.
func (f *runFlags) markPrompt(d *proc.Delivery, shell, place string) []string {
	mark := fmt.Sprintf("(ov %s) ", place) // slugs: nothing in it means anything to a shell
	f.environ = []string{"PS1=" + mark + "$ "}
	if filepath.Base(shell) != "bash" {
		return []string{shell, "-i"}
	}
	rc, err := d.File("bashrc", func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "for f in /etc/bash.bashrc ~/.bashrc; do [ -r \"$f\" ] && . \"$f\"; done; unset f\nPS1='%s'\"$PS1\"\n", mark)
		return err
	})
	if err != nil || len(d.Extra) > 0 { // no memory to put a file in: an unmarked prompt is no reason to fail
		return []string{shell, "-i"}
	}
	return []string{shell, "--rcfile", rc, "-i"}
}
