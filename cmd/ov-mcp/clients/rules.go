package clients

import "strings"

const (
	rulesBegin = "<!-- ov: begin -->"
	rulesEnd   = "<!-- ov: end -->"
)

// rulesText tells a coding agent to use ov.
const rulesText = `## Secrets

Credentials live in the ov vault. When a command needs one:

- Look up names with the tool vault_list_secrets; you never see values.
- Run the command with vault_run and name the secrets; the command reads $NAME. Without the tool: ov run --secrets NAME -- COMMAND.
- Never ask for a secret in the chat, never put one into an argument, a file, or code, and do not read .env files.
- A new secret is made with vault_create_secret: generate it, or leave the value out and the user types it.
- [REDACTED:NAME] in output is a masked value. Never write it into a file.
`

// AddRules puts the block with the rules into a file of instructions, in place
// of an earlier one.
func AddRules(doc string) string {
	doc = RemoveRules(doc)
	if doc != "" && !strings.HasSuffix(doc, "\n") {
		doc += "\n"
	}
	if doc != "" {
		doc += "\n"
	}
	return doc + rulesBegin + "\n" + rulesText + rulesEnd + "\n"
}

// RemoveRules takes the block out.
func RemoveRules(doc string) string {
	before, rest, found := strings.Cut(doc, rulesBegin)
	_, after, closed := strings.Cut(rest, rulesEnd)
	if !found || !closed {
		return doc
	}
	return strings.TrimSuffix(before, "\n") + strings.TrimPrefix(after, "\n")
}
