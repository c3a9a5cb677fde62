package tools

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
)

// Masks is what looks for secrets: the lanes, level and scanners of every run,
// and the locks that the scanners were read from, which ov-agent holds against
// its record. It does not change; what is installed later makes another one.
type Masks struct {
	Redact redact.Options
	Locks  agent.Locks
	guard  *redact.Set // the scanners' surest rules, for the arguments of calls
}

// NewMasks returns the masks of o, whose installed scanners were read from locks.
func NewMasks(o redact.Options, locks agent.Locks) (*Masks, error) {
	set, err := redact.Compile(nil, redact.Options{Scanners: o.Scanners, Level: scan.Precise})
	if err != nil {
		return nil, fmt.Errorf("compile scanners: %w", err)
	}
	return &Masks{o, locks, set}, nil
}

func (m *Masks) shapes() *redact.Set {
	if m == nil {
		return nil
	}
	return m.guard
}

// masked is text from elsewhere without what has the shape of a credential.
func (m *Masks) masked(text string) string {
	var b bytes.Buffer
	w := redact.NewWriter(&b, m.guard, nil)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Sprintf("(%d characters that could not be masked)", len(text))
	}
	return valid(b.String())
}

// cannotMask refuses calls while what is installed cannot be used: what it was
// to mask would pass.
func cannotMask(err error) error {
	return fault{"scanners_unusable", oneLine(err.Error()),
		`nothing was run and nothing opened; ask the user to look with "ov scanner list" and "ov scanner verify"`}
}

// outdated is the end of a session whose scanners are not the installed ones any
// more: its masking was built when it was opened.
var outdated = fault{"session_expired", "the installed scanners changed since the session was opened, and it was closed", "open a new one with vault_inject_env"}
