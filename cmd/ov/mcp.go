package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/crash"
)

// mcpCmd hands everything over to ov-mcp, which takes this process's place:
// nothing stands between it and the client, and a signal reaches it. The flags
// that follow the verb are its own.
func (c *cli) mcpCmd() *cobra.Command {
	verb := func(use, short, long string) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Long: long, DisableFlagParsing: true}
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			for _, a := range args {
				if a == "--" {
					break
				}
				if a == "-h" || a == "--help" {
					return cmd.Help()
				}
			}
			return c.becomeMCP(append([]string{cmd.Name()}, args...))
		}
		return cmd
	}
	return noun("mcp", "Let coding agents use secrets",
		verb("serve [--home DIR]", "Serve the vault to an MCP client, on stdin and stdout",
			`Speaks the Model Context Protocol on stdin and stdout, for a coding agent that starts it. The agent gets seven tools
to run commands with secrets; none of them ever returns a value.`),
		verb("install CLIENT [--rules] [--dry-run]", "Add ov to a client's configuration",
			`Adds ov to the MCP servers of CLIENT: claude, claude-desktop, codex, cursor, vscode, gemini, qwen, opencode, windsurf or zed.
The rest of the file stays byte for byte as it is, and a copy of it is kept beside it.
--rules also writes the short text that tells the agent to use ov; --dry-run only shows what would change.`),
		verb("wrap [--secrets A,B] -- SERVER [ARG...]", "Run another MCP server with secrets, and mask what it sends",
			`Runs SERVER with the secrets that its environment names: a variable set to ov://NAME, ov://ENV/NAME or ov://APP/ENV/NAME in
the client's configuration, or --secrets. Every string of the messages it sends is masked; ids and structure stay as they are.`),
		verb("doctor [--fix [--yes]] [--undo]", "Find credentials in the clients' configurations",
			`Lists the variables of MCP servers that hold a credential in plain text. --fix offers to move each into the vault and to start
the server through "ov mcp wrap"; --undo puts the files back as they were before ov.`),
		verb("list [--json]", "Say which MCP clients are here, and which of them know ov", ""),
		verb("uninstall CLIENT [--dry-run]", "Take ov out of a client's configuration again", ""),
	)
}

func (c *cli) becomeMCP(args []string) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	path, err := agent.Sibling("ov-mcp")
	if err != nil {
		return err
	}
	err = crash.Exec(path, append([]string{"ov-mcp", "--home", home}, args...), os.Environ())
	return fmt.Errorf("start %q: %w", path, err)
}
