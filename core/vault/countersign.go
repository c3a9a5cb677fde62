package vault

import (
	"context"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
)

// A device that takes over what members committed has checked it; its own next
// commit tells everybody so. Where that matters and nothing else is to be
// committed, it commits nothing.

// longRun is how many commits of members may come one after another before a
// device signs: a machine, which knows devices alone, walks back to the last of
// theirs, and a store keeps about a thousand manifests.
const longRun = 128

// Countersign makes an empty commit of this device where one is due, and reports
// whether it was: after many commits of members, and when the time of a member who
// writes has passed since the newest commit, so that none can follow that says it
// was made before.
func (v *Vault) Countersign(ctx context.Context) (bool, error) {
	if err := v.deviceOnly(); err != nil {
		return false, err
	}
	due := false
	err := v.read(ctx, func() (err error) {
		due, err = v.countersignDue(ctx)
		return err
	})
	if err == nil && due {
		err = v.countersign(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("countersign: %w", err)
	}
	return due, nil
}

func (v *Vault) countersignDue(ctx context.Context) (bool, error) {
	m := v.state.manifest
	r, err := v.readRoster(ctx)
	if err != nil {
		return false, err
	}
	now := uint64(v.now().UnixMilli())
	for _, p := range r.Principals {
		if p.Role == uint8(manifest.RoleWriter) && p.NotAfter > m.Time && p.NotAfter <= now {
			return true, nil
		}
	}
	for n := 1; m.Writer != nil; n++ {
		if n == longRun {
			return true, nil
		}
		data, err := v.st.Manifest(ctx, m.Seq-1)
		if err != nil {
			return true, nil //nolint:nilerr // so long ago that it is not kept
		}
		if m, err = manifest.Parse(data); err != nil {
			return false, manifestError(err)
		}
	}
	return false, nil
}

// countersign commits nothing, where the newest commit is a member's or what is
// to come after it needs one of a device.
func (v *Vault) countersign(ctx context.Context) error {
	return v.write(ctx, func(t *tx) error {
		t.sign = true
		return nil
	})
}

// settle puts an empty commit of this device on top of c, if a member made that:
// where the vault is copied to, the commits before it are not, and a member's is
// believed by those alone. The store here takes it over from there.
func (v *Vault) settle(c *blob.Commit) error {
	if v.state.manifest.Writer == nil {
		return nil
	}
	t := v.begin()
	t.sign = true
	next, _, err := t.finish(nil)
	if err == nil {
		c.Seq, c.Manifest = next.Seq, next.Manifest
	}
	return err
}

// settled has a device's commit be the newest of this store.
func (v *Vault) settled(ctx context.Context) error {
	members := false
	err := v.read(ctx, func() error {
		members = v.state.manifest.Writer != nil
		return nil
	})
	if err == nil && members {
		err = v.countersign(ctx)
	}
	return err
}
