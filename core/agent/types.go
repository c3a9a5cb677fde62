package agent

import (
	"encoding/json"
	"os"
	"time"

	"github.com/opaquevault/ov/core/inode"
	"github.com/opaquevault/ov/core/secret"
)

// Info is what may be told about a secret: everything but its value.
type Info struct {
	Ref     secret.Ref `json:"ref"`
	Version uint64     `json:"version"`
	Created time.Time  `json:"created"`
	Updated time.Time  `json:"updated"`
	Plain   bool       `json:"plain,omitempty"` // no secret: not masked
	Weak    bool       `json:"weak,omitempty"`  // guessable in under 2^40 tries
	Deleted bool       `json:"deleted,omitempty"`
	Size    int        `json:"size"` // bytes; of a secret rounded up to its bucket
	Tags    []string   `json:"tags,omitempty"`
	Device  string     `json:"device,omitempty"` // that stored it, or the beginning of a member's id
	By      string     `json:"by,omitempty"`     // its name, or "NAME (member)": in a history, by the word of who stored it
	Origin  *Origin    `json:"origin,omitempty"` // of an import
}

// A Space is one app's environment.
type Space struct {
	App     string `json:"app"`
	Env     string `json:"environment"`
	Secrets int    `json:"secrets"`
}

// PutMode says what Put does about a secret that is, or is not, there.
type PutMode string

// The modes of Put.
const (
	Upsert     PutMode = "set"
	CreateOnly PutMode = "create"
	UpdateOnly PutMode = "update"
)

// A PutRequest stores one value.
type PutRequest struct {
	Ref       secret.Ref   `json:"ref"`
	Value     secret.Value `json:"-"` // travels beside the JSON
	Mode      PutMode      `json:"mode,omitempty"`
	Plain     bool         `json:"plain,omitempty"`
	Tags      []string     `json:"tags,omitempty"`
	IfVersion uint64       `json:"if_version,omitempty"` // 0: whatever is there
	Reason    string       `json:"reason,omitempty"`
	// Overwrite replaces what another device stored since this one looked, which
	// is an ErrConflict otherwise.
	Overwrite bool   `json:"overwrite,omitempty"`
	From      Source `json:"from,omitzero"`
}

// SourceKind is where a value comes from.
type SourceKind string

// The sources. A file and a command are verbs of the policy, beside create and
// update; a parameter has been seen by a model, and passes only where the sealed
// policy says so. An MCP client has to name one.
const (
	FromPerson     SourceKind = "person"
	FromGenerator  SourceKind = "generated"
	FromAFile      SourceKind = "file"
	FromACommand   SourceKind = "command"
	FromAParameter SourceKind = "parameter"
	FromUndeclared SourceKind = ""
)

// A Source declares where a value comes from.
type Source struct {
	Kind       SourceKind `json:"kind,omitempty"`
	Path       string     `json:"path,omitempty"`       // of a file, absolute
	Executable string     `json:"executable,omitempty"` // of a command, as in a GrantRequest
	File       inode.ID   `json:"file,omitempty"`
	Argv       []string   `json:"argv,omitempty"`
	Dir        string     `json:"dir,omitempty"`
	Inherited  []string   `json:"inherited,omitempty"`
}

// GrantKind is what the values of a grant are for.
type GrantKind string

// The kinds of grant that a client can ask for. Reveal is a method of its own.
const (
	GrantRun     GrantKind = "run"
	GrantMask    GrantKind = "mask"
	GrantSession GrantKind = "session"
)

// A GrantRequest declares what is about to happen with which secrets. Policy
// decides on it and the audit log keeps it, before anything is decrypted.
type GrantRequest struct {
	Kind       GrantKind         `json:"kind"`
	Executable string            `json:"executable,omitempty"` // resolved, absolute
	File       inode.ID          `json:"file,omitempty"`       // what Executable was then; another one is refused. "": not known, as in a shell
	Argv       []string          `json:"argv,omitempty"`
	Dir        string            `json:"dir,omitempty"`
	ExtraEnv   []string          `json:"extra_env,omitempty"` // NAME=value, set for this command
	Inherited  []string          `json:"inherited,omitempty"` // NAME=value, the rest of the child's environment; see environment
	StdinHash  string            `json:"stdin_hash,omitempty"`
	Refs       []secret.Ref      `json:"refs,omitempty"`
	App        string            `json:"app,omitempty"` // with Env and no Refs: every secret of it
	Env        string            `json:"environment,omitempty"`
	Delivery   map[string]string `json:"delivery,omitempty"` // ref -> file, stdin, fd; absent: env
	Lanes      string            `json:"lanes,omitempty"`    // redact.Lanes as text; empty: all
	Reason     string            `json:"reason,omitempty"`
	Session    string            `json:"session,omitempty"` // the session that this run happens in
	Level      string            `json:"level,omitempty"`   // known: nothing is masked by its shape
	Locks      Locks             `json:"locks,omitzero"`    // of the scanners that mask; the Client sets it
}

