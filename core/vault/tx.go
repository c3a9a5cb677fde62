package vault

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A tx gathers what one commit changes, on top of the state.
type tx struct {
	v    *Vault
	next seal.Manifest

	put   []blob.Record
	purge []blob.Key
	reset bool

	newest  map[seal.ID]uint64 // versions that this tx adds
	envs    []seal.Env         // nil: as they were
	newKeys map[seal.EnvID]*seal.EnvKey
	names   map[seal.ID]named
	changed []changed // secrets that got a new version
	people  *roster   // nil: as it was
	sign    bool      // commit also when nothing changes

	policies map[seal.EnvID]bool // environments whose copy of the policy this tx puts
}

type changed struct {
	key *seal.EnvKey
	id  seal.ID
}

func (v *Vault) begin() *tx {
	return &tx{v: v, next: v.state.manifest.Next(), newest: map[seal.ID]uint64{}, newKeys: map[seal.EnvID]*seal.EnvKey{}, names: map[seal.ID]named{},
		policies: map[seal.EnvID]bool{}}
}

func (t *tx) empty() bool {
	return len(t.put) == 0 && len(t.purge) == 0 && !t.reset && t.people == nil && !t.sign
}

// now is the time of the commit in Unix milliseconds; it never goes back.
func (t *tx) now() uint64 { return max(t.clock(), t.v.state.manifest.Time) }

// clock is what this device's clock shows. Secrets are dated by it, and their
// past is measured on it: one commit of a clock that was years ahead must not
// date all that comes after.
func (t *tx) clock() uint64 { return uint64(max(t.v.now().UnixMilli(), 0)) }

// add stores data as one version of something.
func (t *tx) add(kind uint8, group seal.EnvID, id seal.ID, version uint64, data []byte) seal.Hash {
	sum := seal.Sum(data)
	t.put = append(t.put, blob.Record{
		Key:   blob.Key{Kind: kind, ID: id, Version: version},
		Group: group, Sum: sum, Data: data,
	})
	return sum
}

// drop removes one version of something; what this very commit added is not added.
func (t *tx) drop(k blob.Key) {
	before := len(t.put)
	t.put = slices.DeleteFunc(t.put, func(r blob.Record) bool { return r.Key == k })
	if len(t.put) == before && !t.reset {
		t.purge = append(t.purge, k)
	}
}

// env returns the key of app/env. Unless make is set, one that does not exist
// is an ErrNotFound.
func (t *tx) env(app, env string, make bool) (*seal.EnvKey, error) {
	if err := t.v.machine.scope(app, env); err != nil {
		return nil, err
	}
	envs := t.envs
	if envs == nil {
		envs = t.v.state.envs
	}
	for _, e := range envs {
		if e.App == app && e.Name == env {
			if k := t.newKeys[e.ID]; k != nil {
				return k, nil
			}
			return t.v.keys.envs[e.ID], nil
		}
	}
	if !make {
		return nil, fmt.Errorf("environment %s/%s: %w", app, env, ErrNotFound)
	}
	k := newEnvKey(t.v.vault, 1)
	t.newKeys[k.Env] = k
	t.add(seal.KindEnvKey, k.Env, seal.EnvKeyID(k.Vault, k.Env), 1, seal.SealEnvKey(t.v.keys.vk, k))
	t.envs = append(slices.Clone(envs), seal.Env{ID: k.Env, Epoch: 1, App: app, Name: env, Created: t.now()})
	return k, nil
}

func newEnvKey(vault seal.VaultID, epoch uint32) *seal.EnvKey {
	k := &seal.EnvKey{Vault: vault, Epoch: epoch, Key: seal.NewKey(seal.KeySize)}
	copy(k.Env[:], seal.NewKey(len(k.Env)))
	k.Index = seal.IndexKey(k.Key)
	return k
}

// version returns the newest version of a secret, 0 if there is none.
func (t *tx) version(env seal.EnvID, id seal.ID) uint64 {
	if n := t.newest[id]; n > 0 {
		return n
	}
	return t.v.state.newest(env, id)
}

// putVersion seals the next version of a secret and describes it.
func (t *tx) putVersion(k *seal.EnvKey, m seal.Meta, value secret.Value) Info {
	id := k.RecordID(m.Ref.Name)
	n := t.version(k.Env, id) + 1
	for { // a member of another environment may have put something under this id
		if _, taken := t.v.state.entries[blob.Key{Kind: seal.KindSecret, ID: id, Version: n}]; !taken {
			break
		}
		n++
	}
	m.Time, m.Device, m.Size = t.clock(), t.v.device, uint32(value.Len())
	m.Created = cmp.Or(m.Created, m.Time)
	t.add(seal.KindSecret, k.Env, id, n, seal.SealRecord(k, k.Place(id, n), m, value.Reveal()))
	t.newest[id] = n
	t.names[id] = named{version: n, name: m.Ref.Name, deleted: m.Flags&seal.FlagDeleted != 0}
	t.changed = append(t.changed, changed{key: k, id: id})
	return infoOf(m, n)
}

