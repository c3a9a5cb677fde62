package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
)

// A CommitInfo says who signed one commit.
type CommitInfo struct {
	Seq    uint64
	Time   time.Time     // by the clock of who signed it; never before that of the commit before
	Signer string        // hex: a device's id, or the beginning of a member's
	Name   string        // of the device or the member; "" where the vault does not know it (any more)
	Role   manifest.Role // of a member; 0: a device
}

// Commits returns the commits after since as far back as the store keeps their
// manifests, the oldest first. Each is linked to the newest one, which was checked,
// by the hashes in between, and its signature is checked again.
func (v *Vault) Commits(ctx context.Context, since uint64) ([]CommitInfo, error) {
	var out []CommitInfo
	err := v.read(ctx, func() error {
		out = nil
		name, err := v.signers(ctx)
		if err != nil {
			return err
		}
		m := v.state.manifest
		for m.Seq > since {
			c := CommitInfo{Seq: m.Seq, Time: time.UnixMilli(int64(m.Time)), Signer: hex.EncodeToString(m.Signer[:]), Name: name(m.Signer)}
			if m.Writer != nil {
				c.Role = m.Writer.Role
			}
			out = append(out, c)
			data, err := v.st.Manifest(ctx, m.Seq-1)
			if m.Seq == 1 || errors.Is(err, blob.ErrNotFound) {
				break
			} else if err != nil {
				return storeError("read", err)
			}
			if seal.ManifestHash(data) != m.Prev {
				return fmt.Errorf("commit %d is not the one that %d was made on: %w", m.Seq-1, m.Seq, ErrTampered)
			}
			if m, err = seal.ParseManifest(data); err != nil {
				return manifestError(err)
			}
		}
		slices.Reverse(out)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list commits: %w", err)
	}
	return out, nil
}

// signers returns who the vault knows by name of those who sign commits, and
// versions of secrets: devices, and members by the beginning of their ids. A
// machine or a member knows itself.
func (v *Vault) signers(ctx context.Context) (func(seal.DeviceID) string, error) {
	names := map[string]string{}
	if v.machine != nil {
		names[v.Device()] = v.machine.key.Name
	} else {
		r, err := v.readRoster(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range r.Principals {
			names[p.ID[:min(len(p.ID), 2*len(seal.DeviceID{}))]] = p.Name
		}
		for _, d := range r.Devices {
			names[d.ID] = d.Name
		}
	}
	return func(id seal.DeviceID) string { return names[hex.EncodeToString(id[:])] }, nil
}

// authors is signers with members told from devices, for people to read.
func (v *Vault) authors(ctx context.Context) (func(seal.DeviceID) string, error) {
	name, err := v.signers(ctx)
	if err != nil {
		return nil, err
	}
	members := map[seal.DeviceID]bool{}
	for _, e := range v.state.manifest.Members {
		members[seal.DeviceID(e.ID[:len(seal.DeviceID{})])] = true
	}
	return func(id seal.DeviceID) string {
		switch who := name(id); {
		case who != "" && members[id]:
			return who + " (member)"
		case members[id]:
			return "a member"
		default:
			return who
		}
	}, nil
}
