package vault

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// Rotate makes a new vault key and new environment keys and seals everything
// anew under them, in one commit: the answer to a compromise. before is asked
// once, with every space. Other processes that hold the old keys get ErrRotated
// and unlock again. Other devices, machines and members are let in again by hand.
//
// The device gets a new signing key as well, which the password vouches for. It
// lies in a file and not in the store: before the commit that holds the new key
// under the new vault key and the old one under both (what was seen last bears
// its mark), and after it the new one alone, so a crash in between leaves a vault
// that opens.
func (v *Vault) Rotate(ctx context.Context, password secret.Value, before Before) error {
	dev, by, err := v.authenticate(ctx, password)
	if err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	defer dev.wipe()
	defer by.master.Wipe()
	lock, err := lockFiles(v.dir) // two at once would undo each other's device file
	if err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	defer lock.Close()
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := v.reload(ctx); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	fresh := freshKeys{vk: seal.NewKey(seal.KeySize), sign: ed25519.NewKeyFromSeed(seal.NewKey(ed25519.SeedSize))}
	defer clear(fresh.vk)
	defer clear(fresh.sign)
	if err := v.rotate(ctx, dev, by, fresh, before); err != nil {
		return fmt.Errorf("rotate keys: %w", err)
	}
	return nil
}

// freshKeys are what a rotation puts in the place of the old ones.
type freshKeys struct {
	vk   []byte
	sign ed25519.PrivateKey
}

func (v *Vault) rotate(ctx context.Context, dev *device, by slotKey, fresh freshKeys, before Before) error {
	c, err := v.resealAll(ctx, dev, by, fresh, before)
	if err != nil {
		return err
	}
	if err := dev.write(v.dir); err != nil { // both boxes
		return err
	}
	if err := v.st.Commit(ctx, c); err != nil {
		return storeError("write", err)
	}
	v.signRequestsWith(fresh.sign)
	next, err := v.load(ctx)
	if err != nil {
		return err
	}
	if err := v.rekey(ctx, dev, next, fresh); err != nil {
		return err
	}
	dev.sign = dev.sign[:1]
	return dev.write(v.dir)
}

// resealAll builds the commit that replaces everything.
func (v *Vault) resealAll(ctx context.Context, dev *device, by slotKey, fresh freshKeys, before Before) (blob.Commit, error) {
	vk := fresh.vk
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return blob.Commit{}, ErrClosed
	}
	t := v.begin()
	t.reset = true
	defer func() { // rekey opens them again, into the memory for keys
		for _, k := range t.newKeys {
			clear(k.Key)
			clear(k.Index)
		}
	}()
	if !t.hasSlot(by.ref) {
		return blob.Commit{}, fmt.Errorf("the password was changed: %w", ErrConflict)
	}
	if err := agree(before, v.everySpace()); err != nil {
		return blob.Commit{}, err
	}
	t.next.Slots = nil // other passwords, devices, machines and members are let in again by hand
	t.next.Members, t.next.Machines = nil, nil
	t.next.Devices = slices.DeleteFunc(t.next.Devices, func(d seal.Device) bool { return d.ID != v.device })
	t.putSlot(vk, by.master, by.ref.Suite, by.ref.ID, by.ref.Version+1)
	envs := slices.Clone(v.state.envs)
	for i := range envs {
		if err := t.resealEnv(ctx, &envs[i], vk); err != nil {
			return blob.Commit{}, err
		}
	}
	if err := t.resealBlobs(ctx, fresh); err != nil {
		return blob.Commit{}, err
	}
	t.putList(vk, envs)
	i := slices.IndexFunc(t.next.Devices, func(d seal.Device) bool { return d.ID == v.device })
	copy(t.next.Devices[i].Key[:], fresh.sign.Public().(ed25519.PublicKey))
	dev.sign = [][]byte{dev.sealSign(vk, fresh.sign), dev.sealSign(vk, v.keys.device), dev.sealSign(v.keys.vk, v.keys.device)}
	c, _, err := t.finishAs(fresh.sign, by.master)
	return c, err
}

