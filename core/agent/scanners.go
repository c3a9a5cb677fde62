package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/opaquevault/ov/core/agent/wire"
)

// Locks are the digests of the two files that say which third-party scanners
// masking uses; "" stands for a file that is not there. The vault keeps those
// that were recorded with the password, and gives no value to a client that
// masks with others.
type Locks struct {
	Modules string `json:"modules,omitempty"` // of scanners.lock
	Rules   string `json:"rules,omitempty"`   // of rules.lock
}

// LockDigest is how Locks names a file's content; nil is no file.
func LockDigest(content []byte) string {
	if content == nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Recorded returns what is recorded for this device; ok is false when nothing is.
func (c *Client) Recorded(ctx context.Context) (l Locks, ok bool, err error) {
	var out LocksRecord
	_, err = c.call(ctx, wire.OpLocksShow, nil, &out)
	return out.Locks, out.Recorded, err
}

// A LocksRecord answers what is recorded.
type LocksRecord struct {
	Locks
	Recorded bool `json:"recorded,omitempty"`
}

// A LocksChange records New in the place of Old. What is recorded must be Old,
// so that nobody blesses a change of somebody else's along with their own,
// unless Accept says that the files were looked at as they are.
type LocksChange struct {
	Old    Locks `json:"old"`
	New    Locks `json:"new"`
	Accept bool  `json:"accept,omitempty"`
}

// RecordLocks records which scanners masking uses; it needs the password afresh.
func (c *Client) RecordLocks(ctx context.Context, ch LocksChange) error {
	_, err := c.fresh(ctx, wire.OpLocksRecord, ch)
	return err
}
