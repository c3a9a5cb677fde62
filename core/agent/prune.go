package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

// A PruneRequest says what of the audit log may go: what is older than Before, and
// not of the Keep newest records. At least one of them is given.
type PruneRequest struct {
	Before time.Time `json:"before,omitzero"`
	Keep   uint64    `json:"keep,omitempty"`
}

// A PruneReport says what went, or would go.
type PruneReport struct {
	Removed uint64    `json:"removed"`
	Left    uint64    `json:"left"`
	Newest  time.Time `json:"newest,omitzero"` // of the removed
	Last    string    `json:"last_hash,omitempty"`
	Note    string    `json:"checkpoint,omitempty"`
}

// AuditPrunable says what AuditPrune would remove.
func (c *Client) AuditPrunable(ctx context.Context, r PruneRequest) (p PruneReport, err error) {
	_, err = c.call(ctx, wire.OpAuditPrunable, r, &p)
	return p, err
}

// AuditPrune removes the oldest part of the audit log. It needs the password afresh.
func (c *Client) AuditPrune(ctx context.Context, r PruneRequest) (p PruneReport, err error) {
	f, err := c.fresh(ctx, wire.OpAuditPrune, r)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(f.Args, &p)
}
