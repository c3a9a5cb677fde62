package seal

import (
	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
)

// infoInvitation is what an invitation is sealed for.
const infoInvitation = "ov/v1/invitation"

// Request returns what a person shows to be let into an environment of another
// one's vault: a request like a device's, by a holder's keys. Device is the
// beginning of the principal's id.
func (h *Holder) Request(vault VaultID, name string) *Request {
	p := h.Principal()
	r := &Request{Vault: vault, Sign: p.Sign, Seal: p.Seal, Name: name}
	id := p.ID()
	copy(r.Device[:], id[:])
	return r
}

// IsMember reports whether r asks for an environment and not to be a device.
func (r *Request) IsMember() bool {
	p := manifest.Principal{Sign: r.Sign, Seal: r.Seal}
	id := p.ID()
	return r.Device == DeviceID(id[:16])
}

// SealInvitation seals what opens an environment, all but the seed, to who made
// r: HPKE, with the whole request as associated data.
func SealInvitation(r *Request, k *MachineKey) ([]byte, error) {
	text := (&MachineKey{Vault: k.Vault, Env: k.Env, Seed: make([]byte, HolderSeed), NotAfter: k.NotAfter, Seq: k.Seq, Manifest: k.Manifest,
		Devices: k.Devices, Name: k.Name, App: k.App, EnvName: k.EnvName, URL: k.URL, ServerKey: k.ServerKey}).Text()
	return sealTo(r.Seal[:], infoInvitation, r.Bytes(), lp.Join(text.Reveal()))
}

// OpenInvitation opens the answer to r and puts the holder's own seed in.
func (h *Holder) OpenInvitation(r *Request, seed, data []byte) (*MachineKey, error) {
	plain, err := openWith(h.seal, infoInvitation, r.Bytes(), data)
	if err != nil {
		return nil, err
	}
	in := lp.NewReader(plain)
	text := in.Field()
	if !in.Done() {
		return nil, ErrOpen
	}
	k, err := ParseMachineKey(secret.New(text))
	if err != nil || k.Vault != r.Vault {
		return nil, ErrOpen
	}
	k.Seed = append([]byte(nil), seed...)
	return k, nil
}
