package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/seal"
)

// rosterDoc is the sealed document that names what the manifest lists. A server
// can make a manifest up, its own key among the devices; it cannot make this.
const rosterDoc = "roster"

// maxName bounds what a device or a machine may be called.
const maxName = 64

// A Device is one that may read and write the vault.
type Device struct {
	ID    string // hex
	Name  string
	Key   []byte // Ed25519, public
	Added time.Time
	By    string // the device that let it in; its own id when that was the password
	This  bool   // it is this one
}

// Words are the device's fingerprint, to be compared by people.
func (d Device) Words() string { return seal.Words(d.Key) }

type roster struct {
	Devices    []rosterDevice    `json:"devices"`
	Principals []rosterPrincipal `json:"principals,omitempty"`
}

type rosterDevice struct {
	ID    string `json:"id"`
	Key   string `json:"key"`
	Name  string `json:"name"`
	Added uint64 `json:"added"`
	By    string `json:"by"`
}

type rosterPrincipal struct {
	ID       string `json:"id"`
	Role     uint8  `json:"role"`
	Name     string `json:"name"`
	App      string `json:"app"`
	Env      string `json:"environment"`
	Added    uint64 `json:"added"`
	By       string `json:"by"`
	NotAfter uint64 `json:"not_after,omitempty"`
}

func (r *roster) device(id seal.DeviceID) *rosterDevice {
	i := slices.IndexFunc(r.Devices, func(d rosterDevice) bool { return d.ID == hex.EncodeToString(id[:]) })
	if i < 0 {
		return nil
	}
	return &r.Devices[i]
}

// readRoster opens the roster; a vault without one has nobody in it.
func (v *Vault) readRoster(ctx context.Context) (*roster, error) {
	if v.machine != nil {
		return nil, fmt.Errorf("who is in the vault: %w", ErrScope)
	}
	plain, err := v.openBlob(ctx, rosterDoc)
	if errors.Is(err, ErrNotFound) {
		return &roster{}, nil
	} else if err != nil {
		return nil, err
	}
	r := &roster{}
	if json.Unmarshal(plain, r) != nil {
		return nil, fmt.Errorf("read roster: %w", ErrTampered)
	}
	return r, nil
}

// roster returns what this tx is to write of the roster, once it is finished.
func (t *tx) roster(ctx context.Context) (*roster, error) {
	if t.people != nil {
		return t.people, nil
	}
	r, err := t.v.readRoster(ctx)
	if err == nil {
		t.people = r
	}
	return r, err
}

// putRoster seals the roster if this tx changed it.
func (t *tx) putRoster(vk []byte) error {
	if t.people == nil {
		return nil
	}
	plain, err := json.Marshal(t.people)
	if err != nil {
		return err
	}
	t.putBlob(vk, rosterDoc, plain)
	return nil
}

// addDevice names a device in the roster.
func (r *roster) addDevice(id seal.DeviceID, key ed25519.PublicKey, name string, by seal.DeviceID, now uint64) {
	r.Devices = slices.DeleteFunc(r.Devices, func(d rosterDevice) bool { return d.ID == hex.EncodeToString(id[:]) })
	r.Devices = append(r.Devices, rosterDevice{ID: hex.EncodeToString(id[:]), Key: hex.EncodeToString(key), Name: shortName(name), Added: now, By: hex.EncodeToString(by[:])})
}

// shortName keeps a name to printable ASCII and to maxName bytes.
func shortName(s string) string {
	out := bytes.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, []byte(s))
	return string(out[:min(len(out), maxName)])
}

// Devices returns who may read and write the vault, in the order of the manifest.
func (v *Vault) Devices(ctx context.Context) ([]Device, error) {
	var out []Device
	err := v.read(ctx, func() error {
		r, err := v.readRoster(ctx)
		if err != nil {
			return err
		}
		out = nil
		for _, d := range v.state.manifest.Devices {
			one := Device{ID: hex.EncodeToString(d.ID[:]), Key: bytes.Clone(d.Key[:]), This: d.ID == v.device}
			if named := r.device(d.ID); named != nil {
				one.Name, one.Added, one.By = named.Name, time.UnixMilli(int64(named.Added)), named.By
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// principal returns the name of a machine or a member, if it has one.
func (r *roster) principal(id seal.ID) *rosterPrincipal {
	i := slices.IndexFunc(r.Principals, func(p rosterPrincipal) bool { return p.ID == hex.EncodeToString(id[:]) })
	if i < 0 {
		return nil
	}
	return &r.Principals[i]
}

// checkRoster holds who the manifest lists, but for this device, against the
// roster: who is in the first alone was slipped in.
func (v *Vault) checkRoster(ctx context.Context) error {
	r, err := v.readRoster(ctx)
	if err != nil {
		return err
	}
	for _, d := range v.state.manifest.Devices {
		named := r.device(d.ID)
		if d.ID != v.device && (named == nil || named.Key != hex.EncodeToString(d.Key[:])) {
			return fmt.Errorf("check devices: %x is in the manifest, and no device of this vault let it in: %w", d.ID[:4], ErrTampered)
		}
	}
	for _, e := range slices.Concat(v.state.manifest.Machines, v.state.manifest.Members) {
		if r.principal(e.ID) == nil {
			return fmt.Errorf("check machine keys: %x is in the manifest, and no device of this vault let it in: %w", e.ID[:4], ErrTampered)
		}
	}
	return nil
}

// Announce checks who else is in the vault and names this device in it. A
// device that joined with the password does this before anything else.
func (v *Vault) Announce(ctx context.Context, name string) error {
	err := v.write(ctx, func(t *tx) error {
		if err := v.checkRoster(ctx); err != nil {
			return err
		}
		r, err := t.roster(ctx)
		if err != nil {
			return err
		}
		r.addDevice(v.device, v.keys.device.Public().(ed25519.PublicKey), name, v.device, t.now())
		return nil
	})
	if err != nil {
		return fmt.Errorf("announce device: %w", err)
	}
	return nil
}

// RevokeDevice takes a device out of the vault: what it signs from then on is
// refused by every other one. What it has read it has: Rotate is the answer to
// a device in wrong hands.
func (v *Vault) RevokeDevice(ctx context.Context, id string) error {
	err := v.write(ctx, func(t *tx) error {
		i := slices.IndexFunc(t.next.Devices, func(d seal.Device) bool { return hex.EncodeToString(d.ID[:]) == id })
		switch {
		case i < 0:
			return ErrNotFound
		case t.next.Devices[i].ID == v.device:
			return fmt.Errorf("this device cannot revoke itself: %w", ErrValue)
		}
		r, err := t.roster(ctx)
		if err != nil {
			return err
		}
		t.next.Devices = slices.Delete(t.next.Devices, i, i+1)
		r.Devices = slices.DeleteFunc(r.Devices, func(d rosterDevice) bool { return d.ID == id })
		return nil
	})
	if err != nil {
		return fmt.Errorf("revoke device %q: %w", id, err)
	}
	return nil
}
