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

// A Join is a machine that is about to become a device of a vault on a server,
// with the recovery kit and the password. It needs the vault's head and its
// slots, and it adds itself to the manifest: nothing else is read or written.
type Join struct {
	dir     string
	vault   seal.VaultID
	dev     *device
	signKey ed25519.PrivateKey
	master  *seal.Master
	suite   seal.Suite
}

// BeginJoin derives the keys. That they are the right ones shows in Enrol. The
// caller wipes the Join.
func BeginJoin(dir string, vault [16]byte, key, password secret.Value, suite seal.Suite) (*Join, error) {
	if _, err := os.Lstat(filepath.Join(dir, deviceFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("join vault: %w", errors.Join(ErrVaultExists, err))
	}
	sk, err := seal.ParseSecretKey(key, vault)
	if err != nil {
		return nil, fmt.Errorf("join vault: %w", err)
	}
	master, err := seal.Derive(password, sk, vault, suite)
	if err != nil {
		return nil, fmt.Errorf("join vault: %w", err)
	}
	j := &Join{dir: dir, vault: vault, master: master, suite: suite}
	j.dev, j.signKey = newDevice(vault, sk)
	return j, nil
}

// Wipe zeroes the keys.
func (j *Join) Wipe() {
	j.master.Wipe()
	j.dev.wipe()
	clear(j.signKey)
}

// Auth signs as who has the password and the Secret Key.
func (j *Join) Auth() Signer {
	return Signer{Kind: SignAuth, Public: j.master.AuthKey(), sign: func(m []byte) ([]byte, error) { return j.master.Sign(m), nil }}
}

// Device signs as the device that is about to join.
func (j *Join) Device() Signer { return deviceSigner(j.dev.id, j.signKey) }

func deviceSigner(id seal.DeviceID, key ed25519.PrivateKey) Signer {
	return Signer{Kind: SignDevice, ID: bytes.Clone(id[:]), Public: bytes.Clone(key.Public().(ed25519.PublicKey)),
		sign: func(m []byte) ([]byte, error) { return signWith(key, m), nil }}
}

// joinTries is how often others may commit while a device joins.
const joinTries = 5

// Enrol adds the device to the vault: it reads through auth and commits through
// own, two views of one store. The device's files are written first; seq is
// that of the first commit that it remembers.
func (j *Join) Enrol(ctx context.Context, auth, own blob.Store) (seq uint64, err error) {
	err = blob.ErrConflict
	for try := 0; try < joinTries && errors.Is(err, blob.ErrConflict); try++ {
		seq, err = j.enrol(ctx, auth, own)
	}
	if err != nil {
		os.Remove(filepath.Join(j.dir, deviceFile)) // of a device that nobody knows
		os.Remove(filepath.Join(j.dir, seenFile))
		return 0, fmt.Errorf("join vault: %w", err)
	}
	return seq, nil
}

func (j *Join) enrol(ctx context.Context, auth, own blob.Store) (uint64, error) {
	head, err := auth.Head(ctx)
	if err != nil {
		return 0, storeError("read", err)
	}
	m, err := seal.ParseManifest(head.Manifest)
	if err != nil || m.Vault != j.vault || m.Seq != head.Seq {
		return 0, manifestError(err)
	}
	vk, err := j.openSlot(ctx, auth, m)
	if err != nil {
		return 0, err
	}
	defer clear(vk)
	if err := checkMembers(ctx, auth, head, m); err != nil {
		return 0, err
	}
	next := m.Next()
	next.Devices = append(next.Devices, seal.Device{ID: j.dev.id, Key: [32]byte(j.signKey.Public().(ed25519.PublicKey))})
	next.Seq, next.Prev = m.Seq+1, seal.ManifestHash(head.Manifest)
	next.Time, next.Signer = max(uint64(time.Now().UnixMilli()), m.Time), j.dev.id
	data := seal.SignManifest(&next, j.signKey, j.master)
	if err := j.writeFiles(vk, mark{vault: j.vault, seq: next.Seq, root: next.Root, manifest: seal.ManifestHash(data), floor: next.Floor}); err != nil {
		return 0, err
	}
	if err := own.Commit(ctx, blob.Commit{Base: m.Seq, Seq: next.Seq, Manifest: data}); err != nil {
		return 0, storeError("write", err)
	}
	return next.Seq, nil
}

// openSlot opens the vault key with the slot of this password.
func (j *Join) openSlot(ctx context.Context, auth blob.Store, m *seal.Manifest) ([]byte, error) {
	for _, ref := range m.Slots {
		if !bytes.Equal(ref.Auth[:], j.master.AuthKey()) {
			continue
		}
		if ref.Suite != j.suite || ref.Suite < m.Floor {
			return nil, fmt.Errorf("password slot is weaker than this vault allows: %w", ErrRollback)
		}
		recs, err := auth.Get(ctx, []blob.Key{{Kind: seal.KindSlot, ID: ref.ID, Version: ref.Version}})
		if err != nil {
			return nil, storeError("read", err)
		}
		if seal.Sum(recs[0].Data) != ref.Sum {
			return nil, fmt.Errorf("read password slot: %w", ErrTampered)
		}
		slot, err := seal.ParseSlot(recs[0].Data)
		if err != nil {
			return nil, openError("password slot", err)
		}
		vk, err := slot.Open(j.master, j.vault, ref.ID, ref.Version)
		if err != nil {
			return nil, ErrPassword
		}
		return vk, nil
	}
	return nil, ErrPassword
}

// writeFiles writes the device's files, as of a commit that it may remember.
func (j *Join) writeFiles(vk []byte, m mark) error {
	return writeDevice(j.dir, j.dev, j.signKey, vk, m)
}

// writeDevice seals a device's signing key and writes its files.
func writeDevice(dir string, dev *device, signKey ed25519.PrivateKey, vk []byte, m mark) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := lockFiles(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	dev.sign = [][]byte{dev.sealSign(vk, signKey)}
	if err := dev.write(dir); err != nil {
		return err
	}
	k := newKeyring(nil)
	defer k.wipe()
	k.seen = k.keep(seal.DeviceSubkey(dev.secretKey, dev.vault, "seen"))
	k.setDevice(bytes.Clone(signKey))
	m.served = true // nobody joins a vault that is on no server
	return writeSeen(dir, m, k, true)
}

// Locator returns what the vault's server finds it by for who has the kit alone.
func (v *Vault) Locator() ([16]byte, error) {
	dev, err := readDevice(v.dir)
	if err != nil {
		return [16]byte{}, err
	}
	defer dev.wipe()
	return seal.Locator(dev.secretKey), nil
}

// An Admission is a machine that is about to become a device because one of the
// vault's devices lets it in.
type Admission struct {
	dir     string
	dev     *device
	signKey ed25519.PrivateKey
	key     *seal.RequestKey
	request *seal.Request
}

// BeginAdmission makes the device's keys and its request. The caller wipes it.
func BeginAdmission(dir string, vault [16]byte, name string) (*Admission, error) {
	if _, err := os.Lstat(filepath.Join(dir, deviceFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("join vault: %w", errors.Join(ErrVaultExists, err))
	}
	key, public, err := seal.NewRequestKey()
	if err != nil {
		return nil, fmt.Errorf("join vault: %w", err)
	}
	a := &Admission{dir: dir, key: key}
	a.dev, a.signKey = newDevice(vault, nil)
	a.request = &seal.Request{Vault: vault, Device: a.dev.id, Sign: [32]byte(a.signKey.Public().(ed25519.PublicKey)), Seal: public, Name: shortName(name)}
	return a, nil
}

// Request is what the other device is shown.
func (a *Admission) Request() *seal.Request { return a.request }

// Device signs as the device that is about to join.
func (a *Admission) Device() Signer { return deviceSigner(a.dev.id, a.signKey) }

// Newcomer signs as one that nobody has let in yet.
func (a *Admission) Newcomer() Signer {
	s := a.Device()
	s.Kind, s.ID = SignNew, nil
	return s
}

// Accept opens the answer and writes the device's files; seq is that of the
// first commit that it remembers.
func (a *Admission) Accept(answer []byte) (seq uint64, err error) {
	in, err := a.key.Open(a.request, answer)
	if err != nil {
		return 0, fmt.Errorf("join vault: open the answer: %w", ErrTampered)
	}
	defer in.Wipe()
	a.dev.secretKey = bytes.Clone(in.SecretKey)
	m := mark{vault: a.dev.vault, seq: in.Seq, root: in.Root, manifest: in.Manifest, floor: in.Floor}
	if err := writeDevice(a.dir, a.dev, a.signKey, in.VaultKey, m); err != nil {
		return 0, fmt.Errorf("join vault: %w", err)
	}
	return in.Seq, nil
}

// Wipe zeroes the keys.
func (a *Admission) Wipe() {
	a.dev.wipe()
	clear(a.signKey)
}

// Approve lets in the device that made request and returns the answer, which
// nobody but it can open. The password is given afresh.
func (v *Vault) Approve(ctx context.Context, password secret.Value, request *seal.Request) ([]byte, error) {
	answer, err := v.approve(ctx, password, request)
	if err != nil {
		return nil, fmt.Errorf("approve device: %w", err)
	}
	return answer, nil
}

func (v *Vault) approve(ctx context.Context, password secret.Value, request *seal.Request) ([]byte, error) {
	if request.Vault != v.vault || request.IsMember() {
		return nil, fmt.Errorf("not a device's request to this vault: %w", ErrValue)
	}
	dev, by, err := v.authenticate(ctx, password)
	if err != nil {
		return nil, err
	}
	defer dev.wipe()
	by.master.Wipe()
	err = v.write(ctx, func(t *tx) error {
		r, err := t.roster(ctx)
		if err != nil {
			return err
		}
		for _, d := range t.next.Devices {
			if d.ID == request.Device || d.Key == request.Sign {
				return ErrTaken
			}
		}
		t.next.Devices = append(t.next.Devices, seal.Device{ID: request.Device, Key: request.Sign})
		r.addDevice(request.Device, request.Sign[:], request.Name, v.device, t.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return nil, ErrClosed
	}
	m := v.state.mark(v.vault)
	return seal.SealApproval(request, &seal.Approval{SecretKey: dev.secretKey, VaultKey: v.keys.vk, Seq: m.seq, Root: m.root, Manifest: m.manifest, Floor: m.floor})
}

// Resume is BeginJoin for a device whose copy of the vault is gone, or was never
// fetched: its files are there. OpenKey must follow.
func Resume(dir string, password secret.Value, suite seal.Suite) (*Join, error) {
	dev, err := readDevice(dir)
	if err != nil {
		return nil, fmt.Errorf("fetch vault: %w", err)
	}
	master, err := seal.Derive(password, dev.secretKey, dev.vault, suite)
	if err != nil {
		dev.wipe()
		return nil, fmt.Errorf("fetch vault: %w", err)
	}
	return &Join{dir: dir, vault: dev.vault, dev: dev, master: master, suite: suite}, nil
}

// OpenKey opens the device's signing key with the slot in the store, and returns
// the commit that the device has seen last.
func (j *Join) OpenKey(ctx context.Context, auth blob.Store) (seq uint64, err error) {
	seenKey := seal.DeviceSubkey(j.dev.secretKey, j.vault, "seen")
	defer clear(seenKey)
	last, _, err := readSeen(j.dir, seenKey)
	if err != nil {
		return 0, fmt.Errorf("fetch vault: %w", err)
	}
	head, err := auth.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("fetch vault: %w", storeError("read", err))
	}
	m, err := seal.ParseManifest(head.Manifest)
	if err != nil || m.Vault != j.vault {
		return 0, fmt.Errorf("fetch vault: %w", manifestError(err))
	}
	vk, err := j.openSlot(ctx, auth, m)
	if err != nil {
		return 0, fmt.Errorf("fetch vault: %w", err)
	}
	defer clear(vk)
	if j.signKey, err = j.dev.openSign(vk); err != nil {
		return 0, fmt.Errorf("fetch vault: %w", err)
	}
	return last.seq, nil
}
