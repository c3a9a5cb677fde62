package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"

	"github.com/opaquevault/ov/core/agent"
)

// topics are help pages: `ov help exit`.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit", Short: "Exit codes", Long: exitHelp()},
		{Use: "environment", Short: "Variables that ov reads", Long: environmentHelp},
		{Use: "files", Short: "Files that ov reads and writes", Long: filesHelp},
	}
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes of ov:\n\n")
	for _, o := range exit.Outcomes() {
		fmt.Fprintf(&b, "  %3d  %s\n", o.Code, o.Means)
	}
	b.WriteString(`
"ov run" uses none of these but passes on the command's own status, and:

`)
	fmt.Fprintf(&b, "  %3d  ov itself failed, usage, locked and denied included; nothing unmasked was passed on\n", exitSelf)
	fmt.Fprintf(&b, "  %3d  the command is there but cannot be run\n", exitNotExec)
	fmt.Fprintf(&b, "  %3d  the command was not found\n", exitNoCmd)
	fmt.Fprintf(&b, "%3d+n  signal n ended the command\n", exitSignal)
	return b.String()
}

const environmentHelp = `Variables that ov reads:

  OV_HOME              the folder that holds everything (default ~/.ov; --home is stronger)
  OV_APP, OV_ENV       app and environment (--app and --env are stronger, .ov.yaml is weaker)
  OV_PASSWORD_FILE     a file with the master password, for scripts; keep it 0600
  OV_PASSWORD_COMMAND  a command that prints the master password
  OV_PASSWORD          the master password itself: works, warns, is seen by too many
  OV_MACHINE_KEY_FILE  a file with a machine key, which reads one environment and needs no password (docs/ci.md)
  OV_MACHINE_KEY       the machine key itself, for CI

The master password comes from the first of: an unlocked agent, --password-stdin, OV_PASSWORD_FILE,
OV_PASSWORD_COMMAND, OV_PASSWORD, the terminal. None of OV_PASSWORD* is passed on to commands that ov runs.
A machine key is stronger than all of them, and is not passed on either.`

const filesHelp = `Files that ov reads and writes:

  .ov.yaml       app, environment and secrets of a folder and the folders below it; holds no secret.
                 The nearest one upward counts, up to the home folder. Not used before "ov trust".
  ~/.ov          OV_HOME, mode 0700: everything else
    config.toml  app and environment where nothing stronger says otherwise ("ov app use", "ov env use")
    trust/       one file for each .ov.yaml that was trusted, by path and content
    scanners/    third-party scanners and rule files ("ov scanner add"), with their checksums
    import/      what an import has not finished yet: names and origins, no values
    and what ov-agent alone reads and writes: vault.db (the sealed store), device (the Secret Key and the
    device's signing key, sealed), seen (the newest state), audit/ (the log), run/ (its socket); of a vault on
    a server also remote and synced; of a shared environment member and
    shared/ (its copy); of a machine key machines/.

  "ov mcp install" edits the file of the client that it names, and keeps the file as it was beside it.`

// completeRefs offers the names of secrets for the first argument.
func (c *cli) completeRefs(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completeNames(cmd, nil, typed)
}

// completeNames offers the names of secrets, also behind a comma, if an agent
// is unlocked: completion never asks for a password.
func (c *cli) completeNames(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	cfg, err := c.context(false)
	if err != nil {
		return nil, none
	}
	before := typed[:strings.LastIndexAny(typed, ",=")+1]
	client, err := agent.Connect(cmd.Context(), agent.Options{Home: cfg.Home, Client: "cli"})
	if err != nil {
		return nil, none
	}
	defer client.Close()
	infos, err := client.List(cmd.Context(), cfg.App.Value, cfg.Env.Value, "")
	if err != nil {
		return nil, none
	}
	var names []string
	for _, i := range infos {
		names = append(names, before+i.Ref.Name)
	}
	return names, none
}
