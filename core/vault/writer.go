package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
)

// A member who writes commits as a device does, with less of everything: the
// state of one environment, a manifest in which nothing but that environment's
// root is new, and new versions of secrets. Package manifest has the rule; what
// is here keeps to it, and holds the commits of other members to it.

// Role is what this vault was opened as: 0 for a device.
func (v *Vault) Role() manifest.Role {
	switch {
	case v.machine == nil:
		return 0
	case v.machine.principal == nil:
		return manifest.RoleMachine
	}
	return v.machine.principal.Role
}

// CanWrite reports whether secrets can be stored: by a device all, by a member
// who writes those of one environment.
func (v *Vault) CanWrite() bool { return v.machine == nil || v.Role() == manifest.RoleWriter }

// deviceOnly refuses what no machine and no member may do.
func (v *Vault) deviceOnly() error {
	switch {
	case v.machine == nil:
		return nil
	case v.CanWrite():
		return fmt.Errorf("key %q writes secrets of %s/%s, and nothing else: %w", v.machine.key.Name, v.machine.key.App, v.machine.key.EnvName, ErrScope)
	}
	return ErrReadOnly
}

// listed reads the record of a member, once: what it may do stands there.
func (v *Vault) listed(ctx context.Context, m *seal.Manifest) error {
	i := slices.IndexFunc(m.Members, func(e seal.Entity) bool { return e.ID == v.machine.id })
	if i < 0 {
		return nil // a machine: groupState has found it
	}
	if v.machine.principal != nil {
		if seal.Sum(v.machine.record) != m.Members[i].Sum {
			return fmt.Errorf("read what this key may do: %w", ErrTampered)
		}
		return nil
	}
	recs, err := v.st.Get(ctx, []blob.Key{{Kind: seal.KindPrincipal, ID: v.machine.id, Version: 1}})
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return storeError("read", err)
	}
	if err != nil || seal.Sum(recs[0].Data) != m.Members[i].Sum {
		return fmt.Errorf("read what this key may do: %w", ErrTampered)
	}
	p, err := manifest.ParsePrincipal(recs[0].Data)
	if err != nil || p.ID() != v.machine.id || !p.Reads(v.machine.key.Env) {
		return openError("what this key may do", err)
	}
	v.machine.principal, v.machine.record = p, recs[0].Data
	return nil
}

// onlyAdded holds the newest commits of members, of which chain are the
// manifests, to what they may do in env, or, where that is nil, in all
// environments.
func onlyAdded(chain []*seal.Manifest, entries []blob.Entry, env *seal.EnvID, now time.Time) error {
	head := chain[len(chain)-1]
	if head.Writer == nil {
		return nil // a device has seen to it
	}
	var all []manifest.Entry
	var envs []seal.EnvID
	if env != nil {
		envs = []seal.EnvID{*env}
	}
	for _, e := range entries {
		if e.Seq <= head.Seq && (env == nil || e.Group == *env) {
			all = append(all, manifest.Entry{Kind: e.Kind, Env: e.Group, ID: e.ID, Version: e.Version, Sum: e.Sum, Seq: e.Seq})
		}
	}
	if !manifest.AddAll(chain, all, envs) {
		return fmt.Errorf("a member's commit, %d or before, did more than add versions of secrets: %w", head.Seq, ErrTampered)
	}
	if head.Ahead(now) {
		return fmt.Errorf("commit %d is dated %s: %w", head.Seq, time.UnixMilli(int64(head.Time)).UTC().Format(time.DateTime), ErrTampered)
	}
	return nil
}

// checkMembers holds the newest commits of a vault, if members made them, to what
// members may do. Whoever signs the next one vouches for them.
func checkMembers(ctx context.Context, st blob.Store, head blob.Head, m *seal.Manifest) error {
	chain := []*seal.Manifest{m}
	for data := head.Manifest; m.Writer != nil; {
		prevData, err := st.Manifest(ctx, m.Seq-1)
		if err != nil {
			return storeError("read", err)
		}
		prev, err := seal.ParseManifest(prevData)
		if err != nil {
			return manifestError(err)
		}
		if !m.Follows(data, prev, prevData) {
			return fmt.Errorf("commit %d does not follow %d: %w", m.Seq, prev.Seq, ErrFork)
		}
		m, data = prev, prevData
		chain = append(chain, m)
	}
	if len(chain) == 1 {
		return nil
	}
	slices.Reverse(chain)
	entries, err := st.Changes(ctx, 0)
	if err != nil {
		return storeError("read", err)
	}
	return onlyAdded(chain, entries, nil, time.Now())
}

// finishWriter is finish for a member who writes.
func (t *tx) finishWriter() (blob.Commit, *manifest.Forest, error) {
	m, who := &t.next, t.v.machine
	if err := who.ended(t.v.now()); err != nil {
		return blob.Commit{}, nil, err
	}
	if len(t.purge) > 0 || t.reset || t.envs != nil || t.people != nil || len(t.newKeys) > 0 ||
		slices.ContainsFunc(t.put, func(r blob.Record) bool { return r.Kind != seal.KindSecret || r.Group != who.key.Env }) {
		return blob.Commit{}, nil, fmt.Errorf("write vault: %w", t.v.deviceOnly())
	}
	forest, err := t.forest()
	if err != nil {
		return blob.Commit{}, nil, err
	}
	s := t.v.state
	m.Seq, m.Prev, m.Time = s.head.Seq+1, seal.ManifestHash(s.head.Manifest), t.now()
	m.Signer, m.Writer = t.v.device, who.principal
	if who.principal.Expired(m.Time) {
		return blob.Commit{}, nil, fmt.Errorf("key %q: %w", who.key.Name, ErrExpired)
	}
	for _, g := range forest.Groups() {
		m.Groups[slices.IndexFunc(m.Groups, func(o manifest.Group) bool { return o.Env == g.Env })] = g
	}
	m.Root, m.Count = manifest.RootOf(m.Groups)
	data := seal.SignManifestAs(m, who.holder.Sign, who.record)
	return blob.Commit{Base: s.head.Seq, Seq: m.Seq, Manifest: data, Put: t.put}, forest, nil
}
