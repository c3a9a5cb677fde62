package agent

import "strings"

// Detect returns the name of the coding agent that the environment gives away,
// or "". It is a courtesy to people who let an agent use their shell, not a
// boundary: whoever starts a program chooses its environment.
func Detect(environ []string) string {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if value == "" || value == "0" {
			continue
		}
		for _, mark := range marks() {
			if name == mark.name || mark.prefix && strings.HasPrefix(name, mark.name) {
				return mark.agent
			}
		}
	}
	return ""
}

type mark struct {
	name   string
	prefix bool
	agent  string
}

// marks are variables that coding agents set for the commands they run.
func marks() []mark {
	return []mark{
		{"CLAUDECODE", false, "claude-code"}, {"CLAUDE_CODE_", true, "claude-code"},
		{"CURSOR_AGENT", false, "cursor"}, {"CURSOR_TRACE_ID", false, "cursor"}, {"CURSOR_SANDBOX", true, "cursor"},
		{"CODEX_SANDBOX", true, "codex"}, {"CODEX_THREAD", true, "codex"}, {"CODEX_CI", false, "codex"}, {"GEMINI_CLI", false, "gemini-cli"},
		{"OPENCODE", false, "opencode"}, {"CLINE_ACTIVE", false, "cline"},
		{"COPILOT_CLI", true, "copilot"}, {"AUGMENT_AGENT", false, "augment"},
		{"AI_AGENT", false, "an AI agent"},
	}
}
