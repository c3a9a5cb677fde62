package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

// fault is an error as the model sees it: a code to act on, what happened, and
// what to do. It never holds a value.
type fault struct{ code, message, hint string }

func (f fault) Error() string { return f.code + ": " + f.message }

func badInput(format string, args ...any) error {
	return fault{code: "invalid_arguments", message: fmt.Sprintf(format, args...)}
}

func asType[T error](err error, target *T) bool { return errors.As(err, target) }

// failed is the result of a call that did not happen. There is no structured
// content: clients hold that against the schema of a success.
func failed(f fault, warnings ...string) *mcp.CallToolResult {
	text := f.Error()
	if f.hint != "" {
		text += "\nhint: " + f.hint
	}
	for _, w := range warnings {
		text += "\nwarning: " + w
	}
	return mcp.NewToolResultError(text)
}

// explain is the one place that maps errors to the codes of mcp.md.
func explain(err error) fault {
	if f := (fault{}); errors.As(err, &f) {
		return f
	}
	if n := (needsValue{}); errors.As(err, &n) {
		return n.fault
	}
	if u := (unconfirmed{}); errors.As(err, &u) {
		return u.fault
	}
	for _, row := range []struct {
		is         error
		code, hint string
	}{
		{agent.ErrLocked, "vault_locked", `ask the user to run "ov unlock" in a terminal, then call again`},
		{agent.ErrNoVault, "no_vault", `ask the user to run "ov vault init" in a terminal`},
		{agent.ErrNotFound, "secret_not_found", "call vault_list_secrets to see what is there"},
		{agent.ErrApproval, "approval_required", "ask the user to approve it, then call again"},
		{agent.ErrDenied, "denied_by_policy", `the vault's owner can look at it with "ov policy explain"`},
		{agent.ErrAudit, "audit_unavailable", "nothing was decrypted; the audit log must be writable first"},
		{agent.ErrExists, "secret_exists", "use vault_update_secret to store a new version"},
		{agent.ErrConflict, "conflict", "somebody changed it meanwhile; look again and retry"},
		{agent.ErrTampered, "vault_damaged", `ask the user to run "ov vault verify"`},
		{agent.ErrRollback, "vault_damaged", `ask the user to run "ov vault verify"`},
		{agent.ErrCorrupt, "vault_damaged", `ask the user to run "ov vault verify"`},
		{agent.ErrScanners, "scanners_unusable", `ask the user to look with "ov scanner list"; "ov scanner trust" records what is there, with the master password`},
		{agent.ErrBusy, "busy", "wait a moment and call again"},
		{agent.ErrOffline, "server_offline", `secrets are read from the copy on this machine and nothing was changed; ask the user to look at "ov status", then call again`},
		{agent.ErrUnavailable, "agent_unavailable", `ask the user to run "ov doctor"`},
		{config.ErrUntrusted, "project_untrusted", `ask the user to look at .ov.yaml and run "ov trust" in that folder`},
		{proc.ErrNotFound, "command_not_found", "check the name; there is no shell in between"},
		{proc.ErrChanged, "command_changed", "nothing was started; call again"},
		{proc.ErrNotExecutable, "command_not_executable", ""},
		{proc.ErrSessionEnded, "session_expired", "open a new one with vault_inject_env"},
		{broker.ErrInject, "not_injectable", ""},
		{broker.ErrMasking, "masking_failed", "output was stopped and the command ended"},
		{secret.ErrRef, "invalid_arguments", ""},
		{context.Canceled, "cancelled", ""},
	} {
		if errors.Is(err, row.is) {
			return fault{row.code, oneLine(err.Error()), join(row.hint, similar(err), approvable(err))}
		}
	}
	return fault{"failed", oneLine(err.Error()), agent.Hint(err)}
}

// approvable is how the request that err stands for can be approved.
func approvable(err error) string {
	if agent.PendingID(err) == "" {
		return ""
	}
	return oneLine(agent.Hint(err))
}

func similar(err error) string {
	if names := agent.Similar(err); len(names) > 0 {
		return "similar names: " + strings.Join(names, ", ")
	}
	return ""
}

func join(parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, "; ")
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
