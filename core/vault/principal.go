package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A Machine describes a machine key that was made.
type Machine struct {
	ID       string // hex
	Name     string
	App, Env string
	Added    time.Time
	NotAfter time.Time // zero: no end
	By       string    // the device that made it
	Role     manifest.Role
}

// A MachineOrder says what machine key is to be made, or what is shared with whom.
type MachineOrder struct {
	Name      string
	App, Env  string
	NotAfter  time.Time // zero: no end
	URL       string    // of the vault's server; empty: the vault is a file
	ServerKey []byte
	Role      manifest.Role // of who it is shared with: RoleReader, which 0 means, or RoleWriter
}

// NewMachine lets a machine read one environment and returns its key, the only
// copy. The environment must exist.
func (v *Vault) NewMachine(ctx context.Context, o MachineOrder) (secret.Value, Machine, error) {
	if o.Name == "" || shortName(o.Name) != o.Name {
		return secret.Value{}, Machine{}, fmt.Errorf("machine key %q: name: %w", o.Name, ErrValue)
	}
	key := &seal.MachineKey{Vault: v.vault, Seed: seal.NewKey(seal.HolderSeed), Name: o.Name, App: o.App, EnvName: o.Env, URL: o.URL, ServerKey: o.ServerKey}
	defer key.Wipe()
	if !o.NotAfter.IsZero() {
		key.NotAfter = uint64(o.NotAfter.UnixMilli())
	}
	holder, err := seal.NewHolder(key.Seed)
	if err != nil {
		return secret.Value{}, Machine{}, fmt.Errorf("machine key %q: %w", o.Name, err)
	}
	defer holder.Wipe()
	var out Machine
	err = v.alone(ctx, func(t *tx) (err error) {
		out, err = t.addMachine(ctx, key, holder)
		return err
	})
	if err != nil {
		return secret.Value{}, Machine{}, fmt.Errorf("machine key %q: %w", o.Name, err)
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return secret.Value{}, Machine{}, ErrClosed
	}
	key.Seq, key.Manifest, key.Devices = v.state.head.Seq, seal.ManifestHash(v.state.head.Manifest), v.state.manifest.Devices
	return key.Text(), out, nil
}

func (t *tx) addMachine(ctx context.Context, key *seal.MachineKey, holder *seal.Holder) (Machine, error) {
	return t.addPrincipal(ctx, key, holder.Principal(), manifest.RoleMachine)
}

// addPrincipal lets p read the environment that key names.
func (t *tx) addPrincipal(ctx context.Context, key *seal.MachineKey, p manifest.Principal, role manifest.Role) (Machine, error) {
	k, err := t.env(key.App, key.EnvName, false)
	if err != nil {
		return Machine{}, err
	}
	r, err := t.roster(ctx)
	if err != nil {
		return Machine{}, err
	}
	if err := t.mayLetIn(r, p.ID(), key.Name, role); err != nil {
		return Machine{}, err
	}
	key.Env = k.Env
	p.Role, p.NotAfter, p.Envs, p.Created = role, key.NotAfter, []seal.EnvID{k.Env}, t.now()
	wrap, err := seal.SealWrap(&p, k)
	if err != nil {
		return Machine{}, err
	}
	policy, err := t.policyFor(ctx, k.Env)
	if err != nil {
		return Machine{}, err
	}
	id := p.ID()
	entity := seal.Entity{ID: id, Sum: t.add(seal.KindPrincipal, seal.EnvID{}, id, 1, p.Encode())}
	if role == manifest.RoleMachine {
		t.next.Machines = append(t.next.Machines, entity)
	} else {
		t.next.Members = append(t.next.Members, entity)
	}
	t.add(seal.KindWrap, k.Env, seal.WrapID(t.v.vault, k.Env, id), uint64(k.Epoch), wrap)
	if policy != nil {
		t.putEnvPolicy(k, policy.text, policy.version)
	}
	named := rosterPrincipal{ID: hex.EncodeToString(id[:]), Role: uint8(p.Role), Name: key.Name, App: key.App, Env: key.EnvName, Added: p.Created, By: t.v.Device(), NotAfter: p.NotAfter}
	r.Principals = append(r.Principals, named)
	return named.machine(), nil
}

