package seal

import (
	"crypto/hpke"

	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
)

// A Request is what a new device shows to be let into a vault by one that is in
// it: its id, the key that it will sign with and a key to answer it with.
type Request struct {
	Vault  VaultID
	Device DeviceID
	Sign   [32]byte
	Seal   [manifest.XWingSize]byte
	Name   string
}

// Bytes is what a request's words are of, and what its answer is bound to.
func (r *Request) Bytes() []byte {
	return lp.Join([]byte("ov/v1/device-request"), r.Vault[:], r.Device[:], r.Sign[:], r.Seal[:], []byte(r.Name))
}

// Words are what people compare on both sides: of a device's request, all of it;
// of a member's, the principal's id, which stands for both keys, so that a list of
// members shows the same ones for as long as they are let in.
func (r *Request) Words() string {
	if r.IsMember() {
		return Words(r.id())
	}
	return Words(r.Bytes())
}

// id is that of the principal whose keys are in r.
func (r *Request) id() []byte {
	p := manifest.Principal{Sign: r.Sign, Seal: r.Seal}
	id := p.ID()
	return id[:]
}

// ParseRequest reads what Bytes wrote.
func ParseRequest(data []byte) (*Request, error) {
	in := lp.NewReader(data)
	r := &Request{}
	label := string(in.Field())
	in.Fixed(r.Vault[:])
	in.Fixed(r.Device[:])
	in.Fixed(r.Sign[:])
	in.Fixed(r.Seal[:])
	r.Name = string(in.Field())
	if !in.Done() || label != "ov/v1/device-request" {
		return nil, ErrOpen
	}
	return r, nil
}

// A RequestKey opens the answer to a request.
type RequestKey struct{ key hpke.PrivateKey }

// NewRequestKey makes the key pair of one request.
func NewRequestKey() (*RequestKey, [manifest.XWingSize]byte, error) {
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, [manifest.XWingSize]byte{}, err
	}
	return &RequestKey{key}, [manifest.XWingSize]byte(key.PublicKey().Bytes()), nil
}

// An Approval is what the new device is given: the Secret Key, the vault key,
// and the commit that let it in, which is the first that it believes.
type Approval struct {
	SecretKey []byte
	VaultKey  []byte
	Seq       uint64
	Root      Hash
	Manifest  Hash
	Floor     Suite
}

// SealApproval seals a to the device that made r: HPKE, with the whole request
// as associated data.
func SealApproval(r *Request, a *Approval) ([]byte, error) {
	plain := lp.Join(a.SecretKey, a.VaultKey, lp.U64(a.Seq), a.Root[:], a.Manifest[:], []byte{byte(a.Floor)})
	defer clear(plain)
	return sealTo(r.Seal[:], infoApproval, r.Bytes(), plain)
}

// Open opens the answer to r.
func (k *RequestKey) Open(r *Request, data []byte) (*Approval, error) {
	plain, err := openWith(k.key, infoApproval, r.Bytes(), data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	in := lp.NewReader(plain)
	a := &Approval{SecretKey: make([]byte, SecretKeySize), VaultKey: make([]byte, KeySize)}
	in.Fixed(a.SecretKey)
	in.Fixed(a.VaultKey)
	a.Seq = in.FieldU64()
	in.Fixed(a.Root[:])
	in.Fixed(a.Manifest[:])
	var floor [1]byte
	in.Fixed(floor[:])
	a.Floor = Suite(floor[0])
	if !in.Done() {
		a.Wipe()
		return nil, ErrOpen
	}
	return a, nil
}

// Wipe zeroes the keys.
func (a *Approval) Wipe() {
	clear(a.SecretKey)
	clear(a.VaultKey)
}
