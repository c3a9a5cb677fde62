// Package audit keeps the record of who touched which secret: appended and
// durable before the secret is opened, chained so that no line can be changed,
// removed or inserted unnoticed.
//
//	line.go      one line: JSON and a MAC over it and the line before
//	log.go       Open, Append: the file lock, the sync, what a crash leaves
//	mark.go      where the log ends, remembered beside it
//	epoch.go     every 256 records are signed with a key that is then erased
//	verify.go    Verify names the first bad line
//	prune.go     what is old is removed; base.go is what stands in its place
//	read.go      Show, Grep, Exposed; export.go writes them for others
//
// Names never stand in the log: an HMAC of each does, under a key derived from
// the vault key. What the chain proves and what it cannot is in FORMAT.md.
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

// A Count is how often a needle was masked in one lane. In a Record, Name is a
// full reference (app/environment/NAME); in an Entry it is its HMAC.
type Count struct {
	Name string `json:"name,omitempty"`
	Lane string `json:"lane,omitempty"`
	Rule string `json:"rule,omitempty"`
	N    int64  `json:"n"`
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
	Limits []string // rules whose number of uses this is one of; written as HMACs
}

// An Entry is a line read back. Names are HMACs, hex.
type Entry struct {
	N      uint64    `json:"n"`
	Time   time.Time `json:"t"`
	Op     string    `json:"op"`
	Space  string    `json:"space,omitempty"`
	Event  string    `json:"event"`
	Names  []string  `json:"names,omitempty"`
	Actor  Actor     `json:"actor"`
	Argv   string    `json:"argv,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Run    string    `json:"run,omitempty"`
	Exit   *int      `json:"exit,omitempty"`
	Signal string    `json:"signal,omitempty"`
	Masked []Count   `json:"masked,omitempty"`
	Limits []string  `json:"limits,omitempty"`
}

// A Report is the answer of Verify.
type Report struct {
	Records uint64 // that are there and sound
	Epochs  int    // of these, signed whole
	Bad     uint64 // the first bad record, 1-based; 0: none
	Problem string // what is wrong with it

	Removed uint64    // records that were pruned before the first of these
	Newest  time.Time // of the removed
	Pruned  time.Time // when
}

// Errors. All of writing wrap ErrAudit: the caller then opens nothing.
var (
	ErrAudit  = errors.New("audit log cannot be written")
	ErrBroken = errors.New("audit log was altered or cut")
	ErrClosed = errors.New("audit log is closed")
)

// Limits of what a record may carry; longer text is cut, more names are refused.
const (
	maxText  = 1024
	maxNames = 100_000
)