// putSlot seals the vault key under a password.
func (t *tx) putSlot(vk []byte, m *seal.Master, suite seal.Suite, id seal.ID, version uint64) {
	data := seal.SealSlot(m, t.v.vault, suite, id, version, vk)
	ref := seal.SlotRef{ID: id, Version: version, Suite: suite, Auth: [32]byte(m.AuthKey())}
	ref.Sum = t.add(seal.KindSlot, seal.EnvID{}, id, version, data)
	i := slices.IndexFunc(t.next.Slots, func(r seal.SlotRef) bool { return r.ID == id })
	if i < 0 {
		t.next.Slots = append(t.next.Slots, ref)
		return
	}
	t.drop(blob.Key{Kind: seal.KindSlot, ID: id, Version: t.next.Slots[i].Version})
	t.next.Slots[i] = ref
}

// hasSlot reports whether a slot is still what it was.
func (t *tx) hasSlot(ref seal.SlotRef) bool { return slices.Contains(t.next.Slots, ref) }

// putList seals the list of environments.
func (t *tx) putList(vk []byte, envs []seal.Env) {
	id, n := seal.ListID(t.v.vault), t.v.state.list
	t.add(seal.KindList, seal.EnvID{}, id, n+1, seal.SealList(vk, t.v.vault, n+1, envs))
	if n > 0 {
		t.drop(blob.Key{Kind: seal.KindList, ID: id, Version: n})
	}
}

// putBlob seals a document in place of its version before.
func (t *tx) putBlob(vk []byte, name string, plain []byte) {
	id := seal.BlobID(t.v.vault, name)
	i := slices.IndexFunc(t.next.Blobs, func(r seal.BlobRef) bool { return r.Name == name })
	if i < 0 {
		i = len(t.next.Blobs)
		t.next.Blobs = append(t.next.Blobs, seal.BlobRef{Name: name})
	} else {
		t.drop(blob.Key{Kind: seal.KindBlob, ID: id, Version: t.next.Blobs[i].Version})
	}
	ref := &t.next.Blobs[i]
	ref.Version++
	ref.Sum = t.add(seal.KindBlob, seal.EnvID{}, id, ref.Version, seal.SealBlob(vk, t.v.vault, name, ref.Version, plain))
}

// finish seals the list if it changed, and signs the manifest. It returns the
// commit and the tree that it leads to.
func (t *tx) finish(master *seal.Master) (blob.Commit, *manifest.Forest, error) {
	if t.v.machine != nil {
		return t.finishWriter()
	}
	return t.finishAs(t.v.keys.device, master)
}

// finishAs is finish with the manifest signed by another key of this device.
func (t *tx) finishAs(device ed25519.PrivateKey, master *seal.Master) (blob.Commit, *manifest.Forest, error) {
	if t.envs != nil {
		t.putList(t.v.keys.vk, t.envs)
	}
	if err := t.putRoster(t.v.keys.vk); err != nil {
		return blob.Commit{}, nil, err
	}
	s := t.v.state
	forest, err := t.forest()
	if err != nil {
		return blob.Commit{}, nil, err
	}
	m := &t.next
	m.Seq = s.head.Seq + 1
	if m.Prev = (seal.Hash{}); s.head.Seq > 0 {
		m.Prev = seal.ManifestHash(s.head.Manifest)
	}
	m.Groups, m.EnvKeys = forest.Groups(), t.envKeys()
	m.Root, m.Count = manifest.RootOf(m.Groups)
	m.Time, m.Signer, m.Reset = t.now(), t.v.device, t.reset
	for _, k := range t.purge {
		m.Purged = append(m.Purged, seal.Purged{Kind: k.Kind, ID: k.ID, Version: k.Version})
	}
	return blob.Commit{
		Base: s.head.Seq, Seq: m.Seq, Manifest: seal.SignManifest(m, device, master),
		Put: t.put, Purge: t.purge, Reset: t.reset,
	}, forest, nil
}

// forest is the state's forest with this tx's changes.
func (t *tx) forest() (*manifest.Forest, error) {
	add, remove := manifest.Leaves{}, manifest.Leaves{}
	for i := range t.put {
		r := &t.put[i]
		add.Add(r.Group, entry{group: r.Group, sum: r.Sum}.leaf(r.Key))
	}
	from := t.v.state.forest
	if t.reset {
		from = &manifest.Forest{}
	}
	for _, k := range t.purge {
		e := t.v.state.entries[k]
		remove.Add(e.group, e.leaf(k))
	}
	forest, ok := from.Change(add, remove)
	if !ok {
		return nil, fmt.Errorf("write vault: a version is there already: %w", ErrConflict)
	}
	return forest, nil
}

// envKeys hashes the environment keys that are stored after this tx.
func (t *tx) envKeys() seal.Hash {
	if t.reset {
		return (&state{}).envKeys(nil, t.put)
	}
	return t.v.state.envKeys(t.purge, t.put)
}