// A Grant is the answer: the values, for this one purpose.
type Grant struct {
	ID         string
	Secrets    []Secret
	AllowNames []string // variable names usually refused that the sealed policy lets through
	Exact      bool     // it was given to this very file, see proc.Spec
}

// A Secret is one opened value of a grant.
type Secret struct {
	Ref     secret.Ref
	Version uint64
	Plain   bool
	Weak    bool
	Value   secret.Value
}

// Wipe zeroes the values of g.
func (g *Grant) Wipe() {
	for _, s := range g.Secrets {
		s.Value.Wipe()
	}
}

// A Count is how often one needle was masked on one lane.
type Count struct {
	Name string `json:"name"`
	Lane string `json:"lane,omitempty"`
	Rule string `json:"rule,omitempty"`
	N    int64  `json:"n"`
}

// A Completion says how the use of a grant ended.
type Completion struct {
	GrantID string  `json:"grant"`
	Exit    int     `json:"exit"`
	Signal  string  `json:"signal,omitempty"`
	Failure string  `json:"failure,omitempty"` // why ov itself stopped it: "masking", "timeout" ...
	Masked  []Count `json:"masked,omitempty"`
}

// An InitRequest makes a vault. Its recovery kit, which holds the Secret Key,
// does not pass through the client either: the agent writes it to Kit, or shows
// it on the password's terminal when Kit is nil and makes sure that it was kept.
type InitRequest struct {
	Kit    *os.File `json:"-"`                // a new file, or stdout
	Device string   `json:"device,omitempty"` // how this machine is called in the vault
	Server *Server  `json:"server,omitempty"` // nil: the vault is on this machine alone
}

// TTLs bound how long an unlocked agent keeps its keys; zero: the default.
type TTLs struct {
	Idle time.Duration `json:"idle,omitempty"` // 15 minutes
	Hard time.Duration `json:"hard,omitempty"` // 8 hours
	// Remember puts the password into the operating system's keyring, where
	// FromKeyring finds it.
	Remember bool `json:"remember,omitempty"`
}

// Status describes the agent that a client would talk to.
type Status struct {
	Running  bool          `json:"running"` // a daemon answers on the socket
	Locked   bool          `json:"locked"`
	Vault    bool          `json:"vault"` // OV_HOME holds a vault
	PID      int           `json:"pid,omitempty"`
	Version  string        `json:"version,omitempty"`
	Protocol int           `json:"protocol,omitempty"`
	IdleLeft time.Duration `json:"idle_left,omitempty"`
	HardLeft time.Duration `json:"hard_left,omitempty"`
	Grants   int           `json:"grants"` // in use right now
	Socket   string        `json:"socket"`
	Memory   string        `json:"memory,omitempty"`    // where the keys live: "memfd_secret", "locked", "plain"
	Remote   *RemoteStatus `json:"remote,omitempty"`    // nil: the vault is on this machine alone
	Shared   []Shared      `json:"shared,omitempty"`    // environments of other people's vaults, when this home has none of its own
	Asked    []string      `json:"asked,omitempty"`     // words of the requests for one that wait for an invitation
	WarnOnly bool          `json:"warn_only,omitempty"` // the sealed policy: a secret in an MCP call's argument is warned of, not refused
}

// A Report is what Verify found.
type Report struct {
	Records  int      `json:"records"`  // stored versions
	Readable int      `json:"readable"` // of these, opened and checked
	Secrets  int      `json:"secrets"`  // names, deleted ones not counted
	Seq      uint64   `json:"seq"`      // of the newest commit
	Problems []string `json:"problems,omitempty"`
}

// An AuditQuery selects lines of the audit log.
type AuditQuery struct {
	Limit int       `json:"limit,omitempty"` // the last n; 0: all
	Since time.Time `json:"since,omitzero"`
	Name  string    `json:"name,omitempty"` // app/environment/NAME: what names it

	// A page: the first First records behind number After. First 0: no page.
	After uint64 `json:"after,omitempty"`
	First int    `json:"first,omitempty"`
}

// An AuditLine is one record: as a person reads it, and as it is stored.
type AuditLine struct {
	Text   string          `json:"text"`
	Record json.RawMessage `json:"record"`
	Number uint64          `json:"number"`
	Syslog string          `json:"syslog,omitempty"` // of a page: the record as RFC 5424 has it
}

// An AuditReport is what AuditVerify found.
type AuditReport struct {
	Records  uint64 `json:"records"`
	Epochs   int    `json:"epochs"`
	FirstBad uint64 `json:"first_bad,omitempty"` // the first bad record, 1-based; 0: none
	Problem  string `json:"problem,omitempty"`   // what is wrong with it

	Removed uint64    `json:"removed,omitempty"` // older records that were pruned
	Newest  time.Time `json:"removed_up_to,omitzero"`
	Pruned  time.Time `json:"pruned,omitzero"` // when
}

// Lanes are the names of masking's lanes, as a GrantRequest lists those that are on.
func Lanes() []string { return []string{"exact", "encoded", "squeezed", "fragments"} }
