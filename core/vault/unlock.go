package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// Unlock opens the vault in st with the files in dir. ErrPassword is the one
// error for a wrong password, a wrong Secret Key and a damaged slot; nothing is
// written before the password has proved right.
func Unlock(ctx context.Context, st blob.Store, dir string, password secret.Value, o Options) (*Vault, error) {
	v, err := unlock(ctx, st, dir, password, o)
	if err != nil {
		return nil, fmt.Errorf("unlock vault: %w", err)
	}
	return v, nil
}

func unlock(ctx context.Context, st blob.Store, dir string, password secret.Value, o Options) (*Vault, error) {
	dev, err := readDevice(dir)
	if err != nil {
		return nil, err
	}
	defer dev.wipe()
	v := &Vault{st: st, dir: dir, now: time.Now, vault: dev.vault, device: dev.id, served: o.Served, keys: newKeyring(o.Alloc)}
	v.keys.seen = v.keys.keep(seal.DeviceSubkey(dev.secretKey, dev.vault, "seen"))

	// 1. What the store says, held against what was seen before.
	last, vaultMAC, err := readSeen(dir, v.keys.seen)
	switch {
	case err != nil && !o.AcceptRollback:
		return nil, err
	case last.served && !o.Served && !o.AcceptRollback:
		return nil, ErrServed
	}
	loaded, err := v.load(ctx)
	if err != nil {
		if errors.Is(err, ErrNoVault) && last.seq > 0 {
			return nil, fmt.Errorf("the store is empty, and it held commit %d: %w", last.seq, ErrRollback)
		}
		return nil, err
	}
	if !o.AcceptRollback {
		if err := v.follows(ctx, last, loaded); err != nil && !errors.Is(err, ErrRotated) {
			return nil, err
		}
	}
	// 2. The password: a slot gives the vault key, the vault key all others.
	vk, by, err := v.trySlots(ctx, loaded, dev.secretKey, password, last.floor)
	if err != nil {
		return nil, err
	}
	by.master.Wipe()
	v.keys.vk = v.keys.keep(vk)
	// What nothing seen before vouches for must be of our own making.
	ours := last.seq == 0 || o.AcceptRollback
	if err := v.openDevice(dev, loaded, ours); err != nil {
		return nil, err
	}
	if !o.AcceptRollback && !dev.vouches(v.keys.vk, last, vaultMAC) {
		return nil, fmt.Errorf("check what was seen: %w", ErrRollback)
	}
	if err := v.adopt(ctx, loaded); err != nil {
		return nil, err
	}
	if o.Keyed != nil {
		o.Keyed(v)
	}
	// 3. Remember.
	if err := writeSeen(dir, v.mark(loaded), v.keys, o.AcceptRollback); err != nil {
		return nil, err
	}
	return v, nil
}

