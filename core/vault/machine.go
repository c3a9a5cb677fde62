package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A MachineKey opens one environment, to read it. It remembers nothing between
// two uses: what it can hold a store against is in the key itself.
type MachineKey struct{ machine }

// machine is what a vault that was opened with such a key has beside its state.
type machine struct {
	key    *seal.MachineKey
	holder *seal.Holder
	id     seal.ID
	// Of a member: the record by which the vault lists it. It is read once, when
	// the vault is opened, and never changes.
	principal *manifest.Principal
	record    []byte
}

// ReadMachineKey reads a machine key. The caller wipes it.
func ReadMachineKey(text secret.Value) (*MachineKey, error) {
	key, err := seal.ParseMachineKey(text)
	if err != nil {
		return nil, fmt.Errorf("read machine key: %w", err)
	}
	holder, err := seal.NewHolder(key.Seed)
	if err != nil {
		return nil, fmt.Errorf("read machine key: %w", err)
	}
	p := holder.Principal()
	return &MachineKey{machine{key: key, holder: holder, id: p.ID()}}, nil
}

// Name returns what the machine is called: the policy knows it as machine:Name.
func (k *MachineKey) Name() string { return k.key.Name }

// Space returns the app and the environment that it reads.
func (k *MachineKey) Space() (app, env string) { return k.key.App, k.key.EnvName }

// Vault returns the id of its vault.
func (k *MachineKey) Vault() [16]byte { return k.key.Vault }

// Server returns where the vault is, "" for a file, and the pinned key of that server.
func (k *MachineKey) Server() (url string, key []byte) {
	return k.key.URL, bytes.Clone(k.key.ServerKey)
}

// Signer signs requests as this machine.
func (k *MachineKey) Signer() Signer { return k.signer() }

func (m *machine) signer() Signer {
	return Signer{Kind: SignMachine, ID: bytes.Clone(m.id[:]), Public: bytes.Clone(m.holder.Sign.Public().(ed25519.PublicKey)),
		sign: func(message []byte) ([]byte, error) { return signWith(m.holder.Sign, message), nil }}
}

// Wipe zeroes the keys.
func (k *MachineKey) Wipe() {
	k.key.Wipe()
	k.holder.Wipe()
}

