package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A state is what the store holds as of one manifest, all of it covered by the
// manifest's root.
type state struct {
	head     blob.Head
	manifest *seal.Manifest
	forest   *manifest.Forest
	entries  map[blob.Key]entry
	secrets  map[secretID][]uint64               // versions of each, ascending
	groups   map[seal.EnvID][]seal.ID            // secrets of each environment
	keys     map[seal.EnvID]map[uint64]seal.Hash // stored environment keys by epoch
	policies map[seal.EnvID]uint64               // version of each environment's copy of the policy
	envs     []seal.Env
	list     uint64 // version of the list of environments
	names    *nameCache
}

// A secretID names a secret. The environment is a part of it: a member of one may
// store what bears the id of a secret of another.
type secretID struct {
	env seal.EnvID
	id  seal.ID
}

// An entry is one stored thing without its data.
type entry struct {
	group seal.EnvID
	sum   seal.Hash
	seq   uint64 // of the commit that the store says it came with
}

// named is what the newest version of a secret says without its data key.
type named struct {
	version uint64
	name    string
	deleted bool
}

func (e entry) leaf(k blob.Key) seal.Hash { return seal.Leaf(k.Kind, e.group, k.ID, k.Version, e.sum) }

// emptyState is a state without entries.
func emptyState(head blob.Head, m *seal.Manifest) *state {
	return &state{
		head: head, manifest: m,
		entries:  map[blob.Key]entry{},
		secrets:  map[secretID][]uint64{},
		groups:   map[seal.EnvID][]seal.ID{},
		keys:     map[seal.EnvID]map[uint64]seal.Hash{},
		policies: map[seal.EnvID]uint64{},
		names:    &nameCache{m: map[seal.ID]named{}},
	}
}

// newState checks the store's entries against the manifest. With an error it
// returns what the store says all the same, for Inspect.
func newState(head blob.Head, m *seal.Manifest, entries []blob.Entry) (*state, error) {
	s := emptyState(head, m)
	s.entries = make(map[blob.Key]entry, len(entries))
	leaves := manifest.Leaves{}
	for _, e := range entries {
		if e.Seq > head.Seq { // the store has moved on
			continue
		}
		here := entry{group: e.Group, sum: e.Sum, seq: e.Seq}
		s.add(e.Key, here)
		leaves.Add(e.Group, here.leaf(e.Key))
	}
	forest, ok := manifest.NewForest(leaves)
	if !ok || !forest.Is(m) || s.envKeys(nil, nil) != m.EnvKeys {
		return s, fmt.Errorf("check the store against its manifest: %w", ErrTampered)
	}
	s.forest = forest
	return s, nil
}

// errRace says that the store moved on between two reads of it.
var errRace = errors.New("store moved on while it was read")

func (s *state) add(k blob.Key, e entry) {
	s.entries[k] = e
	switch k.Kind {
	case seal.KindSecret:
		id := secretID{e.group, k.ID}
		vs := s.secrets[id]
		if len(vs) == 0 {
			s.groups[e.group] = append(s.groups[e.group], k.ID)
		}
		i, _ := slices.BinarySearch(vs, k.Version)
		s.secrets[id] = slices.Insert(vs, i, k.Version)
	case seal.KindEnvKey:
		if s.keys[e.group] == nil {
			s.keys[e.group] = map[uint64]seal.Hash{}
		}
		s.keys[e.group][k.Version] = e.sum
	case seal.KindEnvPolicy:
		s.policies[e.group] = max(s.policies[e.group], k.Version)
	case seal.KindList:
		s.list = max(s.list, k.Version)
	}
}

func (s *state) remove(k blob.Key) {
	e := s.entries[k]
	delete(s.entries, k)
	switch {
	case k.Kind == seal.KindEnvKey:
		delete(s.keys[e.group], k.Version)
	case k.Kind == seal.KindEnvPolicy && s.policies[e.group] == k.Version:
		delete(s.policies, e.group)
	}
	if k.Kind != seal.KindSecret {
		return
	}
	id := secretID{e.group, k.ID}
	vs := s.secrets[id]
	if i, ok := slices.BinarySearch(vs, k.Version); ok {
		vs = slices.Delete(vs, i, i+1)
	}
	if s.secrets[id] = vs; len(vs) == 0 {
		delete(s.secrets, id)
		s.names.forget(k.ID)
		s.groups[e.group] = slices.DeleteFunc(s.groups[e.group], func(id seal.ID) bool { return id == k.ID })
	}
}

