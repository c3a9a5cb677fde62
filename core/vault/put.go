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

// A Write is one of the changes of PutAll.
type Write struct {
	Ref   secret.Ref
	Value secret.Value
	PutOptions
}

// Put stores value as a new version of ref. It makes the environment if need be.
func (v *Vault) Put(ctx context.Context, ref secret.Ref, value secret.Value, p PutOptions) (Info, error) {
	infos, err := v.PutAll(ctx, []Write{{ref, value, p}})
	if err != nil {
		return Info{}, err
	}
	return infos[0], nil
}

// PutAll makes several changes in one commit: all of them or, with an error
// that names the first one at fault, none. A reference may occur once.
func (v *Vault) PutAll(ctx context.Context, writes []Write) ([]Info, error) {
	all, seen := slices.Clone(writes), map[secret.Ref]bool{}
	for i := range all {
		w := &all[i]
		err := w.check()
		if err == nil && seen[w.Ref] {
			err = fmt.Errorf("twice in one commit: %w", ErrValue)
		}
		if err != nil {
			return nil, fmt.Errorf("put %q: %w", w.Ref, err)
		}
		seen[w.Ref] = true
	}
	infos := make([]Info, len(all))
	err := v.writeSecrets(ctx, func(t *tx) error {
		metas := make([]seal.Meta, len(all))
		for i := range all { // nothing is added to t before all are found to be right
			var err error
			if metas[i], err = t.prepare(ctx, &all[i]); err != nil {
				return fmt.Errorf("put %q: %w", all[i].Ref, err)
			}
		}
		for i := range all {
			key, err := t.env(all[i].Ref.App, all[i].Ref.Env, true)
			if err != nil {
				return err
			}
			infos[i] = t.putVersion(key, metas[i], all[i].Value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}

// maxOrigin bounds what an importer may say about where a value is from.
const maxOrigin = 4 << 10

// check reports what is wrong with w whatever the vault holds, and sorts its tags.
func (w *Write) check() (err error) {
	if err := w.Ref.Check(); err != nil {
		return err
	}
	switch n := w.Value.Len(); {
	case n > secret.MaxValue:
		return fmt.Errorf("%d bytes, at most %d: %w", n, secret.MaxValue, ErrValue)
	case n == 0:
		return fmt.Errorf("empty: %w", ErrValue)
	case len(w.Origin) > maxOrigin:
		return fmt.Errorf("origin of %d bytes, at most %d: %w", len(w.Origin), maxOrigin, ErrValue)
	}
	w.Tags, err = checkTags(w.Tags)
	return err
}

// prepare holds w against what is there and returns the metadata of the new version.
func (t *tx) prepare(ctx context.Context, w *Write) (seal.Meta, error) {
	old, err := t.current(ctx, w.Ref)
	if err != nil {
		return seal.Meta{}, err
	}
	switch {
	case w.Mode == CreateOnly && old.live():
		return seal.Meta{}, ErrExists
	case w.Mode == UpdateOnly && !old.live():
		return seal.Meta{}, ErrNotFound
	case w.IfVersion != 0 && (!old.live() || old.version != w.IfVersion):
		return seal.Meta{}, fmt.Errorf("version %d is not the newest: %w", w.IfVersion, ErrConflict)
	}
	if err := t.overtaken(ctx, old, w); err != nil {
		return seal.Meta{}, err
	}
	tags := w.Tags
	if tags == nil && old.live() && w.Before != nil {
		m, err := t.meta(ctx, old, w.Ref, w.Before)
		if err != nil {
			return seal.Meta{}, err
		}
		tags = m.Tags
	}
	m := seal.Meta{Ref: w.Ref, Tags: tags, Origin: w.Origin}
	if old.live() {
		m.Created = old.rec.Created
	}
	if w.Plain {
		m.Flags |= seal.FlagPlain
	}
	if w.Strength > 0 && w.Strength < weakBits {
		m.Flags |= seal.FlagWeak
	}
	return m, nil
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
	if err := t.v.machine.scope(ref.App, ref.Env); err != nil {
		return current{}, err
	}
	key, err := t.env(ref.App, ref.Env, false)
	if err != nil {
		return current{}, nil
	}
	id := key.RecordID(ref.Name)
	n := t.version(key.Env, id)
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