// mayLetIn reports whether a principal may be let in under name: a machine's or a
// person's name stands for one, and keys that were let in once are not again, also
// when they have been revoked since.
func (t *tx) mayLetIn(r *roster, id seal.ID, name string, role manifest.Role) error {
	if in := r.principal(id); in != nil {
		return fmt.Errorf("the same keys are let in as %q: %w", in.Name, ErrTaken)
	}
	if _, ok := t.v.state.entries[blob.Key{Kind: seal.KindPrincipal, ID: id, Version: 1}]; ok {
		return fmt.Errorf("the same keys were let in before: %w", ErrTaken)
	}
	machine := role == manifest.RoleMachine
	if slices.ContainsFunc(r.Principals, func(p rosterPrincipal) bool {
		return p.Name == name && (p.Role == uint8(manifest.RoleMachine)) == machine
	}) {
		return ErrTaken
	}
	return nil
}

func (p rosterPrincipal) machine() Machine {
	m := Machine{ID: p.ID, Name: p.Name, App: p.App, Env: p.Env, Added: time.UnixMilli(int64(p.Added)), By: p.By, Role: manifest.Role(p.Role)}
	if p.NotAfter != 0 {
		m.NotAfter = time.UnixMilli(int64(p.NotAfter))
	}
	return m
}

// Machines returns the machine keys that are let in, in order of name.
func (v *Vault) Machines(ctx context.Context) ([]Machine, error) {
	return v.principals(ctx, func(m *seal.Manifest) []seal.Entity { return m.Machines })
}

// Members returns the people that environments are shared with, in order of name.
func (v *Vault) Members(ctx context.Context) ([]Machine, error) {
	return v.principals(ctx, func(m *seal.Manifest) []seal.Entity { return m.Members })
}