// versions returns those of a secret, ascending.
func (s *state) versions(env seal.EnvID, id seal.ID) []uint64 { return s.secrets[secretID{env, id}] }

// newest returns the newest version of a secret, 0 if there is none.
func (s *state) newest(env seal.EnvID, id seal.ID) uint64 {
	if vs := s.versions(env, id); len(vs) > 0 {
		return vs[len(vs)-1]
	}
	return 0
}

// env returns the environment app/name.
func (s *state) env(app, name string) (seal.Env, bool) {
	for _, e := range s.envs {
		if e.App == app && e.Name == name {
			return e, true
		}
	}
	return seal.Env{}, false
}

func (s *state) mark(vault seal.VaultID) mark {
	return mark{vault: vault, seq: s.head.Seq, root: s.manifest.Root, manifest: seal.ManifestHash(s.head.Manifest), floor: s.manifest.Floor}
}

// lookup names the newest version of ref. No key is used but the index key.
func (v *Vault) lookup(ref secret.Ref) (*seal.EnvKey, blob.Key, error) {
	if err := ref.Check(); err != nil {
		return nil, blob.Key{}, err
	}
	if err := v.machine.scope(ref.App, ref.Env); err != nil {
		return nil, blob.Key{}, err
	}
	if env, ok := v.state.env(ref.App, ref.Env); ok {
		key := v.keys.envs[env.ID]
		id := key.RecordID(ref.Name)
		if n := v.state.newest(env.ID, id); n > 0 {
			return key, blob.Key{Kind: seal.KindSecret, ID: id, Version: n}, nil
		}
	}
	return nil, blob.Key{}, fmt.Errorf("secret %q: %w", ref, ErrNotFound)
}

// fetch reads ciphertext and holds it against the sums that the manifest covers.
func (v *Vault) fetch(ctx context.Context, keys []blob.Key) ([][]byte, error) {
	recs, err := v.st.Get(ctx, keys)
	if errors.Is(err, blob.ErrNotFound) {
		// Either another process purged it, or the store lost it.
		return nil, errors.Join(errRace, err)
	} else if err != nil {
		return nil, storeError("read", err)
	}
	out := make([][]byte, len(recs))
	for i, r := range recs {
		if want, ok := v.state.entries[keys[i]]; !ok || seal.Sum(r.Data) != want.sum {
			return nil, fmt.Errorf("check record %x: %w", keys[i].ID[:4], ErrTampered)
		}
		out[i] = r.Data
	}
	return out, nil
}

func sortHeads(h []Head) {
	slices.SortFunc(h, func(a, b Head) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
}

// storeError gives the store's errors this package's names.
func storeError(verb string, err error) error {
	for from, to := range map[error]error{
		blob.ErrCorrupt: ErrCorrupt, blob.ErrFull: ErrFull, blob.ErrConflict: ErrConflict, blob.ErrEmpty: ErrNoVault,
	} {
		if errors.Is(err, from) {
			return fmt.Errorf("%s vault: %w (%w)", verb, to, err)
		}
	}
	return fmt.Errorf("%s vault: %w", verb, err)
}

// envKeys hashes the environment keys that are stored once purge is gone and
// put is there.
func (s *state) envKeys(purge []blob.Key, put []blob.Record) seal.Hash {
	var refs []seal.EnvKeyRef
	for env, keys := range s.keys {
		for epoch, sum := range keys {
			if !slices.ContainsFunc(purge, func(k blob.Key) bool {
				return k.Kind == seal.KindEnvKey && s.entries[k].group == env && k.Version == epoch
			}) {
				refs = append(refs, seal.EnvKeyRef{Env: env, Epoch: uint32(epoch), Sum: sum})
			}
		}
	}
	for i := range put {
		if r := &put[i]; r.Kind == seal.KindEnvKey {
			refs = append(refs, seal.EnvKeyRef{Env: r.Group, Epoch: uint32(r.Version), Sum: r.Sum})
		}
	}
	slices.SortFunc(refs, func(a, b seal.EnvKeyRef) int {
		return cmp.Or(bytes.Compare(a.Env[:], b.Env[:]), cmp.Compare(a.Epoch, b.Epoch))
	})
	return seal.EnvKeysHash(refs)
}
