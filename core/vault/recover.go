package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// Recover opens the vault in st on a machine that has none of its files, with
// the Secret Key of the recovery kit and the password, and enrols the machine
// as a new device. dir must hold no vault. That st holds the newest state of
// the vault cannot be known here.
func Recover(ctx context.Context, st blob.Store, dir string, key, password secret.Value, o Options) (*Vault, error) {
	v, err := recoverVault(ctx, st, dir, key, password, o)
	if err != nil {
		return nil, fmt.Errorf("recover vault: %w", err)
	}
	return v, nil
}

func recoverVault(ctx context.Context, st blob.Store, dir string, key, password secret.Value, o Options) (*Vault, error) {
	if _, err := os.Lstat(filepath.Join(dir, deviceFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(ErrVaultExists, err)
	}
	head, err := st.Head(ctx)
	if err != nil {
		return nil, storeError("read", err)
	}
	m, err := seal.ParseManifest(head.Manifest)
	if err != nil {
		return nil, manifestError(err)
	}
	sk, err := seal.ParseSecretKey(key, m.Vault)
	if err != nil {
		return nil, err
	}
	dev, signKey := newDevice(m.Vault, sk)
	defer dev.wipe()
	v := &Vault{st: st, dir: dir, now: time.Now, vault: m.Vault, device: dev.id, keys: newKeyring(o.Alloc)}
	s, err := v.load(ctx)
	if err != nil {
		return nil, err
	}
	vk, by, err := v.trySlots(ctx, s, sk, password, 0)
	if err != nil {
		return nil, err
	}
	defer by.master.Wipe()
	v.keys.vk = v.keys.keep(vk)
	v.keys.seen = v.keys.keep(seal.DeviceSubkey(sk, v.vault, "seen"))
	dev.sign = [][]byte{dev.sealSign(v.keys.vk, signKey)}
	v.setDevice(signKey, o.Keyed)
	if err := v.adopt(ctx, s); err != nil {
		return nil, err
	}
	return v, v.enrol(ctx, dev, by.master, o.Name)
}

// enrol commits a manifest that lists this device, signed by it and by the
// password's key: nobody else knows it yet.
func (v *Vault) enrol(ctx context.Context, dev *device, master *seal.Master, name string) error {
	v.writing.Lock()
	defer v.writing.Unlock()
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return err
	}
	lock, err := lockFiles(v.dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Lstat(filepath.Join(v.dir, deviceFile)); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(ErrVaultExists, err)
	}
	if err := dev.write(v.dir); err != nil {
		return err
	}
	if err := writeSeen(v.dir, v.mark(v.state), v.keys, true); err != nil {
		return err
	}
	t := v.begin()
	t.next.Devices = append(t.next.Devices, seal.Device{ID: dev.id, Key: [32]byte(v.keys.device.Public().(ed25519.PublicKey))})
	r, err := t.roster(ctx)
	if err != nil {
		return err
	}
	r.addDevice(dev.id, v.keys.device.Public().(ed25519.PublicKey), name, dev.id, t.now())
	c, forest, err := t.finish(master)
	if err != nil {
		return err
	}
	if err := v.st.Commit(ctx, c); err != nil {
		return storeError("write", err)
	}
	return v.applied(c, t, forest)
}

// Destroy removes the vault's files from dir: without the Secret Key in them
// the store opens nowhere but with the recovery kit. The store is the caller's.
func Destroy(dir string) error {
	var errs []error
	paths, err := filepath.Glob(filepath.Join(dir, "."+deviceFile+"-*")) // of a write that was cut short
	errs = append(errs, err)
	for _, name := range []string{deviceFile, seenFile, "device.lock"} {
		paths = append(paths, filepath.Join(dir, name))
	}
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			// Best effort: a journal or a flash drive may keep the old bytes.
			errs = append(errs, os.WriteFile(path, bytes.Repeat([]byte{0}, int(info.Size())), 0o600))
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("destroy vault: %w", err)
	}
	return nil
}

// Inspect opens what can be opened of a damaged vault and says how much that
// is. The password must be right, all else may be wrong: a problem is reported
// where Unlock would refuse. before is asked once, with every space.
func Inspect(ctx context.Context, st blob.Store, dir string, password secret.Value, before Before) (Report, error) {
	dev, err := readDevice(dir)
	if err != nil {
		return Report{}, fmt.Errorf("inspect vault: %w", err)
	}
	defer dev.wipe()
	v := &Vault{st: st, dir: dir, now: time.Now, vault: dev.vault, device: dev.id, keys: newKeyring(nil)}
	defer v.Close()
	v.keys.seen = v.keys.keep(seal.DeviceSubkey(dev.secretKey, dev.vault, "seen"))
	r := &Report{}
	last, _, err := readSeen(dir, v.keys.seen)
	if err != nil {
		r.problem("%v", err)
	}
	s, err := v.salvage(ctx, r)
	if err != nil {
		return *r, fmt.Errorf("inspect vault: %w", err)
	}
	if err := v.follows(ctx, last, s); err != nil && !errors.Is(err, ErrRotated) {
		r.problem("%v", err)
	}
	vk, by, err := v.trySlots(ctx, s, dev.secretKey, password, last.floor)
	if err != nil {
		return *r, fmt.Errorf("inspect vault: %w", err)
	}
	by.master.Wipe()
	v.keys.vk = v.keys.keep(vk)
	v.state = s
	if err := v.openEnvs(ctx); err != nil {
		return *r, fmt.Errorf("inspect vault: %w", err)
	}
	if err := agree(before, v.everySpace()); err != nil {
		return *r, err
	}
	v.verifyAll(ctx, r)
	return *r, nil
}

// salvage reads the store's state and reports, instead of refusing, what does
// not fit.
func (v *Vault) salvage(ctx context.Context, r *Report) (*state, error) {
	head, err := v.st.Head(ctx)
	if err != nil {
		return nil, storeError("read", err)
	}
	m, err := seal.ParseManifest(head.Manifest)
	if err != nil {
		return nil, manifestError(err)
	}
	r.Seq = head.Seq
	entries, err := v.st.Changes(ctx, 0)
	if err != nil {
		r.problem("%v", storeError("read all of", err))
	}
	s, err := newState(head, m, entries)
	if err != nil {
		r.problem("%v", err)
	}
	return s, nil
}
