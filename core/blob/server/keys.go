package server

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/manifest"
)

// A keyring remembers what was parsed and verified, under the hash of its
// bytes: what it holds can be forgotten, never wrong.
type keyring struct {
	mu         sync.Mutex
	manifests  map[manifest.Hash]*manifest.Manifest
	principals map[manifest.Hash]*manifest.Principal
	runs       map[manifest.Hash]int // how many commits of members end with a manifest
}

// maxKeyring bounds each map; a full one begins anew.
const maxKeyring = 4096

func (k *keyring) manifest(h manifest.Hash) *manifest.Manifest {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.manifests[h]
}

func (k *keyring) keepManifest(h manifest.Hash, m *manifest.Manifest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.manifests == nil || len(k.manifests) >= maxKeyring {
		k.manifests = map[manifest.Hash]*manifest.Manifest{}
	}
	k.manifests[h] = m
}

func (k *keyring) principal(h manifest.Hash) *manifest.Principal {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.principals[h]
}

func (k *keyring) keepPrincipal(h manifest.Hash, p *manifest.Principal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.principals == nil || len(k.principals) >= maxKeyring {
		k.principals = map[manifest.Hash]*manifest.Principal{}
	}
	k.principals[h] = p
}

// run returns how many commits of members end with the one whose manifest has
// hash h; -1 is not known.
func (k *keyring) run(h manifest.Hash) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n, ok := k.runs[h]; ok {
		return n
	}
	return -1
}

func (k *keyring) keepRun(h manifest.Hash, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.runs == nil || len(k.runs) >= maxKeyring {
		k.runs = map[manifest.Hash]int{}
	}
	k.runs[h] = n
}

// parse returns the manifest that data is, verified.
func (s *Server) parse(data []byte) (*manifest.Manifest, error) {
	h := manifest.Chain(data)
	if m := s.keys.manifest(h); m != nil {
		return m, nil
	}
	m, err := manifest.Parse(data)
	if err == nil {
		s.keys.keepManifest(h, m)
	}
	return m, err
}

// headManifest returns where a vault stands, and its manifest.
func (s *Server) headManifest(ctx context.Context, v depot.Vault) (depot.Head, *manifest.Manifest, error) {
	for range 5 {
		h, err := s.c.Depot.Head(ctx, v)
		if err != nil {
			return h, nil, err
		}
		if m := s.keys.manifest(h.Chain); m != nil {
			return h, m, nil
		}
		data, err := s.c.Depot.Manifest(ctx, v, h.Seq)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return h, nil, err
		}
		if manifest.Chain(data) != h.Chain {
			continue // the head moved on between the two reads
		}
		m, err := s.parse(data)
		return h, m, err
	}
	return depot.Head{}, nil, depot.ErrUnavailable
}

// principalKey returns the signing key of the machine or member that c is.
func (s *Server) principalKey(ctx context.Context, c *caller) ([]byte, error) {
	p, err := s.principal(ctx, c.vault, c.manifest, c.key.ID)
	if err != nil {
		return nil, err
	}
	if p == nil {
		if err := s.revoked(ctx, c); err != nil {
			return nil, err
		}
		return nil, unknownKey()
	}
	if c.principal = p; p.Expired(uint64(s.c.Now().UnixMilli())) {
		return nil, unauthorized(wire.CodeExpired, "this machine key has expired")
	}
	return p.Sign[:], nil
}

// principal returns the machine or member that m lists under id, nil if it
// lists none.
func (s *Server) principal(ctx context.Context, v depot.Vault, m *manifest.Manifest, id manifest.ID) (*manifest.Principal, error) {
	for _, list := range [][]manifest.Entity{m.Machines, m.Members} {
		i := slices.IndexFunc(list, func(e manifest.Entity) bool { return e.ID == id })
		if i < 0 {
			continue
		}
		if p := s.keys.principal(list[i].Sum); p != nil {
			return p, nil
		}
		recs, err := s.c.Depot.Get(ctx, v, []blob.Key{{Kind: manifest.KindPrincipal, ID: id, Version: 1}}, 0)
		if errors.Is(err, blob.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		p, err := manifest.ParsePrincipal(recs[0].Data)
		if err != nil || manifest.Sum(recs[0].Data) != list[i].Sum || p.ID() != id {
			return nil, nil //nolint:nilerr // what is stored is not what is listed: nobody
		}
		s.keys.keepPrincipal(list[i].Sum, p)
		return p, nil
	}
	return nil, nil
}
