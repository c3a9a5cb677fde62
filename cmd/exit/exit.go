// Package exit is the table of exit statuses: what `ov help exit` prints, for
// every program that ov hands a command over to.
package exit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// The outcomes that are no failure of anything below.
var (
	ErrUsage   = errors.New("usage")               // wrapped by every mistake on a command line
	ErrFound   = errors.New("secrets found")       // by ov scan
	ErrPending = errors.New("changes are pending") // of ov import
)

// An Outcome is one row of the table.
type Outcome struct {
	Code  int
	Means string
	Errs  []error // the sentinels that lead here; the first row that has one wins
}

// Outcomes is the table, in the order of its codes.
func Outcomes() []Outcome {
	return []Outcome{
		{0, "it worked", nil},
		{1, "the operation failed", nil},
		{2, "usage: the command line is wrong", []error{ErrUsage, secret.ErrRef, agent.ErrUsage}},
		{3, "secrets were found (ov scan)", []error{ErrFound}},
		{4, "locked: no password, or a wrong one", []error{agent.ErrLocked, agent.ErrPassword, agent.ErrPause}},
		{5, "not found", []error{agent.ErrNotFound, agent.ErrNoVault}},
		{6, "conflict: it exists, or changed meanwhile", []error{agent.ErrExists, agent.ErrVaultExists, agent.ErrConflict}},
		{7, "changes are pending (ov import)", []error{ErrPending}},
		{8, "denied", []error{agent.ErrDenied, agent.ErrApproval, config.ErrUntrusted}},
	}
}

// Code maps err to its exit status; mine are rows of the program itself, looked at first.
func Code(err error, mine ...Outcome) int {
	if err == nil {
		return 0
	}
	for _, o := range append(mine, Outcomes()...) {
		for _, e := range o.Errs {
			if errors.Is(err, e) {
				return o.Code
			}
		}
	}
	return 1
}

// Clean makes text safe for a terminal: what it names can come from a hostile
// repository or server. Control characters are shown as escapes.
func Clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
