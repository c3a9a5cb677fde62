package manifest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"

	"github.com/opaquevault/ov/core/lp"
)

// A Manifest is the signed state of a vault after one commit. Anyone who knows
// the devices' public keys can check it without a secret.
type Manifest struct {
	Vault    VaultID
	Seq      uint64
	Prev     Hash   // Hash of the manifest before, zero for the first
	Root     Hash   // over the sums of everything that is stored: RootOf(Groups)
	Count    uint64 // of these
	Groups   []Group
	Slots    []SlotRef
	Members  []Entity // people that environments are shared with
	Machines []Entity // machine keys
	EnvKeys  Hash     // EnvKeysHash: every environment's key and epoch
	Devices  []Device // who may sign the next manifest
	Blobs    []BlobRef
	Floor    Suite // slots below it are refused
	Reset    bool  // this commit replaced everything
	Purged   []Purged
	Time     uint64 // Unix milliseconds
	Signer   DeviceID

	// Writer is the member who signed it, nil where a device did. It is read from
	// what stands beside the body, whose Members list its sum.
	Writer *Principal
}

// A SlotRef is a slot and the public key of its password.
type SlotRef struct {
	ID      ID
	Version uint64
	Suite   Suite
	Sum     Hash
	Auth    [ed25519.PublicKeySize]byte
}

// An Entity is a member or a machine key: its id and the sum of its record.
type Entity struct {
	ID  ID
	Sum Hash
}

// A Device may sign.
type Device struct {
	ID  DeviceID
	Key [ed25519.PublicKeySize]byte
}

// A BlobRef is a sealed document: its name ("policy") and the sum of its record.
type BlobRef struct {
	Name    string
	Version uint64
	Sum     Hash
}

// A Purged is a version that this commit removed.
type Purged struct {
	Kind    uint8
	ID      ID
	Version uint64
}

// Label begins everything that is signed as a manifest, and nothing else.
const Label = "ov/v1/manifest"

// Body is what is signed; core/seal/FORMAT.md lists the fields.
func (m *Manifest) Body() []byte {
	b := lp.Join([]byte(Label), m.Vault[:], lp.U64(m.Seq), m.Prev[:], m.Root[:], lp.U64(m.Count))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Slots)))
	for _, s := range m.Slots {
		b = append(b, s.ID[:]...)
		b = binary.BigEndian.AppendUint64(b, s.Version)
		b = append(b, byte(s.Suite))
		b = append(b, s.Sum[:]...)
		b = append(b, s.Auth[:]...)
	}
	b = appendEntities(b, m.Members)
	b = appendEntities(b, m.Machines)
	b = append(b, m.EnvKeys[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Groups)))
	for _, g := range m.Groups {
		b = appendGroup(b, g)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Devices)))
	for _, d := range m.Devices {
		b = append(b, d.ID[:]...)
		b = append(b, d.Key[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Blobs)))
	for _, r := range m.Blobs {
		b = lp.Append(b, []byte(r.Name))
		b = binary.BigEndian.AppendUint64(b, r.Version)
		b = append(b, r.Sum[:]...)
	}
	b = append(b, byte(m.Floor), bool8(m.Reset))
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Purged)))
	for _, p := range m.Purged {
		b = append(b, p.Kind)
		b = append(b, p.ID[:]...)
		b = binary.BigEndian.AppendUint64(b, p.Version)
	}
	b = binary.BigEndian.AppendUint64(b, m.Time)
	return append(b, m.Signer[:]...)
}

func appendEntities(b []byte, list []Entity) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
	for _, e := range list {
		b = append(b, e.ID[:]...)
		b = append(b, e.Sum[:]...)
	}
	return b
}