// load reads the store's newest state and checks its signature and root.
func (v *Vault) load(ctx context.Context) (*state, error) {
	for range 5 {
		head, err := v.st.Head(ctx)
		if err != nil {
			return nil, storeError("read", err)
		}
		m, err := seal.ParseManifest(head.Manifest)
		if err != nil || m.Vault != v.vault || m.Seq != head.Seq {
			return nil, manifestError(err)
		}
		entries, err := v.st.Changes(ctx, 0)
		if err != nil {
			return nil, storeError("read", err)
		}
		s, err := newState(head, m, entries)
		if err == nil {
			return s, nil
		}
		// Another process may have committed between the two reads.
		if again, herr := v.st.Head(ctx); herr == nil && bytes.Equal(again.Manifest, head.Manifest) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("read vault: the store does not hold still: %w", ErrTampered)
}

func manifestError(err error) error {
	if errors.Is(err, seal.ErrVersion) {
		return fmt.Errorf("check the manifest: %w", err)
	}
	return fmt.Errorf("check the manifest: %w", ErrTampered)
}

// follows reports whether now is what was seen last or grew out of it, one
// signed commit at a time.
func (v *Vault) follows(ctx context.Context, last mark, now *state) error {
	switch {
	case last.vault != v.vault || now.manifest.Floor < last.floor:
		return fmt.Errorf("check what was seen: %w", ErrRollback)
	case now.head.Seq < last.seq:
		return fmt.Errorf("the store is at commit %d, seen was %d: %w", now.head.Seq, last.seq, ErrRollback)
	case now.head.Seq == last.seq:
		if seal.ManifestHash(now.head.Manifest) != last.manifest || now.manifest.Root != last.root {
			return fmt.Errorf("commit %d is not the one that was seen: %w", last.seq, ErrFork)
		}
		return nil
	case last.seq == 0: // just made, and ended before it could remember
		return nil // openDevice asks for our own signature
	}
	prevData, err := v.st.Manifest(ctx, last.seq)
	if err != nil {
		return fmt.Errorf("commit %d, seen before, is not there: %w", last.seq, ErrRollback)
	}
	if seal.ManifestHash(prevData) != last.manifest {
		return fmt.Errorf("commit %d is not the one that was seen: %w", last.seq, ErrFork)
	}
	return v.chain(ctx, prevData, now)
}

// chain walks the manifests from prevData to now.
func (v *Vault) chain(ctx context.Context, prevData []byte, now *state) error {
	rotated := false
	prev, err := seal.ParseManifest(prevData)
	if err != nil {
		return manifestError(err)
	}
	for prev.Seq < now.head.Seq {
		data := now.head.Manifest
		if prev.Seq+1 < now.head.Seq {
			if data, err = v.st.Manifest(ctx, prev.Seq+1); err != nil {
				return fmt.Errorf("commit %d is not there: %w", prev.Seq+1, ErrTampered)
			}
		}
		m, err := seal.ParseManifest(data)
		if err != nil {
			return manifestError(err)
		}
		if !m.Follows(data, prev, prevData) {
			return fmt.Errorf("commit %d does not follow %d: %w", m.Seq, prev.Seq, ErrFork)
		}
		prev, prevData = m, data
		rotated = rotated || m.Reset
	}
	if rotated {
		return ErrRotated
	}
	return nil
}

// openDevice opens the signing key. The manifest must list it, and, where ours
// is set, be signed with it.
func (v *Vault) openDevice(dev *device, s *state, ours bool) error {
	key, err := dev.openSign(v.keys.vk)
	if err != nil {
		return err
	}
	v.setDevice(key, nil)
	if is, listed := s.manifest.Device(dev.id); listed && (!ours || s.manifest.Signer == dev.id) && bytes.Equal(is, v.keys.device.Public().(ed25519.PublicKey)) {
		return nil
	} else if listed || ours {
		return fmt.Errorf("the manifest is not of this device: %w", ErrTampered)
	}
	return v.stillIn(s)
}

// stillIn reports whether s, which grew out of what was seen before, still lists
// this device.
func (v *Vault) stillIn(s *state) error {
	if _, listed := s.manifest.Device(v.device); !listed {
		return fmt.Errorf("another device took this one out of the vault at commit %d or before: %w", s.head.Seq, ErrRevoked)
	}
	return nil
}

// adopt opens what the vault key opens in s, and makes s the state.
func (v *Vault) adopt(ctx context.Context, s *state) error {
	old := v.state
	v.state = s
	err := v.openEnvs(ctx)
	if err == nil {
		err = v.openAudit(ctx)
	}
	if err != nil {
		v.state = old
	}
	return err
}

// openEnvs opens the list of environments and the keys that are not open yet.
func (v *Vault) openEnvs(ctx context.Context) error {
	s := v.state
	key := blob.Key{Kind: seal.KindList, ID: seal.ListID(v.vault), Version: s.list}
	data, err := v.fetch(ctx, []blob.Key{key})
	if err != nil {
		return err
	}
	if s.envs, err = seal.OpenList(v.keys.vk, v.vault, s.list, data[0]); err != nil {
		return openError("list of environments", err)
	}
	var missing []blob.Key
	var envs []seal.Env
	for _, e := range s.envs {
		if have := v.keys.envs[e.ID]; have == nil || have.Epoch != e.Epoch {
			missing = append(missing, blob.Key{Kind: seal.KindEnvKey, ID: seal.EnvKeyID(v.vault, e.ID), Version: uint64(e.Epoch)})
			envs = append(envs, e)
		}
	}
	found, err := v.fetch(ctx, missing)
	if err != nil {
		return err
	}
	for i, e := range envs {
		k, err := seal.OpenEnvKey(v.keys.vk, v.vault, e.ID, e.Epoch, found[i])
		if err != nil {
			return openError("key of an environment", err)
		}
		v.keys.addEnv(k)
	}
	return nil
}

// openError is what a failure of package seal looks like from outside.
func openError(what string, err error) error {
	if errors.Is(err, seal.ErrVersion) {
		return fmt.Errorf("open %s: %w", what, err)
	}
	return fmt.Errorf("open %s: %w", what, ErrTampered)
}
