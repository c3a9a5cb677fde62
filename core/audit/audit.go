// Package audit keeps the record of who touched which secret: appended and
// durable before the secret is opened, chained so that no line can be changed,
// removed or inserted unnoticed.
package audit

import (
	"errors"
	"time"
)

// An Actor is who asked, as far as the agent can see.
type Actor struct {
	Device string `json:"device,omitempty"`
	UID    int    `json:"uid"`
	PID    int    `json:"pid,omitempty"`
	Exe    string `json:"exe,omitempty"`
	Client string `json:"client,omitempty"` // "cli", "mcp:claude-code"
}

// A Count is how often a needle was masked in one lane. Name is a full
// reference (app/environment/NAME); it is written as an HMAC, like every name.
type Count struct {
	Name string
	Lane string
	Rule string
	N    int64
}

// A Record is one line to be written. No field of it may hold a value.
type Record struct {
	Time   time.Time // zero: now
	Op     string    // "vault_run", "secret_list", ...
	Space  string    // app/environment
	Event  string    // ACCESSED, LISTED, CREATED, UPDATED, DELETED, DENIED, COMPLETED ...
	Names  []string  // full references; written as HMACs
	Actor  Actor
	Argv   string // digest of the command line
	Reason string
	Run    string // joins a grant and its completion
	Exit   *int   // of a completion
	Signal string
	Masked []Count
}

// ErrAudit is wrapped by every failure to write: the caller opens nothing.
var ErrAudit = errors.New("audit log cannot be written")

// A Log is one process's hold on the log in a folder, which several processes
// may share.
type Log struct{}

// Open opens the log in dir, making the folder if need be. keys are those of
// vault.AuditKeys: the current one first, then those of before a rotation.
func Open(dir string, keys [][]byte) (*Log, error) { return nil, errors.ErrUnsupported }

// Append writes r; when it returns nil the line is on stable storage.
func (l *Log) Append(r Record) error { return errors.ErrUnsupported }

// Close lets go of the file.
func (l *Log) Close() error { return nil }

// An Entry is a line read back.
type Entry struct {
	N      uint64
	Time   time.Time
	Op     string
	Space  string
	Event  string
	Names  []string // HMACs, hex
	Actor  Actor
	Argv   string
	Reason string
	Run    string
	Exit   *int
	Signal string
	Masked []Count // Name is an HMAC
}

// String is the human view: time, operation, space, event and HMACs of names.
func (e Entry) String() string { return "" }

// Show returns the newest n entries (0: all), oldest first.
func (l *Log) Show(n int) ([]Entry, error) { return nil, errors.ErrUnsupported }

// A Report is the answer of Verify.
type Report struct {
	Records uint64
	Epochs  int
	Bad     uint64 // the first bad record, 1-based; 0: none
	Problem string // what is wrong with it
}

// Verify checks the whole chain.
func (l *Log) Verify() (Report, error) { return Report{}, errors.ErrUnsupported }