func bool8(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// Encode returns the stored form: format[1] LP(body) LP(signature) LP(warrant).
// The warrant says why a signer may sign whom the manifest before does not list
// as a device: the password's signature where a device enrols itself, the stored
// record of a member who writes. Else it is empty.
func (m *Manifest) Encode(signature, warrant []byte) []byte {
	return append([]byte{Format}, lp.Join(m.Body(), signature, warrant)...)
}

// Parse reads a stored manifest. It checks that the signer is one of the
// manifest's own devices, or a member that it lists and who may write, and signed
// it; whether that one was to be trusted is Follows' question.
func Parse(data []byte) (*Manifest, error) {
	outer := lp.NewReader(data)
	if v := outer.U8(); !outer.Bad() && v != Format {
		return nil, ErrVersion
	}
	body, sig, warrant := outer.Field(), outer.Field(), outer.Field()
	if !outer.Done() {
		return nil, ErrAltered
	}
	m, ok := parseBody(body)
	if !ok {
		return nil, ErrAltered
	}
	key, ok := m.Device(m.Signer)
	if !ok {
		if m.Writer, ok = m.writer(warrant); ok {
			key = m.Writer.Sign[:]
		}
	}
	if !ok || !ed25519.Verify(key, body, sig) {
		return nil, ErrAltered
	}
	return m, nil
}

func parseBody(body []byte) (*Manifest, bool) {
	r := lp.NewReader(body)
	m := &Manifest{}
	if string(r.Field()) != Label {
		return nil, false
	}
	r.Fixed(m.Vault[:])
	m.Seq = r.FieldU64()
	r.Fixed(m.Prev[:])
	r.Fixed(m.Root[:])
	m.Count = r.FieldU64()
	for range r.Count(32 + 8 + 1 + 32 + 32) {
		var s SlotRef
		copy(s.ID[:], r.Take(32))
		s.Version, s.Suite = r.U64(), Suite(r.U8())
		copy(s.Sum[:], r.Take(32))
		copy(s.Auth[:], r.Take(32))
		m.Slots = append(m.Slots, s)
	}
	m.Members = entities(&r)
	m.Machines = entities(&r)
	copy(m.EnvKeys[:], r.Take(32))
	for range r.Count(groupSize) {
		var g Group
		copy(g.Env[:], r.Take(16))
		g.Count = r.U64()
		copy(g.Root[:], r.Take(32))
		m.Groups = append(m.Groups, g)
	}
	for range r.Count(16 + 32) {
		var d Device
		copy(d.ID[:], r.Take(16))
		copy(d.Key[:], r.Take(32))
		m.Devices = append(m.Devices, d)
	}
	for range r.Count(4 + 8 + 32) {
		ref := BlobRef{Name: string(r.Field()), Version: r.U64()}
		copy(ref.Sum[:], r.Take(32))
		m.Blobs = append(m.Blobs, ref)
	}
	m.Floor = Suite(r.U8())
	reset := r.U8()
	m.Reset = reset == 1
	for range r.Count(1 + 32 + 8) {
		p := Purged{Kind: r.U8()}
		copy(p.ID[:], r.Take(32))
		p.Version = r.U64()
		m.Purged = append(m.Purged, p)
	}
	m.Time = r.U64()
	copy(m.Signer[:], r.Take(16))
	return m, r.Done() && reset <= 1 && m.sound()
}

func entities(r *lp.Reader) []Entity {
	var out []Entity
	for range r.Count(64) {
		var e Entity
		copy(e.ID[:], r.Take(32))
		copy(e.Sum[:], r.Take(32))
		out = append(out, e)
	}
	return out
}

// Device returns the key of a device that may sign.
func (m *Manifest) Device(id DeviceID) (ed25519.PublicKey, bool) {
	for i := range m.Devices {
		if m.Devices[i].ID == id {
			return m.Devices[i].Key[:], true
		}
	}
	return nil, false
}

// Follows reports whether data, the stored form of m, may come after prev,
// whose stored form is prevData: the next number, chained, with a floor that is
// not lower, and signed by a device that prev lists under the same key, or one
// that is enrolled, or given another key, with the password of a slot that prev
// lists, or by a member who may write, who then changes nothing but the roots of
// environments that he reaches.
func (m *Manifest) Follows(data []byte, prev *Manifest, prevData []byte) bool {
	if m.Vault != prev.Vault || m.Seq != prev.Seq+1 || m.Prev != Chain(prevData) || m.Floor < prev.Floor {
		return false
	}
	if m.Writer != nil {
		return m.onlyAdds(prev)
	}
	was, known := prev.Device(m.Signer)
	if is, _ := m.Device(m.Signer); known && bytes.Equal(was, is) {
		return true
	}
	outer := lp.NewReader(data[1:])
	body, _, auth := outer.Field(), outer.Field(), outer.Field()
	for i := range prev.Slots {
		if ed25519.Verify(prev.Slots[i].Auth[:], body, auth) {
			return true
		}
	}
	return false
}

// Chain is the hash of a stored manifest: the next one's Prev.
func Chain(data []byte) Hash {
	return sha256.Sum256(lp.Join([]byte("ov/v1/manifest-hash"), data))
}

// EnvKeysHash is the hash over all environment keys that are stored, sorted by
// environment and epoch: n times env[16] epoch[4] sum[32].
func EnvKeysHash(sorted []EnvKeyRef) Hash {
	b := make([]byte, 0, len(sorted)*52)
	for _, e := range sorted {
		b = append(b, e.Env[:]...)
		b = binary.BigEndian.AppendUint32(b, e.Epoch)
		b = append(b, e.Sum[:]...)
	}
	return sha256.Sum256(lp.Join([]byte("ov/v1/eks"), b))
}

// An EnvKeyRef is one stored environment key.
type EnvKeyRef struct {
	Env   EnvID
	Epoch uint32
	Sum   Hash
}