// Open opens the vault in st to read one environment. The vault owns the key.
func (k *MachineKey) Open(ctx context.Context, st blob.Store, o Options) (*Vault, error) {
	if err := k.ended(time.Now()); err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	v := &Vault{st: st, now: time.Now, vault: k.key.Vault, keys: newKeyring(o.Alloc), machine: &k.machine}
	copy(v.device[:], k.id[:])
	v.keys.seed = v.keys.keep(seal.Subkey(k.key.Seed, "machine"))
	v.keys.audit = [][]byte{v.keys.keep(seal.Subkey(k.key.Seed, "audit"))}
	s, err := v.loadMachine(ctx)
	if err == nil {
		err = v.adoptMachine(ctx, s)
	}
	if err != nil {
		v.keys.wipe()
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return v, nil
}

// ended reports whether the key's time is over; a device has none.
func (m *machine) ended(now time.Time) error {
	if m == nil || m.key.NotAfter == 0 || uint64(now.UnixMilli()) < m.key.NotAfter {
		return nil
	}
	return fmt.Errorf("key %q ended %s: %w", m.key.Name, time.UnixMilli(int64(m.key.NotAfter)).UTC().Format(time.DateTime), ErrExpired)
}

// scope reports whether app/env is what the machine key is for; to a device
// everything is.
func (m *machine) scope(app, env string) error {
	if m == nil || m.key.App == app && m.key.EnvName == env {
		return nil
	}
	return fmt.Errorf("key %q is for %s/%s, and not for %s/%s: %w", m.key.Name, m.key.App, m.key.EnvName, app, env, ErrScope)
}

// loadMachine reads the newest state of the machine's environment: a manifest
// that it has reason to believe, and all that this says is stored of the
// environment.
func (v *Vault) loadMachine(ctx context.Context) (*state, error) {
	for range 5 {
		head, err := v.st.Head(ctx)
		if err != nil {
			return nil, storeError("read", err)
		}
		m, err := seal.ParseManifest(head.Manifest)
		if err != nil || m.Vault != v.vault || m.Seq != head.Seq {
			return nil, manifestError(err)
		}
		chain, err := v.believe(ctx, head, m)
		if err != nil {
			return nil, err
		}
		entries, err := v.st.Changes(ctx, 0)
		if err != nil {
			return nil, storeError("read", err)
		}
		s, err := v.groupState(head, m, entries)
		if err == nil {
			err = onlyAdded(chain, entries, &v.machine.key.Env, v.now())
		}
		if err == nil {
			err = v.listed(ctx, m)
		}
		if err == nil {
			return s, nil
		}
		if again, herr := v.st.Head(ctx); herr == nil && bytes.Equal(again.Manifest, head.Manifest) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read vault: the store does not hold still: %w", ErrTampered)
}

// near is how far behind the newest commit the one that was seen last may be for
// all of those in between to be walked, also when one of a known device is among
// them: two histories that a device and a member signed are told apart then.
const near = 16

// believe returns the manifests from one that the machine has reason to believe
// to m, which is the newest: each follows the one before, and the first is the one
// that the machine saw last, or was signed by a device that its key names.
func (v *Vault) believe(ctx context.Context, head blob.Head, m *seal.Manifest) ([]*seal.Manifest, error) {
	last := mark{seq: v.machine.key.Seq, manifest: v.machine.key.Manifest}
	if v.state != nil {
		last = v.state.mark(v.vault)
	}
	if m.Seq < last.seq {
		return nil, fmt.Errorf("the store is at commit %d, seen was %d: %w", m.Seq, last.seq, ErrRollback)
	}
	chain := []*seal.Manifest{m}
	believed := false // something of chain is
	for data := head.Manifest; ; {
		if m.Seq == last.seq {
			if seal.ManifestHash(data) != last.manifest {
				return nil, fmt.Errorf("commit %d is not the one that was seen: %w", m.Seq, ErrFork)
			}
			break
		}
		believed = believed || v.known(m)
		if believed && m.Seq > last.seq+near {
			break
		}
		prevData, err := v.st.Manifest(ctx, m.Seq-1)
		if errors.Is(err, blob.ErrNotFound) && believed {
			break // too long ago
		} else if errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("commit %d is not there: %w", m.Seq-1, ErrFork)
		} else if err != nil {
			return nil, storeError("read", err)
		}
		prev, err := seal.ParseManifest(prevData)
		if err != nil {
			return nil, manifestError(err)
		}
		if !m.Follows(data, prev, prevData) {
			return nil, fmt.Errorf("commit %d does not follow %d: %w", m.Seq, prev.Seq, ErrFork)
		}
		m, data = prev, prevData
		chain = append(chain, m)
	}
	slices.Reverse(chain)
	return chain, nil
}

// known reports whether m is signed by a device that the key names.
func (v *Vault) known(m *seal.Manifest) bool {
	is, _ := m.Device(m.Signer)
	return slices.ContainsFunc(v.machine.key.Devices, func(d seal.Device) bool { return d.ID == m.Signer && bytes.Equal(d.Key[:], is) })
}

// groupState is newState of the machine's environment alone.
func (v *Vault) groupState(head blob.Head, m *seal.Manifest, entries []blob.Entry) (*state, error) {
	env, id := v.machine.key.Env, v.machine.id
	if !slices.ContainsFunc(slices.Concat(m.Machines, m.Members), func(e seal.Entity) bool { return e.ID == id }) {
		return nil, fmt.Errorf("key %q: %w", v.machine.key.Name, ErrRevoked)
	}
	s := emptyState(head, m)
	var leaves []seal.Hash
	for _, e := range entries {
		if e.Group == env && e.Seq <= head.Seq { // the store may have moved on
			here := entry{group: e.Group, sum: e.Sum, seq: e.Seq}
			s.add(e.Key, here)
			leaves = append(leaves, here.leaf(e.Key))
		}
	}
	forest, ok := manifest.NewForest(manifest.Leaves{env: leaves})
	if want, there := m.Group(env); !ok || !there || !slices.Equal(forest.Groups(), []manifest.Group{want}) {
		return s, fmt.Errorf("check the environment against the manifest: %w", ErrTampered)
	}
	s.forest = forest
	var epoch uint64
	for n := range s.keys[env] {
		epoch = max(epoch, n)
	}
	s.envs = []seal.Env{{ID: env, Epoch: uint32(epoch), App: v.machine.key.App, Name: v.machine.key.EnvName}}
	return s, nil
}

// adoptMachine opens the environment's key in s, and makes s the state.
func (v *Vault) adoptMachine(ctx context.Context, s *state) error {
	old := v.state
	v.state = s
	err := v.openMachineEnv(ctx, s.envs[0])
	if err != nil {
		v.state = old
	}
	return err
}

func (v *Vault) openMachineEnv(ctx context.Context, e seal.Env) error {
	if have := v.keys.envs[e.ID]; have != nil && have.Epoch == e.Epoch {
		return nil
	}
	k := blob.Key{Kind: seal.KindWrap, ID: seal.WrapID(v.vault, e.ID, v.machine.id), Version: uint64(e.Epoch)}
	if _, ok := v.state.entries[k]; !ok {
		return fmt.Errorf("key %q: %w", v.machine.key.Name, ErrRevoked)
	}
	data, err := v.fetch(ctx, []blob.Key{k})
	if err != nil {
		return err
	}
	key, err := v.machine.holder.OpenWrap(v.vault, e.ID, e.Epoch, data[0])
	if err != nil {
		return openError("key of the environment", err)
	}
	v.keys.addEnv(key)
	return nil
}

// machinePolicy is Sealed for a machine, which reads the policy and nothing else.
func (v *Vault) machinePolicy(ctx context.Context, name string) ([]byte, error) {
	if name != Policy {
		return nil, fmt.Errorf("document %q: %w", name, ErrNotFound)
	}
	env := v.machine.key.Env
	p, err := v.envPolicy(ctx, env, v.keys.envs[env])
	if err != nil { // it is made with the key: without it nothing is allowed
		return nil, fmt.Errorf("read policy: %w", ErrTampered)
	}
	if len(p.text) == 0 {
		return nil, fmt.Errorf("document %q: %w", name, ErrNotFound)
	}
	return p.text, nil
}

// MachineName returns the name of the machine key that opened the vault, or "".
func (v *Vault) MachineName() string {
	if v.machine == nil {
		return ""
	}
	return v.machine.key.Name
}
