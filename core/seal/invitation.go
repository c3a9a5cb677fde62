package seal

import (
	"crypto/ed25519"
	"slices"

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
// r: HPKE, with the whole request as associated data. HPKE does not say who
// sealed it, so the device that lets them in signs it: sign is by's.
func SealInvitation(r *Request, k *MachineKey, by DeviceID, sign func(message []byte) []byte) ([]byte, error) {
	text := (&MachineKey{Vault: k.Vault, Env: k.Env, Seed: make([]byte, HolderSeed), NotAfter: k.NotAfter, Seq: k.Seq, Manifest: k.Manifest,
		Devices: k.Devices, Name: k.Name, App: k.App, EnvName: k.EnvName, URL: k.URL, ServerKey: k.ServerKey}).Text()
	line := text.Reveal()
	return sealTo(r.Seal[:], infoInvitation, r.Bytes(), lp.Join(line, by[:], sign(invitationSigned(r, line))))
}

// invitationSigned is what the signature of an invitation is of.
func invitationSigned(r *Request, line []byte) []byte {
	return lp.Join([]byte("ov/v1/invitation-signature"), r.Bytes(), line)
}

// OpenInvitation opens the answer to r and puts the holder's own seed in. The
// second result is the device that signed it, one of those that it names; that
// it is whose it should be shows in its words, when people compare them.
func (h *Holder) OpenInvitation(r *Request, seed, data []byte) (*MachineKey, Device, error) {
	plain, err := openWith(h.seal, infoInvitation, r.Bytes(), data)
	if err != nil {
		return nil, Device{}, err
	}
	in := lp.NewReader(plain)
	text := in.Field()
	var by Device
	in.Fixed(by.ID[:])
	signature := in.Field()
	if !in.Done() {
		return nil, Device{}, ErrOpen
	}
	signed := invitationSigned(r, text)
	k, err := ParseMachineKey(secret.New(text))
	if err != nil || r.Vault != (VaultID{}) && k.Vault != r.Vault {
		return nil, Device{}, ErrOpen
	}
	i := slices.IndexFunc(k.Devices, func(d Device) bool { return d.ID == by.ID })
	if i < 0 || !ed25519.Verify(k.Devices[i].Key[:], signed, signature) {
		return nil, Device{}, ErrOpen
	}
	k.Seed = append([]byte(nil), seed...)
	return k, k.Devices[i], nil
}
