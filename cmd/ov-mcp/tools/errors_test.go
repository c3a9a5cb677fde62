package tools

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
)

// What the agent says reaches a model as a code, a hint and a message, and
// docs/mcp.md lists the code.
func TestExplainCodes(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/mcp.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err        error
		code, hint string
	}{
		{agent.ErrLocked, "vault_locked", "ov unlock"},
		{agent.ErrNoVault, "no_vault", "ov vault init"},
		{agent.ErrNotFound, "secret_not_found", "vault_list_secrets"},
		{agent.ErrDenied, "denied_by_policy", "ov policy explain"},
		{agent.ErrAudit, "audit_unavailable", "nothing was decrypted"},
		{agent.ErrOffline, "server_offline", "ov status"},
	} {
		wrapped := fmt.Errorf("store secret: %w", &agent.Error{Err: c.err, Message: "the message\nof it: " + c.err.Error()})
		f := explain(wrapped)
		if f.code != c.code || !strings.Contains(f.hint, c.hint) || strings.Contains(f.message, "\n") || !strings.Contains(f.message, "the message") {
			t.Errorf("%v: %+v, want %s and %q", c.err, f, c.code, c.hint)
		}
		if !strings.Contains(string(doc), "`"+c.code+"`") {
			t.Errorf("docs/mcp.md does not list %s", c.code)
		}
	}
}