// resealEnv seals one environment under a new key, a version at a time.
func (t *tx) resealEnv(ctx context.Context, e *seal.Env, vk []byte) error {
	old := t.v.keys.envs[e.ID]
	e.Epoch++
	k := &seal.EnvKey{Vault: t.v.vault, Env: e.ID, Epoch: e.Epoch, Key: seal.NewKey(seal.KeySize)}
	k.Index = seal.IndexKey(k.Key)
	t.newKeys[e.ID] = k
	shared, err := t.written(ctx, e.ID)
	if err != nil {
		return err
	}
	t.add(seal.KindEnvKey, e.ID, seal.EnvKeyID(t.v.vault, e.ID), uint64(e.Epoch), seal.SealEnvKey(vk, k))
	for _, id := range t.v.state.groups[e.ID] {
		for _, n := range t.v.state.versions(e.ID, id) {
			key := blob.Key{Kind: seal.KindSecret, ID: id, Version: n}
			data, err := t.v.fetch(ctx, []blob.Key{key})
			if err != nil {
				return err
			}
			err = t.resealVersion(*e, old, k, key, data[0])
			if shared && (errors.Is(err, ErrTampered) || errors.Is(err, seal.ErrVersion)) {
				continue // it was never anything else: a member of bad faith must not keep a key in use
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// written reports whether a member may write env, and so have stored there what
// nobody can open.
func (t *tx) written(ctx context.Context, env seal.EnvID) (bool, error) {
	for _, e := range t.v.state.manifest.Members {
		p, err := t.v.principal(ctx, e)
		if err != nil {
			return false, err
		}
		if p.Role == manifest.RoleWriter && p.Reads(env) {
			return true, nil
		}
	}
	return false, nil
}

// resealVersion seals anew what data, which is what was stored, holds.
func (t *tx) resealVersion(e seal.Env, old, k *seal.EnvKey, key blob.Key, data []byte) error {
	name, err := openName(old, key, data)
	if err != nil {
		return err
	}
	rec, err := seal.ParseRecord(data)
	if err != nil {
		return openError("record", err)
	}
	ref := secret.Ref{App: e.App, Env: e.Name, Name: name.name}
	m, value, err := rec.Open(old, old.Place(key.ID, key.Version), ref)
	if err != nil {
		return openError("record", err)
	}
	defer value.Wipe()
	id := k.RecordID(name.name)
	t.add(seal.KindSecret, e.ID, id, key.Version, seal.SealRecord(k, k.Place(id, key.Version), m, value.Reveal()))
	return nil
}

// resealBlobs seals the documents anew, and adds the audit key that ends to
// those of before.
func (t *tx) resealBlobs(ctx context.Context, fresh freshKeys) error {
	vk := fresh.vk
	var ended []byte
	for _, k := range t.v.keys.audit {
		ended = append(ended, k...)
	}
	defer clear(ended)
	for _, ref := range t.v.state.manifest.Blobs {
		if ref.Name == auditKeys || ref.Name == rosterDoc {
			continue
		}
		plain, err := t.v.openBlob(ctx, ref.Name)
		if err != nil {
			return err
		}
		t.putBlob(vk, ref.Name, plain)
		clear(plain)
	}
	t.putBlob(vk, auditKeys, ended)
	r, err := t.v.readRoster(ctx)
	if err != nil {
		return err
	}
	r.Devices = slices.DeleteFunc(r.Devices, func(d rosterDevice) bool { return d.ID != t.v.Device() })
	for i := range r.Devices {
		r.Devices[i].Key = hex.EncodeToString(fresh.sign.Public().(ed25519.PublicKey))
	}
	t.people, r.Principals = r, nil
	err = t.putRoster(vk)
	t.people = nil // finish has the old key
	return err
}

// rekey makes next the state, under the new vault key, and zeroes the old keys.
func (v *Vault) rekey(ctx context.Context, dev *device, next *state, fresh freshKeys) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		return ErrClosed
	}
	old := v.keys
	v.keys = newKeyring(old.alloc)
	v.keys.vk = v.keys.keep(slices.Clone(fresh.vk))
	v.keys.seen = v.keys.keep(seal.DeviceSubkey(dev.secretKey, v.vault, "seen"))
	v.setDevice(slices.Clone(fresh.sign), nil)
	v.keyMu.Lock() // whoever signed a request with the old copy is done
	old.wipe()
	v.keyMu.Unlock()
	if err := v.adopt(ctx, next); err != nil {
		return err
	}
	return writeSeen(v.dir, v.mark(next), v.keys, false)
}

// everySpace is what before is asked for when all is opened.
func (v *Vault) everySpace() []Head {
	var heads []Head
	for _, e := range v.state.envs {
		heads = append(heads, Head{Ref: secret.Ref{App: e.App, Env: e.Name}})
	}
	return heads
}