func (v *Vault) principals(ctx context.Context, which func(*seal.Manifest) []seal.Entity) ([]Machine, error) {
	var out []Machine
	err := v.read(ctx, func() error {
		r, err := v.readRoster(ctx)
		if err != nil {
			return err
		}
		out = nil
		for _, e := range which(v.state.manifest) {
			m := Machine{ID: hex.EncodeToString(e.ID[:])}
			if named := r.principal(e.ID); named != nil {
				m = named.machine()
			}
			out = append(out, m)
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Machine) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// RevokeMachine takes a machine key's access: it is no longer listed, and its
// environment gets a new key, under which everything of it is sealed anew.
// before is asked once, with that environment.
func (v *Vault) RevokeMachine(ctx context.Context, id string, before Before) error {
	return v.revoke(ctx, "machine key", id, before, func(m *seal.Manifest) *[]seal.Entity { return &m.Machines })
}

// RevokeMember is RevokeMachine of a person that an environment is shared with.
func (v *Vault) RevokeMember(ctx context.Context, id string, before Before) error {
	return v.revoke(ctx, "member", id, before, func(m *seal.Manifest) *[]seal.Entity { return &m.Members })
}

func (v *Vault) revoke(ctx context.Context, what, id string, before Before, which func(*seal.Manifest) *[]seal.Entity) error {
	err := v.alone(ctx, func(t *tx) error {
		list := which(&t.next)
		i := slices.IndexFunc(*list, func(e seal.Entity) bool { return hex.EncodeToString(e.ID[:]) == id })
		if i < 0 {
			return ErrNotFound
		}
		p, err := v.principal(ctx, (*list)[i])
		if err != nil {
			return err
		}
		r, err := t.roster(ctx)
		if err != nil {
			return err
		}
		*list = slices.Delete(*list, i, i+1)
		r.Principals = slices.DeleteFunc(r.Principals, func(p rosterPrincipal) bool { return p.ID == id })
		for _, env := range p.Envs {
			if err := t.renew(ctx, env, before); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("revoke %s %q: %w", what, id, err)
	}
	return nil
}

// principal reads the record of a principal that the manifest lists.
func (v *Vault) principal(ctx context.Context, e seal.Entity) (*manifest.Principal, error) {
	data, err := v.fetch(ctx, []blob.Key{{Kind: seal.KindPrincipal, ID: e.ID, Version: 1}})
	if err != nil {
		return nil, err
	}
	p, err := manifest.ParsePrincipal(data[0])
	if err != nil {
		return nil, openError("principal", err)
	}
	if seal.Sum(data[0]) != e.Sum || p.ID() != e.ID {
		return nil, fmt.Errorf("read principal: %w", ErrTampered)
	}
	return p, nil
}

// alone makes one commit of change and of nothing else; when change fails,
// nothing is committed, whatever it added before.
func (v *Vault) alone(ctx context.Context, change func(*tx) error) error {
	if err := v.deviceOnly(); err != nil {
		return err
	}
	v.writing.Lock()
	defer v.writing.Unlock()
	err := error(ErrConflict)
	for try := 0; try < 20 && errors.Is(err, ErrConflict); try++ {
		if err = v.reload(ctx); err == nil {
			err = v.tryAlone(ctx, change)
		}
	}
	return err
}

func (v *Vault) tryAlone(ctx context.Context, change func(*tx) error) error {
	v.mu.RLock()
	if v.keys == nil {
		v.mu.RUnlock()
		return ErrClosed
	}
	t := v.begin()
	err := change(t)
	if err != nil {
		v.mu.RUnlock()
		return err
	}
	c, forest, err := t.finish(nil)
	v.mu.RUnlock()
	if err != nil {
		return err
	}
	if err := v.st.Commit(ctx, c); err != nil {
		return storeError("write", err)
	}
	return v.applied(c, t, forest)
}

// renew gives an environment a new key and seals all of it anew, for the
// principals that the manifest then lists.
func (t *tx) renew(ctx context.Context, env seal.EnvID, before Before) error {
	envs := slices.Clone(t.v.state.envs)
	i := slices.IndexFunc(envs, func(e seal.Env) bool { return e.ID == env })
	if i < 0 {
		return nil // it is gone, and so is what its key opened
	}
	e := &envs[i]
	if err := agree(before, []Head{{Ref: secret.Ref{App: e.App, Env: e.Name}}}); err != nil {
		return err
	}
	for k, entry := range t.v.state.entries { // all that is replaced
		if entry.group == env {
			t.purge = append(t.purge, k)
		}
	}
	if err := t.resealEnv(ctx, e, t.v.keys.vk); err != nil {
		return err
	}
	t.envs = envs
	return t.rewrap(ctx, env)
}

// rewrap wraps the environment's new key for every principal that reaches it.
func (t *tx) rewrap(ctx context.Context, env seal.EnvID) error {
	k := t.newKeys[env]
	policy, err := t.v.openBlob(ctx, Policy) // not the copy that lay there: members could write beside it
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	r, err := t.roster(ctx)
	if err != nil {
		return err
	}
	reached := false
	for _, e := range slices.Concat(t.next.Machines, t.next.Members) {
		if r.principal(e.ID) == nil { // it gets no key that the vault's own devices did not mean for it
			return fmt.Errorf("%x is in the manifest, and no device of this vault let it in: %w", e.ID[:4], ErrTampered)
		}
		p, err := t.v.principal(ctx, e)
		if err != nil {
			return err
		}
		if !p.Reads(env) {
			continue
		}
		wrap, err := seal.SealWrap(p, k)
		if err != nil {
			return err
		}
		t.add(seal.KindWrap, env, seal.WrapID(t.v.vault, env, e.ID), uint64(k.Epoch), wrap)
		reached = true
	}
	if reached {
		t.putEnvPolicy(k, policy, t.v.state.policies[env]+1)
	}
	return nil
}
