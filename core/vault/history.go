package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// How much of the past is kept: a version goes when keepVersions newer ones
// exist or when it was replaced keepFor ago; a deleted secret goes whole after
// keepDeleted.
const (
	keepVersions = 20
	keepFor      = 90 * 24 * time.Hour
	keepDeleted  = 30 * 24 * time.Hour
)

// History describes the kept versions of ref, the newest first; a tombstone is
// one of them.
func (v *Vault) History(ctx context.Context, ref secret.Ref, before Before) ([]Info, error) {
	var out []Info
	err := v.read(ctx, func() error {
		out = nil
		key, newest, err := v.lookup(ref)
		if err != nil {
			return err
		}
		var keys []blob.Key
		var heads []Head
		for _, n := range slices.Backward(v.state.versions(key.Env, newest.ID)) {
			keys = append(keys, blob.Key{Kind: newest.Kind, ID: newest.ID, Version: n})
			heads = append(heads, Head{Ref: ref, Version: n})
		}
		data, err := v.fetch(ctx, keys)
		if err != nil {
			return err
		}
		if err := agree(before, heads); err != nil {
			return err
		}
		name, err := v.authors(ctx)
		if err != nil {
			return err
		}
		for i, k := range keys {
			m, err := openMeta(key, k, data[i], ref)
			if err != nil {
				return err
			}
			info := infoOf(m, k.Version)
			info.By = name(m.Device)
			out = append(out, info)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func openMeta(key *seal.EnvKey, k blob.Key, data []byte, ref secret.Ref) (seal.Meta, error) {
	rec, err := seal.ParseRecord(data)
	if err != nil {
		return seal.Meta{}, openError("record", err)
	}
	m, err := rec.Meta(key, key.Place(k.ID, k.Version), ref)
	if err != nil {
		return seal.Meta{}, openError(fmt.Sprintf("secret %q", ref), err)
	}
	return m, nil
}

// Rollback makes version to of ref the newest one again, as a new version.
func (v *Vault) Rollback(ctx context.Context, ref secret.Ref, to uint64, before Before) (Info, error) {
	return v.again(ctx, "roll back", ref, before, func(t *tx, newest current) (current, error) {
		if to == 0 || to >= newest.version || !slices.Contains(v.state.versions(newest.key.Env, newest.place.ID), to) {
			return current{}, fmt.Errorf("version %d: %w", to, ErrNotFound)
		}
		return t.versionOf(ctx, newest.key, newest.place.ID, to)
	})
}

// Restore brings back a deleted secret: its newest version that is no tombstone.
func (v *Vault) Restore(ctx context.Context, ref secret.Ref, before Before) (Info, error) {
	return v.again(ctx, "restore", ref, before, func(t *tx, newest current) (current, error) {
		if newest.live() {
			return current{}, ErrExists
		}
		for _, n := range slices.Backward(v.state.versions(newest.key.Env, newest.place.ID)) {
			if c, err := t.versionOf(ctx, newest.key, newest.place.ID, n); err != nil || c.live() {
				return c, err
			}
		}
		return current{}, ErrNotFound
	})
}

// Tag replaces the tags of ref, which makes a new version.
func (v *Vault) Tag(ctx context.Context, ref secret.Ref, tags []string, before Before) (Info, error) {
	tags, err := checkTags(tags)
	if err != nil {
		return Info{}, fmt.Errorf("tag %q: %w", ref, err)
	}
	return v.change(ctx, "tag", ref, before, func(_ *tx, newest current) (current, error) {
		if !newest.live() {
			return current{}, ErrNotFound
		}
		return newest, nil
	}, func(m *seal.Meta) { m.Tags = tags })
}

// again seals an older version of ref as its newest.
func (v *Vault) again(ctx context.Context, verb string, ref secret.Ref, before Before, pick func(*tx, current) (current, error)) (Info, error) {
	return v.change(ctx, verb, ref, before, pick, func(*seal.Meta) {})
}

// change opens the version that pick chooses and seals it, edited, as the newest.
func (v *Vault) change(ctx context.Context, verb string, ref secret.Ref, before Before, pick func(*tx, current) (current, error), edit func(*seal.Meta)) (Info, error) {
	var info Info
	err := v.writeSecrets(ctx, func(t *tx) error {
		newest, err := t.current(ctx, ref)
		if err != nil {
			return err
		}
		if newest.version == 0 {
			return ErrNotFound
		}
		old, err := pick(t, newest)
		if err != nil {
			return err
		}
		m, value, err := t.open(old, ref, before)
		if err != nil {
			return err
		}
		defer value.Wipe()
		m.Created = newest.rec.Created
		edit(&m)
		info = t.putVersion(old.key, m, value)
		return nil
	})
	if err != nil {
		return Info{}, fmt.Errorf("%s %q: %w", verb, ref, err)
	}
	return info, nil
}

// open opens a version, having asked.
func (t *tx) open(c current, ref secret.Ref, before Before) (seal.Meta, secret.Value, error) {
	if err := agree(before, []Head{{Ref: ref, Version: c.version}}); err != nil {
		return seal.Meta{}, secret.Value{}, err
	}
	m, value, err := c.rec.Open(c.key, c.place, ref)
	if err != nil {
		return seal.Meta{}, secret.Value{}, openError("record", err)
	}
	return m, value, nil
}

// Rename moves the newest version of from to the name to, which must be free.
// The history stays under the old name, behind a tombstone.
func (v *Vault) Rename(ctx context.Context, from, to secret.Ref, before Before) (Info, error) {
	if err := to.Check(); err != nil {
		return Info{}, fmt.Errorf("rename %q: %w", from, err)
	}
	var info Info
	err := v.writeSecrets(ctx, func(t *tx) error {
		old, err := t.current(ctx, from)
		if err != nil {
			return err
		}
		if !old.live() {
			return ErrNotFound
		}
		taken, err := t.current(ctx, to)
		if err != nil {
			return err
		}
		if taken.live() {
			return fmt.Errorf("%q: %w", to, ErrExists)
		}
		m, value, err := t.open(old, from, before)
		if err != nil {
			return err
		}
		defer value.Wipe()
		key, err := t.env(to.App, to.Env, true)
		if err != nil {
			return err
		}
		t.putVersion(old.key, seal.Meta{Ref: from, Created: old.rec.Created, Flags: seal.FlagDeleted}, secret.Value{})
		m.Ref, m.From = to, from.String()
		info = t.putVersion(key, m, value)
		return nil
	})
	if err != nil {
		return Info{}, fmt.Errorf("rename %q: %w", from, err)
	}
	return info, nil
}

// expireChanged drops old versions of the secrets that got a new one. One that
// cannot be read is left alone: it must not keep a new value from being stored.
func (t *tx) expireChanged(ctx context.Context) {
	done := map[seal.ID]bool{}
	for _, c := range t.changed {
		if !done[c.id] {
			done[c.id] = true
			_ = t.expire(ctx, c.key, c.id)
		}
	}
}

// expire drops the versions of a secret that are too old. When each was
// replaced stands in the open header of the one after it.
func (t *tx) expire(ctx context.Context, key *seal.EnvKey, id seal.ID) error {
	kept := t.v.state.versions(key.Env, id)
	for i, n := range kept {
		k := blob.Key{Kind: seal.KindSecret, ID: id, Version: n}
		if len(kept)-i >= keepVersions { // and the new one comes on top
			t.drop(k)
			continue
		}
		if i+1 == len(kept) {
			return nil
		}
		next, err := t.versionOf(ctx, key, id, kept[i+1])
		if err != nil {
			return err
		}
		if !t.older(ctx, next, keepFor) {
			return nil // and all after it are younger
		}
		t.drop(k)
	}
	return nil
}

// older reports whether a version was stored longer ago than age. What it says
// itself is the word of who wrote it, and a member must not make the past go by
// it: the commit that brought it is asked, as long as its manifest is there.
func (t *tx) older(ctx context.Context, c current, age time.Duration) bool {
	before := t.clock() - min(t.clock(), uint64(age.Milliseconds()))
	if c.rec.Time >= before {
		return false
	}
	e := t.v.state.entries[blob.Key{Kind: seal.KindSecret, ID: c.place.ID, Version: c.version}]
	data, err := t.v.st.Manifest(ctx, e.seq)
	if err != nil {
		return true // so long ago that it is not kept
	}
	m, err := seal.ParseManifest(data)
	return err != nil || m.Time < before
}

// Expire removes for good what was deleted long ago, and returns the number of
// secrets that went. Old versions go by themselves when new ones are put.
func (v *Vault) Expire(ctx context.Context) (int, error) {
	gone := 0
	err := v.write(ctx, func(t *tx) error {
		gone = 0
		for _, e := range v.state.envs {
			for _, id := range v.state.groups[e.ID] {
				c, err := t.versionOf(ctx, v.keys.envs[e.ID], id, v.state.newest(e.ID, id))
				if errors.Is(err, ErrTampered) {
					continue // Verify says so
				} else if err != nil {
					return err
				}
				if c.live() || t.newest[id] > 0 || !t.older(ctx, c, keepDeleted) {
					continue
				}
				for _, n := range v.state.versions(e.ID, id) {
					t.drop(blob.Key{Kind: seal.KindSecret, ID: id, Version: n})
				}
				gone++
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("expire: %w", err)
	}
	return gone, nil
}
