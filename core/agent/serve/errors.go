package serve

import (
	"errors"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/keyring"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// translate turns an error of the rooms below into one that clients know. What
// a cryptographic failure was about is said by none of them.
func translate(err error) error {
	if e := (*agent.Error)(nil); errors.As(err, &e) {
		return err
	}
	if e := remoteError(err); e != nil {
		return e
	}
	for _, m := range meanings() {
		if errors.Is(err, m.from) {
			return &agent.Error{Err: m.to, Message: err.Error(), Advice: m.hint}
		}
	}
	return err
}

type meaning struct {
	from, to error
	hint     string
}

func meanings() []meaning {
	const restore = `"ov vault verify" says what is readable; "ov vault restore" brings a backup back`
	return []meaning{
		{audit.ErrBroken, agent.ErrAudit, `nothing was decrypted; "ov audit verify" says where, "ov audit restart" sets the log aside and begins a new one`},
		{agent.ErrAudit, agent.ErrAudit, "nothing was decrypted; make room for, or write access to, the folder audit in OV_HOME"},
		{audit.ErrAudit, agent.ErrAudit, "nothing was decrypted; make room for, or write access to, the folder audit in OV_HOME"},
		{agent.ErrLocked, agent.ErrLocked, `run "ov unlock", or set OV_PASSWORD_FILE`},
		{keyring.ErrNone, agent.ErrLocked, `"ov unlock --remember" puts it there`},
		{keyring.ErrUnavailable, agent.ErrUnavailable, "this system has no keyring that answers; unlock without it"},
		{vault.ErrClosed, agent.ErrLocked, `run "ov unlock", or set OV_PASSWORD_FILE`},
		{vault.ErrNoVault, agent.ErrNoVault, `run "ov vault init"`},
		{vault.ErrVaultExists, agent.ErrVaultExists, ""},
		{vault.ErrPassword, agent.ErrPassword, ""},
		{errWrongPIN, agent.ErrDenied, "the master password works as ever"},
		{vault.ErrNotFound, agent.ErrNotFound, ""},
		{vault.ErrExists, agent.ErrExists, `"ov secret set" replaces it`},
		{vault.ErrTaken, agent.ErrExists, "take another name, or end that one first"},
		{vault.ErrConflict, agent.ErrConflict, "look at it again and repeat"},
		{vault.ErrTampered, agent.ErrTampered, restore},
		{vault.ErrRollback, agent.ErrRollback, `somebody restored an older copy of the vault's files, or of its server: "ov vault restore" brings a backup back; for a server see docs/remote.md, "A server that was set back"`},
		{vault.ErrFork, agent.ErrRollback, "somebody restored an older copy of the vault's files"},
		{vault.ErrCorrupt, agent.ErrCorrupt, restore},
		{blob.ErrCorrupt, agent.ErrCorrupt, restore},
		{vault.ErrFull, agent.ErrStorage, "make room on the disk; nothing was changed"},
		{blob.ErrFull, agent.ErrStorage, "make room on the disk; nothing was changed"},
		{vault.ErrValue, agent.ErrUsage, ""},
		{vault.ErrRotated, agent.ErrLocked, `the keys were rotated: run "ov unlock" again`},
		{seal.ErrOpen, agent.ErrPassword, "the backup's passphrase or identity does not open it"},
		{seal.ErrBackup, agent.ErrUsage, ""},
		{seal.ErrKit, agent.ErrUsage, "the Secret Key is on the recovery kit: OV1 and six groups of five"},
		{secret.ErrRef, agent.ErrUsage, ""},
		{secret.ErrEmpty, agent.ErrUsage, ""}, {secret.ErrTooLong, agent.ErrUsage, ""},
		{secret.ErrMarker, agent.ErrUsage, "store the credential itself, not the masked output of a command"},
		{secret.ErrShort, agent.ErrUsage, "--plain stores what is no secret"},
	}
}
