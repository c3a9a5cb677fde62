package vault

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A nameCache remembers the names of secrets, which cost a decryption each.
type nameCache struct {
	mu sync.Mutex
	m  map[seal.ID]named
}

func (c *nameCache) get(id seal.ID, version uint64) (named, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.m[id]
	return n, ok && n.version == version
}

func (c *nameCache) put(id seal.ID, n named) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m[id] = n
}

func (c *nameCache) forget(id seal.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, id)
}

func (c *nameCache) wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
}

// Names returns the newest version of every secret of app/env that is not
// deleted, sorted. No data key is unwrapped for it, so it needs no audit
// record; an environment that does not exist has no names.
func (v *Vault) Names(ctx context.Context, app, env string) ([]Head, error) {
	var heads []Head
	err := v.read(ctx, func() (err error) {
		heads, err = v.namesOf(ctx, app, env)
		return err
	})
	return heads, err
}

func (v *Vault) namesOf(ctx context.Context, app, env string) ([]Head, error) {
	if err := v.machine.scope(app, env); err != nil {
		return nil, err
	}
	e, ok := v.state.env(app, env)
	if !ok {
		return nil, nil
	}
	key := v.keys.envs[e.ID]
	var heads []Head
	var unknown []blob.Key
	add := func(n named) {
		if !n.deleted {
			heads = append(heads, Head{Ref: secret.Ref{App: app, Env: env, Name: n.name}, Version: n.version})
		}
	}
	for _, id := range v.state.groups[e.ID] {
		newest := v.state.newest(e.ID, id)
		if n, ok := v.state.names.get(id, newest); ok {
			add(n)
		} else {
			unknown = append(unknown, blob.Key{Kind: seal.KindSecret, ID: id, Version: newest})
		}
	}
	found, err := v.fetch(ctx, unknown)
	if err != nil {
		return nil, err
	}
	for i, k := range unknown {
		n, err := openName(key, k, found[i])
		if err != nil {
			return nil, err
		}
		v.state.names.put(k.ID, n)
		add(n)
	}
	sortHeads(heads)
	return heads, nil
}

func openName(key *seal.EnvKey, k blob.Key, data []byte) (named, error) {
	rec, err := seal.ParseRecord(data)
	if err != nil {
		return named{}, openError("record", err)
	}
	name, err := rec.Name(key, key.Place(k.ID, k.Version))
	if err != nil {
		return named{}, openError("name", err)
	}
	return named{version: k.Version, name: name, deleted: rec.Flags&seal.FlagDeleted != 0}, nil
}

// Spaces returns every app/environment, sorted.
func (v *Vault) Spaces(ctx context.Context) ([]Space, error) {
	var out []Space
	err := v.read(ctx, func() error {
		out = nil
		for _, e := range v.state.envs {
			out = append(out, Space{App: e.App, Env: e.Name})
		}
		return nil
	})
	sortSpaces(out)
	return out, err
}

// List describes the secrets of app/env whose names start with prefix, sorted.
// An environment that does not exist is an ErrNotFound.
func (v *Vault) List(ctx context.Context, app, env, prefix string, before Before) ([]Info, error) {
	var infos []Info
	err := v.read(ctx, func() error {
		infos = nil
		if err := v.machine.scope(app, env); err != nil {
			return err
		}
		if _, ok := v.state.env(app, env); !ok {
			return fmt.Errorf("environment %s/%s: %w", app, env, ErrNotFound)
		}
		heads, err := v.namesOf(ctx, app, env)
		if err != nil {
			return err
		}
		var refs []secret.Ref
		for _, h := range heads {
			if strings.HasPrefix(h.Ref.Name, prefix) {
				refs = append(refs, h.Ref)
			}
		}
		sealed, _, err := v.find(ctx, refs)
		if err != nil {
			return err
		}
		if err := agree(before, []Head{{Ref: secret.Ref{App: app, Env: env}}}); err != nil {
			return err
		}
		for _, s := range sealed {
			m, err := s.rec.Meta(s.key, s.place, s.ref)
			if err != nil {
				return openError("record", err)
			}
			infos = append(infos, infoOf(m, s.place.Version))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return infos, nil
}
