package vault

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

// A Conflict is a secret that two devices changed: the version of the other
// one, and the one that this device knew of. It is an ErrConflict.
type Conflict struct {
	Ref         secret.Ref
	Other, Mine Change // Mine is zero where this device knew of none, or it is gone
}

// A Change says who made a version of a secret, and when.
type Change struct {
	Version uint64
	Device  string // hex; of a member the beginning of the id
	Name    string // of the device, if it is known, or "NAME (member)"
	Time    time.Time
	Deleted bool
}

// Error names the secret; who changed it is in the fields.
func (c *Conflict) Error() string { return fmt.Sprintf("%q: %v", c.Ref, ErrConflict) }

// Unwrap returns ErrConflict.
func (c *Conflict) Unwrap() error { return ErrConflict }

// Known returns the newest version of ref that this device has heard of, without
// looking for a newer one: 0 when that is none.
func (v *Vault) Known(ref secret.Ref) uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return 0
	}
	_, k, err := v.lookup(ref)
	if err != nil {
		return 0
	}
	return k.Version
}

// overtaken reports, as a Conflict, that another device changed the secret of w
// since its writer looked. What this device did itself is none.
func (t *tx) overtaken(ctx context.Context, old current, w *Write) error {
	if w.Seen == nil || old.version <= *w.Seen || w.Before == nil {
		return nil
	}
	m, err := t.meta(ctx, old, w.Ref, w.Before)
	if err != nil || m.Device == t.v.device {
		return err
	}
	name, err := t.v.authors(ctx)
	if err != nil {
		return err
	}
	change := func(version uint64, device [16]byte, ms uint64, deleted bool) Change {
		return Change{Version: version, Device: hex.EncodeToString(device[:]), Name: name(device), Time: time.UnixMilli(int64(ms)), Deleted: deleted}
	}
	c := &Conflict{Ref: w.Ref, Other: change(old.version, m.Device, m.Time, !old.live())}
	if *w.Seen > 0 && slices.Contains(t.v.state.versions(old.key.Env, old.place.ID), *w.Seen) {
		mine, err := t.versionOf(ctx, old.key, old.place.ID, *w.Seen)
		if err != nil {
			return err
		}
		mm, err := t.meta(ctx, mine, w.Ref, w.Before)
		if err != nil {
			return err
		}
		c.Mine = change(*w.Seen, mm.Device, mm.Time, !mine.live())
	}
	return c
}
