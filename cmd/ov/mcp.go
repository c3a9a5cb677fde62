package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

func (c *cli) mcpCmd() *cobra.Command {
	return noun("mcp", "Let coding agents use secrets", c.mcpServeCmd())
}

func (c *cli) mcpServeCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the vault to an MCP client, on stdin and stdout",
		Long: `Speaks the Model Context Protocol on stdin and stdout, for a coding agent that starts it. The agent gets seven tools
to run commands with secrets; none of them ever returns a value.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			home, err := c.homeFolder()
			if err != nil {
				return err
			}
			path, err := agent.Sibling("ov-mcp")
			if err != nil {
				return err
			}
			// The server takes this process's place: nothing stands between it and
			// the client, and a signal reaches it.
			err = syscall.Exec(path, []string{"ov-mcp", "--home", home}, os.Environ())
			return fmt.Errorf("start %q: %w", path, err)
		},
	}
}
