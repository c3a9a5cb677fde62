package walk

import (
	"os"
	"path/filepath"
)

// mcpHome and mcpProject are where MCP clients keep the servers that they start,
// with their environment: below the home folder, and in a project.
// Source: the clients' own documentation.
var (
	mcpHome = []string{
		".claude.json", ".claude/settings.json", ".claude/settings.local.json",
		".config/Claude/claude_desktop_config.json", "Library/Application Support/Claude/claude_desktop_config.json",
		"AppData/Roaming/Claude/claude_desktop_config.json",
		".cursor/mcp.json", ".codeium/windsurf/mcp_config.json", ".gemini/settings.json", ".codex/config.toml",
		".config/Code/User/mcp.json", ".config/Code/User/settings.json",
		"Library/Application Support/Code/User/mcp.json", "Library/Application Support/Code/User/settings.json",
		"AppData/Roaming/Code/User/mcp.json",
		".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
		".config/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
		".continue/config.json", ".continue/config.yaml", ".config/zed/settings.json", ".aws/amazonq/mcp.json",
		".config/goose/config.yaml", ".config/opencode/opencode.json", ".junie/mcp/mcp.json", ".lmstudio/mcp.json",
		".copilot/mcp-config.json", ".config/github-copilot/mcp.json",
	}
	mcpProject = []string{
		".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json", ".vscode/settings.json", ".gemini/settings.json",
		".codex/config.toml", ".roo/mcp.json", ".junie/mcp/mcp.json", ".amazonq/mcp.json", "opencode.json", ".zed/settings.json",
		".claude/settings.json", ".claude/settings.local.json",
	}
)

// MCPConfigs returns the configuration files of known MCP clients that exist in a
// home folder and a project.
func MCPConfigs(home, project string) []string {
	var all []string
	seen := map[string]bool{}
	look := func(dir string, names []string) {
		if dir == "" {
			return
		}
		for _, n := range names {
			p := filepath.Join(dir, filepath.FromSlash(n))
			if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && !seen[p] {
				seen[p] = true
				all = append(all, p)
			}
		}
	}
	look(home, mcpHome)
	look(project, mcpProject)
	return all
}
