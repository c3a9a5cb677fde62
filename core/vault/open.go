package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// errNoHook says that a caller forgot the hook: nothing is opened unasked.
var errNoHook = errors.New("no hook to ask before opening")

// agree runs the hook. Without one nothing is opened.
func agree(before Before, heads []Head) error {
	if before == nil {
		return errNoHook
	}
	return before(heads)
}

// A sealed version is fetched and checked, not opened.
type sealed struct {
	ref   secret.Ref
	key   *seal.EnvKey
	place seal.Place
	rec   *seal.Record
}

// find fetches the newest versions of refs. One that does not exist or is
// deleted is an ErrNotFound, and nothing is returned.
func (v *Vault) find(ctx context.Context, refs []secret.Ref) ([]sealed, []Head, error) {
	out := make([]sealed, len(refs))
	keys := make([]blob.Key, len(refs))
	heads := make([]Head, len(refs))
	for i, ref := range refs {
		key, k, err := v.lookup(ref)
		if err != nil {
			return nil, nil, err
		}
		keys[i] = k
		heads[i] = Head{Ref: ref, Version: k.Version}
		out[i] = sealed{ref: ref, key: key, place: key.Place(k.ID, k.Version)}
	}
	data, err := v.fetch(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	for i := range out {
		if out[i].rec, err = seal.ParseRecord(data[i]); err != nil {
			return nil, nil, openError("record", err)
		}
		if out[i].rec.Flags&seal.FlagDeleted != 0 {
			return nil, nil, fmt.Errorf("secret %q: deleted: %w", refs[i], ErrNotFound)
		}
	}
	return out, heads, nil
}

// Open returns the newest values of refs in their order, all or none. before
// is asked once, after all were found and before any data key is unwrapped.
func (v *Vault) Open(ctx context.Context, refs []secret.Ref, before Before) ([]Opened, error) {
	var out []Opened
	err := v.read(ctx, func() (err error) {
		out, err = v.open(ctx, refs, before)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// OpenSpace returns every secret of app/env, sorted by name, all or none.
func (v *Vault) OpenSpace(ctx context.Context, app, env string, before Before) ([]Opened, error) {
	var out []Opened
	err := v.read(ctx, func() error {
		heads, err := v.namesOf(ctx, app, env)
		if err != nil {
			return err
		}
		refs := make([]secret.Ref, len(heads))
		for i := range heads {
			refs[i] = heads[i].Ref
		}
		out, err = v.open(ctx, refs, before)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (v *Vault) open(ctx context.Context, refs []secret.Ref, before Before) ([]Opened, error) {
	found, heads, err := v.find(ctx, refs)
	if err != nil {
		return nil, err
	}
	if err := agree(before, heads); err != nil {
		return nil, err
	}
	out := make([]Opened, 0, len(found))
	for _, s := range found {
		m, value, err := s.rec.Open(s.key, s.place, s.ref)
		if err != nil {
			for _, o := range out {
				o.Value.Wipe()
			}
			return nil, openError(fmt.Sprintf("secret %q", s.ref), err)
		}
		out = append(out, Opened{Info: infoOf(m, s.place.Version), Value: value})
	}
	return out, nil
}

// Info describes the newest version of ref.
func (v *Vault) Info(ctx context.Context, ref secret.Ref, before Before) (Info, error) {
	var info Info
	err := v.read(ctx, func() error {
		found, heads, err := v.find(ctx, []secret.Ref{ref})
		if err != nil {
			return err
		}
		if err := agree(before, heads); err != nil {
			return err
		}
		m, err := found[0].rec.Meta(found[0].key, found[0].place, ref)
		if err != nil {
			return openError(fmt.Sprintf("secret %q", ref), err)
		}
		info = infoOf(m, found[0].place.Version)
		return nil
	})
	return info, err
}

func infoOf(m seal.Meta, version uint64) Info {
	return Info{
		Ref: m.Ref, Version: version,
		Created: time.UnixMilli(int64(m.Created)), Updated: time.UnixMilli(int64(m.Time)),
		Plain: m.Flags&seal.FlagPlain != 0, Weak: m.Flags&seal.FlagWeak != 0, Deleted: m.Flags&seal.FlagDeleted != 0,
		Size: int(m.Size), Tags: m.Tags, Device: hex.EncodeToString(m.Device[:]), From: m.From, Origin: m.Origin,
	}
}
