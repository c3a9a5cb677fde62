package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// weakBits is the strength below which a value counts as guessable.
const weakBits = 40

// Put stores value as a new version of ref. It makes the environment if need be.
func (v *Vault) Put(ctx context.Context, ref secret.Ref, value secret.Value, p PutOptions) (Info, error) {
	if err := ref.Check(); err != nil {
		return Info{}, fmt.Errorf("put: %w", err)
	}
	if value.Len() > secret.MaxValue {
		return Info{}, fmt.Errorf("put %q: %d bytes, at most %d: %w", ref, value.Len(), secret.MaxValue, ErrValue)
	}
	if value.Len() == 0 {
		return Info{}, fmt.Errorf("put %q: empty: %w", ref, ErrValue)
	}
	tags, err := checkTags(p.Tags)
	if err != nil {
		return Info{}, fmt.Errorf("put %q: %w", ref, err)
	}
	var info Info
	err = v.write(ctx, func(t *tx) (err error) {
		info, err = t.putValue(ctx, ref, value, p, tags)
		return err
	})
	if err != nil {
		return Info{}, fmt.Errorf("put %q: %w", ref, err)
	}
	return info, nil
}

func (t *tx) putValue(ctx context.Context, ref secret.Ref, value secret.Value, p PutOptions, tags []string) (Info, error) {
	old, err := t.current(ctx, ref)
	if err != nil {
		return Info{}, err
	}
	switch {
	case p.Mode == CreateOnly && old.live():
		return Info{}, ErrExists
	case p.Mode == UpdateOnly && !old.live():
		return Info{}, ErrNotFound
	case p.IfVersion != 0 && (!old.live() || old.version != p.IfVersion):
		return Info{}, fmt.Errorf("version %d is not the newest: %w", p.IfVersion, ErrConflict)
	}
	if tags == nil && old.live() && p.Before != nil {
		m, err := t.meta(ctx, old, ref, p.Before)
		if err != nil {
			return Info{}, err
		}
		tags = m.Tags
	}
	key, err := t.env(ref.App, ref.Env, true)
	if err != nil {
		return Info{}, err
	}
	m := seal.Meta{Ref: ref, Tags: tags}
	if old.live() {
		m.Created = old.rec.Created
	}
	if p.Plain {
		m.Flags |= seal.FlagPlain
	}
	if p.Strength > 0 && p.Strength < weakBits {
		m.Flags |= seal.FlagWeak
	}
	return t.putVersion(key, m, value), nil
}

// current is the newest version of a secret as a tx sees it, sealed.
type current struct {
	version uint64 // 0: there is none
	key     *seal.EnvKey
	place   seal.Place
	rec     *seal.Record
}

func (c current) live() bool { return c.version > 0 && c.rec.Flags&seal.FlagDeleted == 0 }

// current fetches the newest version of ref; one that never was has version 0.
func (t *tx) current(ctx context.Context, ref secret.Ref) (current, error) {
	key, err := t.env(ref.App, ref.Env, false)
	if err != nil {
		return current{}, nil
	}
	id := key.RecordID(ref.Name)
	n := t.version(id)
	if n == 0 {
		return current{}, nil
	}
	return t.versionOf(ctx, key, id, n)
}

// versionOf fetches one version of a secret, also one that this tx adds.
func (t *tx) versionOf(ctx context.Context, key *seal.EnvKey, id seal.ID, n uint64) (current, error) {
	k := blob.Key{Kind: seal.KindSecret, ID: id, Version: n}
	var data []byte
	if i := slices.IndexFunc(t.put, func(r blob.Record) bool { return r.Key == k }); i >= 0 {
		data = t.put[i].Data
	} else {
		found, err := t.v.fetch(ctx, []blob.Key{k})
		if err != nil {
			return current{}, err
		}
		data = found[0]
	}
	rec, err := seal.ParseRecord(data)
	if err != nil {
		return current{}, openError("record", err)
	}
	return current{version: n, key: key, place: key.Place(id, n), rec: rec}, nil
}

// meta opens the metadata of a version, having asked.
func (t *tx) meta(ctx context.Context, c current, ref secret.Ref, before Before) (seal.Meta, error) {
	if err := agree(before, []Head{{Ref: ref, Version: c.version}}); err != nil {
		return seal.Meta{}, err
	}
	m, err := c.rec.Meta(c.key, c.place, ref)
	if err != nil {
		return seal.Meta{}, openError(fmt.Sprintf("secret %q", ref), err)
	}
	return m, nil
}

// Limits of tags.
const (
	maxTags = 16
	maxTag  = 64
)

// checkTags returns tags sorted and without doubles; nil stays nil.
func checkTags(tags []string) ([]string, error) {
	out := slices.Clone(tags)
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > maxTags {
		return nil, fmt.Errorf("%d tags, at most %d: %w", len(out), maxTags, ErrValue)
	}
	for _, tag := range out {
		if len(tag) == 0 || len(tag) > maxTag || slices.ContainsFunc([]byte(tag), func(c byte) bool { return c <= ' ' || c == 0x7f || c == ',' }) {
			return nil, fmt.Errorf("tag %q: 1 to %d bytes without spaces and commas: %w", tag, maxTag, ErrValue)
		}
	}
	return out, nil
}
