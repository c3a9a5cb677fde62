package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A slotKey is a password that was right: the slot that it opens and the keys
// that it gives.
type slotKey struct {
	ref    seal.SlotRef
	master *seal.Master
}

// trySlots derives the keys of password for every slot of a suite that is not
// below floor, and returns the vault key of the first slot that opens.
// ErrPassword means that none does.
func (v *Vault) trySlots(ctx context.Context, s *state, secretKey []byte, password secret.Value, floor seal.Suite) (vk []byte, by slotKey, err error) {
	for _, ref := range s.manifest.Slots {
		recs, err := v.st.Get(ctx, []blob.Key{{Kind: seal.KindSlot, ID: ref.ID, Version: ref.Version}})
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return nil, slotKey{}, storeError("read", err)
		}
		if err != nil || seal.Sum(recs[0].Data) != ref.Sum {
			return nil, slotKey{}, fmt.Errorf("read password slot: %w", ErrTampered)
		}
		slot, err := seal.ParseSlot(recs[0].Data)
		if err != nil {
			return nil, slotKey{}, openError("password slot", err)
		}
		if slot.Suite != ref.Suite || slot.Suite < max(floor, s.manifest.Floor) {
			return nil, slotKey{}, fmt.Errorf("password slot is weaker than this vault allows: %w", ErrRollback)
		}
		master, err := seal.Derive(password, secretKey, v.vault, slot.Suite)
		if err != nil {
			return nil, slotKey{}, err
		}
		if vk, err := slot.Open(master, v.vault, ref.ID, ref.Version); err == nil {
			return vk, slotKey{ref: ref, master: master}, nil
		}
		master.Wipe()
	}
	return nil, slotKey{}, ErrPassword
}

// authenticate checks a password that was given afresh. The caller wipes the
// device and the slotKey's master.
func (v *Vault) authenticate(ctx context.Context, password secret.Value) (*device, slotKey, error) {
	if v.machine != nil {
		return nil, slotKey{}, ErrScope
	}
	if err := v.refresh(ctx); err != nil {
		return nil, slotKey{}, err
	}
	dev, err := readDevice(v.dir)
	if err != nil {
		return nil, slotKey{}, err
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		dev.wipe()
		return nil, slotKey{}, ErrClosed
	}
	vk, by, err := v.trySlots(ctx, v.state, dev.secretKey, password, 0)
	clear(vk)
	if err != nil {
		dev.wipe()
		return nil, slotKey{}, err
	}
	return dev, by, nil
}

// CheckPassword reports whether password opens the vault, or ErrPassword.
func (v *Vault) CheckPassword(ctx context.Context, password secret.Value) error {
	dev, by, err := v.authenticate(ctx, password)
	if err != nil {
		return fmt.Errorf("check password: %w", err)
	}
	dev.wipe()
	by.master.Wipe()
	return nil
}

// Kit returns the recovery kit again.
func (v *Vault) Kit(ctx context.Context, password secret.Value) (Kit, error) {
	dev, by, err := v.authenticate(ctx, password)
	if err != nil {
		return Kit{}, fmt.Errorf("recovery kit: %w", err)
	}
	defer dev.wipe()
	by.master.Wipe()
	return Kit{Vault: v.ID(), Key: seal.FormatSecretKey(dev.secretKey, v.vault)}, nil
}

// Passwd changes the password: one slot is sealed anew, in one commit. Whoever
// kept a copy of the old slot and knows the old password still has the vault
// key: the answer to that is Rotate.
func (v *Vault) Passwd(ctx context.Context, old, password secret.Value) error {
	return v.reslot(ctx, "change password", old, password, 0)
}

// Upgrade seals the password's slot under a stronger suite, and from then on
// refuses weaker ones.
func (v *Vault) Upgrade(ctx context.Context, password secret.Value, suite seal.Suite) error {
	return v.reslot(ctx, "upgrade password suite", password, password, suite)
}

func (v *Vault) reslot(ctx context.Context, what string, old, password secret.Value, suite seal.Suite) error {
	if password.Len() == 0 {
		return fmt.Errorf("%s: empty password: %w", what, ErrValue)
	}
	dev, by, err := v.authenticate(ctx, old)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer dev.wipe()
	by.master.Wipe()
	suite = max(suite, by.ref.Suite)
	master, err := seal.Derive(password, dev.secretKey, v.vault, suite)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer master.Wipe()
	err = v.write(ctx, func(t *tx) error {
		if !t.hasSlot(by.ref) {
			return fmt.Errorf("the password was changed: %w", ErrConflict)
		}
		t.next.Floor = max(t.next.Floor, suite)
		t.putSlot(v.keys.vk, master, suite, by.ref.ID, by.ref.Version+1)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
