package wire

import (
	"encoding/json"

	"github.com/opaquevault/ov/core/secret"
)

// The ops. OpHello and OpStop mean the same in every version.
const (
	OpHello       = "hello"
	OpStop        = "stop"
	OpCancel      = "cancel" // of the request with the same id; it has no answer of its own
	OpStatus      = "status"
	OpInit        = "init"
	OpUnlock      = "unlock"
	OpLock        = "lock"
	OpPut         = "put"
	OpMayPut      = "may_put" // asks the gate alone
	OpList        = "list"
	OpInfo        = "info"
	OpDelete      = "delete"
	OpSpaces      = "spaces"
	OpSpaceCreate = "space_create"
	OpSpaceDelete = "space_delete"
	OpVerify      = "verify"
	OpAuditShow   = "audit_show"
	OpAuditVerify = "audit_verify"
	OpGrant       = "grant"
	OpComplete    = "complete"
	OpReveal      = "reveal" // the agent prints; no value is in the answer

	OpInspect       = "inspect"       // of a damaged vault
	OpAuditInspect  = "audit_inspect" // audit_verify of a log that does not open
	OpAuditRestart  = "audit_restart" // sets a broken log aside
	OpHistory       = "history"
	OpRollback      = "rollback"
	OpRestore       = "restore"
	OpTag           = "tag"
	OpRename        = "rename"
	OpAuditExposed  = "audit_exposed"
	OpAuditPrunable = "audit_prunable" // what audit_prune would remove
	OpAuditPrune    = "audit_prune"
	OpKit           = "kit"
	OpPasswd        = "passwd"
	OpRotate        = "rotate"
	OpDestroy       = "destroy"
	OpBackup        = "backup"
	OpPolicyShow    = "policy_show"
	OpPolicySet     = "policy_set"
	OpPolicyExplain = "policy_explain"
	OpPolicyCheck   = "policy_check"  // what another policy would change; nothing is stored
	OpPolicyReplay  = "policy_replay" // what another policy would have said to the uses in the log
	OpPending       = "pending"
	OpApprove       = "approve"
	OpRefuse        = "refuse"
	OpPINSet        = "pin_set"   // for approvals; needs the password
	OpForget        = "forget"    // the password in the keyring
	OpPage          = "page"      // puts up a page for a person's browser
	OpPageWait      = "page_wait" // until it is answered
	OpRestoreBackup = "restore_backup"
	OpImportAsk     = "import_ask" // a person lets a coding agent's import through
	OpImportCompare = "import_compare"
	OpImportPut     = "import_put"
	OpImportSeal    = "import_seal" // bytes that only this vault makes and reads
	OpImportOpen    = "import_open"
	OpCatalogShow   = "catalog_show"
	OpCatalogSet    = "catalog_set"

	OpJoin          = "join"      // with the recovery kit and the password
	OpJoinAsk       = "join_ask"  // asks a device of the vault to be let in
	OpJoinWait      = "join_wait" // until it has answered
	OpPush          = "push"      // puts a vault of this machine on a server
	OpSync          = "sync"
	OpDevices       = "devices"
	OpRequests      = "requests" // devices that ask to be let in
	OpDeviceApprove = "device_approve"
	OpDeviceRevoke  = "device_revoke"
	OpMachineNew    = "machine_new" // the agent writes the key to a descriptor
	OpMachines      = "machines"
	OpMachineRevoke = "machine_revoke"
	OpShareRequest  = "share_request" // asks a vault's owner for an environment, by text or by a server
	OpShareAnswer   = "share_answer"  // waits for what the owner puts on the server
	OpShareOpen     = "share_open"    // an invitation that came as text
	OpShareKeep     = "share_keep"    // the invitation that was opened, once its words were compared
	OpShare         = "share"
	OpCommits       = "commits" // who signed them
	OpMembers       = "members"
	OpShareRevoke   = "share_revoke"
	OpLocksShow     = "locks_show"   // which third-party scanners are recorded
	OpLocksRecord   = "locks_record" // needs the password
)

// PageArgs say what a page is for: "unlock"; "approve", of the pending request
// ID; "put", of a value that the person types.
type PageArgs struct {
	Kind string          `json:"kind"`
	ID   string          `json:"id,omitempty"`
	Put  json.RawMessage `json:"put,omitempty"`
}

// A ServerArgs says which server is meant. Words, if there are any, are what its
// key must be called.
type ServerArgs struct {
	URL   string `json:"server"`
	CA    string `json:"ca,omitempty"` // PEM
	Words string `json:"words,omitempty"`
	Name  string `json:"name,omitempty"`  // of this device
	Vault string `json:"vault,omitempty"` // hex, where no kit tells
}

// Shut answers the ops that make the agent forget its keys.
type Shut struct {
	Replaced bool `json:"replaced,omitempty"` // it replaces itself now: this connection ends
}

// IdentityFile, as the kind of a backup's passphrase, says that the descriptor
// is a file of age identities.
const IdentityFile = "identity"

// BackupArgs say who may open a backup, or what opens it. Descriptors: the
// password's, the backup's, and Passphrase's if that is not empty.
type BackupArgs struct {
	Recipients []string `json:"recipients,omitempty"`
	Passphrase string   `json:"passphrase,omitempty"`
}

// Hello opens a connection, in both directions.
type Hello struct {
	Protocol int    `json:"protocol"`
	Build    string `json:"build,omitempty"`  // of the agent, for people
	Home     string `json:"home,omitempty"`   // the vault that is meant
	Client   string `json:"client,omitempty"` // "cli", "mcp:NAME"
	Agent    string `json:"agent,omitempty"`  // the coding agent that the client noticed around itself
	Locked   bool   `json:"locked,omitempty"`
	Vault    bool   `json:"vault,omitempty"` // the home holds one
	PID      int    `json:"pid,omitempty"`
}

// PasswordArgs wrap the arguments of an op that reads a password: Password is
// the kind of the frame's first descriptor (tty, file, command, stdin, env).
type PasswordArgs struct {
	Password string          `json:"password"`
	Args     json.RawMessage `json:"args,omitempty"`
}

// ServerLimits bound what an agent accepts from its clients.
func ServerLimits() Limits { return Limits{Header: 4 << 20, Body: 1 << 20} }

// ClientLimits bound what a client accepts from its agent: a grant of 10,000
// secrets has a large header and may have a very large body.
func ClientLimits() Limits { return Limits{Header: 64 << 20, Body: 1 << 30} }

// Granted answers OpGrant; the values travel beside it, in the same order.
type Granted struct {
	ID         string   `json:"id"`
	Secrets    []Head   `json:"secrets"`
	AllowNames []string `json:"allow_names,omitempty"`
	Exact      bool     `json:"exact,omitempty"`
}

// A Head is one opened secret without its value.
type Head struct {
	Ref     secret.Ref `json:"ref"`
	Version uint64     `json:"version"`
	Plain   bool       `json:"plain,omitempty"`
	Weak    bool       `json:"weak,omitempty"`
}

// AskArgs ask for an environment of somebody else's vault: on Server, of the
// vault that it names; without one, of whichever the request is shown to.
type AskArgs struct {
	Server *ServerArgs `json:"server,omitempty"`
	Name   string      `json:"name,omitempty"` // what who asks is called
}

// AcceptArgs are an invitation that came as text. Of Server, CA and Words count.
type AcceptArgs struct {
	Invitation string     `json:"invitation"`
	Server     ServerArgs `json:"server"`
}

// KeepArgs say that the words of the device that invites were compared.
type KeepArgs struct {
	OwnerWords string `json:"owner_words"`
}
