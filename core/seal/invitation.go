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
func (r *Request) IsMember() bool { return r.Device == DeviceID(r.id()[:len(DeviceID{})]) }

// An Invitation is what who asked is told: what opens the environment, what they
// may do in it, and which device let them in.
type Invitation struct {
	Key  *MachineKey
	Role manifest.Role
	By   Device // one of those in Key
}

// SealInvitation seals in, all but the seed, to who made r: HPKE, with the whole
// request as associated data. HPKE does not say who sealed it, so in.By signs it.
func SealInvitation(r *Request, in *Invitation, sign func(message []byte) []byte) ([]byte, error) {
	k := *in.Key
	k.Seed = make([]byte, HolderSeed)
	line := k.Text().Reveal()
	return sealTo(r.Seal[:], infoInvitation, r.Bytes(), lp.Join(line, []byte{byte(in.Role)}, in.By.ID[:], sign(invitationSigned(r, line, in.Role))))
}

// invitationSigned is what the signature of an invitation is of.
func invitationSigned(r *Request, line []byte, role manifest.Role) []byte {
	return lp.Join([]byte("ov/v1/invitation-signature"), r.Bytes(), line, []byte{byte(role)})
}

// OpenInvitation opens the answer to r and puts the holder's own seed in. By is
// one of the devices that it names, and signed it; that it is whose it should be
// shows in its words, when people compare them.
func (h *Holder) OpenInvitation(r *Request, seed, data []byte) (*Invitation, error) {
	plain, err := openWith(h.seal, infoInvitation, r.Bytes(), data)
	if err != nil {
		return nil, err
	}
	in := lp.NewReader(plain)
	line := in.Field()
	var role [1]byte
	var by DeviceID
	in.Fixed(role[:])
	in.Fixed(by[:])
	signature := in.Field()
	if !in.Done() || role[0] != byte(manifest.RoleReader) && role[0] != byte(manifest.RoleWriter) {
		return nil, ErrOpen
	}
	out := &Invitation{Role: manifest.Role(role[0])}
	signed := invitationSigned(r, line, out.Role)
	if out.Key, err = ParseMachineKey(secret.New(line)); err != nil || r.Vault != (VaultID{}) && out.Key.Vault != r.Vault {
		return nil, ErrOpen
	}
	i := slices.IndexFunc(out.Key.Devices, func(d Device) bool { return d.ID == by })
	if i < 0 || !ed25519.Verify(out.Key.Devices[i].Key[:], signed, signature) {
		return nil, ErrOpen
	}
	out.Key.Seed, out.By = append([]byte(nil), seed...), out.Key.Devices[i]
	return out, nil
}
