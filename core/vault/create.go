package vault

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A Kit is what the person keeps on paper: it and the password open the vault
// on another machine. Neither does alone.
type Kit struct {
	Vault string       // the vault's id, hex
	Key   secret.Value // the Secret Key, in groups to type
}

// Text returns the whole recovery kit, ready to print.
func (k Kit) Text() secret.Value {
	text := fmt.Appendf(nil, `ov recovery kit

Vault ID:    %s
Secret Key:  %s

Keep this page where no computer can read it. To open the vault on
another machine you need a copy of it (a backup, or its server), this
Secret Key and the master password. Without the Secret Key the password
opens nothing, and without the password neither does this page. Nobody
can replace either of them.
`, k.Vault, k.Key.Reveal())
	return secret.New(text)
}

// Create makes a vault in st, whose store must be empty, and its files in dir.
func Create(ctx context.Context, st blob.Store, dir string, password secret.Value, o Options) (*Vault, Kit, error) {
	if password.Len() == 0 {
		return nil, Kit{}, fmt.Errorf("create vault: empty password: %w", ErrPassword)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	lock, err := lockFiles(dir) // two at once would overwrite each other's device file
	if err != nil {
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	defer lock.Close()
	if err := vacant(ctx, st, dir); err != nil {
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	suite := o.Suite
	if suite == 0 {
		suite = seal.Suite1
	}
	var id seal.VaultID
	copy(id[:], seal.NewKey(len(id)))
	dev, signKey := newDevice(id, seal.NewKey(seal.SecretKeySize))
	defer dev.wipe()
	master, err := seal.Derive(password, dev.secretKey, id, suite)
	if err != nil {
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	defer master.Wipe()

	v := &Vault{st: st, dir: dir, now: time.Now, vault: id, device: dev.id, served: o.Served, keys: newKeyring(o.Alloc)}
	v.keys.vk = v.keys.keep(seal.NewKey(seal.KeySize))
	v.keys.seen = v.keys.keep(seal.DeviceSubkey(dev.secretKey, id, "seen"))
	v.setDevice(signKey, nil)
	v.keys.audit = [][]byte{v.keys.keep(seal.Subkey(v.keys.vk, "audit"))}
	v.state = firstState(dev, v.keys.device)
	dev.sign = [][]byte{dev.sealSign(v.keys.vk, v.keys.device)}

	// The device file comes first: without it the store would be sealed for good.
	if err := dev.write(dir); err != nil {
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	if err := writeSeen(dir, mark{vault: id, floor: suite, served: o.Served}, v.keys, true); err != nil {
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	if o.Keyed != nil {
		o.Keyed(v)
	}
	err = v.write(ctx, func(t *tx) error {
		t.people = &roster{}
		t.people.addDevice(v.device, v.keys.device.Public().(ed25519.PublicKey), o.Name, v.device, t.now())
		t.next.Floor = suite
		t.putSlot(v.keys.vk, master, suite, seal.ID(seal.NewKey(32)), 1)
		t.putList(v.keys.vk, nil)
		return nil
	})
	if errors.Is(err, ErrConflict) {
		err = ErrVaultExists
	}
	if err != nil {
		v.Close()
		return nil, Kit{}, fmt.Errorf("create vault: %w", err)
	}
	return v, Kit{Vault: v.ID(), Key: seal.FormatSecretKey(dev.secretKey, id)}, nil
}

// vacant reports whether a vault may be made: the store is empty, and dir is not
// that of a vault whose store is merely gone. What a Create left that was cut
// short is nobody's vault.
func vacant(ctx context.Context, st blob.Store, dir string) error {
	if _, err := st.Head(ctx); err == nil {
		return ErrVaultExists
	} else if !errors.Is(err, blob.ErrEmpty) {
		return storeError("read", err)
	}
	dev, err := readDevice(dir)
	if errors.Is(err, ErrNoVault) {
		return nil
	} else if err != nil {
		return err
	}
	defer dev.wipe()
	key := seal.DeviceSubkey(dev.secretKey, dev.vault, "seen")
	defer clear(key)
	if last, _, err := readSeen(dir, key); err == nil && last.seq > 0 {
		return fmt.Errorf("its store is missing, its Secret Key is here: %w", ErrVaultExists)
	}
	return nil
}

// firstState is what a vault's first commit is made from: nothing, signed by
// nobody yet.
func firstState(dev *device, key ed25519.PrivateKey) *state {
	m := &seal.Manifest{Vault: dev.vault, Devices: []seal.Device{{ID: dev.id, Key: [32]byte(key.Public().(ed25519.PublicKey))}}}
	m.Root, _ = manifest.RootOf(nil)
	m.EnvKeys = seal.EnvKeysHash(nil)
	s, err := newState(blob.Head{}, m, nil)
	if err != nil {
		panic("vault: an empty state is sound: " + err.Error())
	}
	return s
}
