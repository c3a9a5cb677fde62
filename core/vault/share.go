package vault

import (
	"bytes"
	"cmp"
	"context"
	"fmt"

	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A Member is a person who is about to be let into an environment of somebody
// else's vault. The keys are made here; Seed is all that is left of them when the
// invitation comes later.
type Member struct {
	seed    []byte
	holder  *seal.Holder
	request *seal.Request
	invited *seal.Invitation
}

// NewMember makes the keys of a member, and the request to the vault. A vault of
// zeros is whichever the request is shown to.
func NewMember(vault [16]byte, name string) (*Member, error) {
	return newMember(seal.NewKey(seal.HolderSeed), vault, name)
}

// MemberFrom makes the member again whose seed it is: vault and name are those
// of the request that was made then.
func MemberFrom(seed secret.Value, vault [16]byte, name string) (*Member, error) {
	if seed.Len() != seal.HolderSeed {
		return nil, fmt.Errorf("ask for an environment: a seed of %d bytes: %w", seed.Len(), ErrValue)
	}
	return newMember(bytes.Clone(seed.Reveal()), vault, name)
}

// Seed is what MemberFrom makes the member of again. The caller seals it.
func (m *Member) Seed() secret.Value { return secret.New(bytes.Clone(m.seed)) }

func newMember(seed []byte, vault [16]byte, name string) (*Member, error) {
	m := &Member{seed: seed}
	var err error
	if m.holder, err = seal.NewHolder(m.seed); err != nil {
		return nil, fmt.Errorf("ask for an environment: %w", err)
	}
	m.request = m.holder.Request(vault, shortName(name))
	return m, nil
}

// Request is what the vault's owner is shown.
func (m *Member) Request() *seal.Request { return m.request }

// Newcomer signs as one that nobody has let in yet.
func (m *Member) Newcomer() Signer {
	return Signer{Kind: SignNew, Public: append([]byte(nil), m.request.Sign[:]...), sign: func(b []byte) ([]byte, error) { return signWith(m.holder.Sign, b), nil }}
}

// Accept opens the invitation. What it returns opens the environment, and is the
// caller's to seal.
func (m *Member) Accept(invitation []byte) (secret.Value, error) {
	in, err := m.holder.OpenInvitation(m.request, m.seed, invitation)
	if err != nil {
		return secret.Value{}, fmt.Errorf("open invitation: %w", ErrTampered)
	}
	defer in.Key.Wipe()
	m.invited = in
	return in.Key.Text(), nil
}

// Inviter returns the words of the device that signed the invitation which was
// accepted, which its owner sees as well, and the role that it gives. An
// invitation opens whoever made it: that it is the owner's shows in the words alone.
func (m *Member) Inviter() (words string, role manifest.Role) {
	return seal.Words(m.invited.By.Key[:]), m.invited.Role
}

// Wipe zeroes the keys.
func (m *Member) Wipe() {
	clear(m.seed)
	m.holder.Wipe()
}

// Share lets who made request read app/env, or write it as well, and returns the
// invitation, which nobody else can open. That the request is theirs is for the
// caller to have found out.
func (v *Vault) Share(ctx context.Context, request *seal.Request, o MachineOrder) ([]byte, Machine, error) {
	if request.Vault != v.vault && request.Vault != (seal.VaultID{}) || !request.IsMember() {
		return nil, Machine{}, fmt.Errorf("share: not a request for an environment of this vault: %w", ErrValue)
	}
	role := cmp.Or(o.Role, manifest.RoleReader)
	if role != manifest.RoleReader && role != manifest.RoleWriter {
		return nil, Machine{}, fmt.Errorf("share: role %d is not a member's: %w", role, ErrValue)
	}
	if o.Name = shortName(o.Name); o.Name == "" {
		return nil, Machine{}, fmt.Errorf("share: a member without a name: %w", ErrValue)
	}
	key := &seal.MachineKey{Vault: v.vault, Seed: make([]byte, seal.HolderSeed), Name: o.Name, App: o.App, EnvName: o.Env, URL: o.URL, ServerKey: o.ServerKey}
	if !o.NotAfter.IsZero() {
		key.NotAfter = uint64(o.NotAfter.UnixMilli())
	}
	var out Machine
	err := v.alone(ctx, func(t *tx) (err error) {
		out, err = t.addPrincipal(ctx, key, manifest.Principal{Sign: request.Sign, Seal: request.Seal}, role)
		return err
	})
	if err != nil {
		return nil, Machine{}, fmt.Errorf("share %s/%s with %q: %w", o.App, o.Env, o.Name, err)
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return nil, Machine{}, ErrClosed
	}
	key.Seq, key.Manifest, key.Devices = v.state.head.Seq, seal.ManifestHash(v.state.head.Manifest), v.state.manifest.Devices
	in := &seal.Invitation{Key: key, Role: role, By: seal.Device{ID: v.device}}
	invitation, err := seal.SealInvitation(request, in, func(b []byte) []byte { return signWith(v.keys.device, b) })
	return invitation, out, err
}

// Seen returns the machine's key as of what this vault has seen: whoever keeps
// it in the place of the one that opened the vault is shown nothing older. The
// second result is false when there is nothing new in it.
func (v *Vault) Seen() (secret.Value, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil || v.machine == nil || v.state.head.Seq == v.machine.key.Seq {
		return secret.Value{}, false
	}
	k := *v.machine.key
	k.Seq, k.Manifest, k.Devices = v.state.head.Seq, seal.ManifestHash(v.state.head.Manifest), v.state.manifest.Devices
	return k.Text(), true
}
