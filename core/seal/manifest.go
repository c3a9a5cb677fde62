package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
)

// A Manifest is the signed state of a vault after one commit. Anyone who knows
// the devices' public keys can check it without a secret.
type Manifest struct {
	Vault    VaultID
	Seq      uint64
	Prev     Hash   // Hash of the manifest before, zero for the first
	Root     Hash   // over the sums of everything that is stored
	Count    uint64 // of these
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

const manifestLabel = "ov/v1/manifest"

// body is what is signed; FORMAT.md lists the fields.
func (m *Manifest) body() []byte {
	b := LP([]byte(manifestLabel), m.Vault[:], u64(m.Seq), m.Prev[:], m.Root[:], u64(m.Count))
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
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Devices)))
	for _, d := range m.Devices {
		b = append(b, d.ID[:]...)
		b = append(b, d.Key[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(m.Blobs)))
	for _, r := range m.Blobs {
		b = appendLP(b, []byte(r.Name))
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

// Sign returns the stored form: format[1] LP(body) LP(device's signature)
// LP(password's signature). The last is empty but where a device enrols
// itself: then master must be given.
func (m *Manifest) Sign(device ed25519.PrivateKey, master *Master) []byte {
	body := m.body()
	// crypto/ed25519 keeps a weak pointer to the key, which the runtime takes of
	// heap memory only; the device's key lies in locked memory.
	device = append(ed25519.PrivateKey(nil), device...)
	defer clear(device)
	var auth []byte
	if master != nil {
		auth = ed25519.Sign(ed25519.NewKeyFromSeed(master.auth), body)
	}
	return append([]byte{format}, LP(body, ed25519.Sign(device, body), auth)...)
}

// ParseManifest reads a stored manifest. It checks that the signer is one of
// the manifest's own devices and signed it; whether that device was to be
// trusted is Follows' question.
func ParseManifest(data []byte) (*Manifest, error) {
	outer := reader{b: data}
	if v := outer.u8(); !outer.bad && v != format {
		return nil, ErrVersion
	}
	body, sig := outer.lp(), outer.lp()
	outer.lp() // the password's signature: see Follows
	if !outer.done() {
		return nil, ErrOpen
	}
	m, ok := parseBody(body)
	if !ok {
		return nil, ErrOpen
	}
	key, ok := m.device(m.Signer)
	if !ok || !ed25519.Verify(key, body, sig) {
		return nil, ErrOpen
	}
	return m, nil
}

func parseBody(body []byte) (*Manifest, bool) {
	r := reader{b: body}
	m := &Manifest{}
	if string(r.lp()) != manifestLabel {
		return nil, false
	}
	r.fixed(m.Vault[:])
	m.Seq = r.lpU64()
	r.fixed(m.Prev[:])
	r.fixed(m.Root[:])
	m.Count = r.lpU64()
	for range r.count(32 + 8 + 1 + 32 + 32) {
		var s SlotRef
		copy(s.ID[:], r.take(32))
		s.Version, s.Suite = r.u64(), Suite(r.u8())
		copy(s.Sum[:], r.take(32))
		copy(s.Auth[:], r.take(32))
		m.Slots = append(m.Slots, s)
	}
	m.Members = r.entities()
	m.Machines = r.entities()
	copy(m.EnvKeys[:], r.take(32))
	for range r.count(16 + 32) {
		var d Device
		copy(d.ID[:], r.take(16))
		copy(d.Key[:], r.take(32))
		m.Devices = append(m.Devices, d)
	}
	for range r.count(4 + 8 + 32) {
		ref := BlobRef{Name: string(r.lp()), Version: r.u64()}
		copy(ref.Sum[:], r.take(32))
		m.Blobs = append(m.Blobs, ref)
	}
	m.Floor = Suite(r.u8())
	reset := r.u8()
	m.Reset = reset == 1
	for range r.count(1 + 32 + 8) {
		p := Purged{Kind: r.u8()}
		copy(p.ID[:], r.take(32))
		p.Version = r.u64()
		m.Purged = append(m.Purged, p)
	}
	m.Time = r.u64()
	copy(m.Signer[:], r.take(16))
	return m, r.done() && reset <= 1
}

func (r *reader) lpU64() uint64 {
	b := r.lp()
	if len(b) != 8 {
		r.bad = true
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (r *reader) entities() []Entity {
	var out []Entity
	for range r.count(64) {
		var e Entity
		copy(e.ID[:], r.take(32))
		copy(e.Sum[:], r.take(32))
		out = append(out, e)
	}
	return out
}

func (m *Manifest) device(id DeviceID) (ed25519.PublicKey, bool) {
	for i := range m.Devices {
		if m.Devices[i].ID == id {
			return m.Devices[i].Key[:], true
		}
	}
	return nil, false
}

// Follows reports whether data, the stored form of m, may come after prev,
// whose stored form is prevData: the next number, chained, signed by a device
// that prev lists or enrolled with the password of a slot that prev lists, and
// with a floor that is not lower.
func (m *Manifest) Follows(data []byte, prev *Manifest, prevData []byte) bool {
	if m.Vault != prev.Vault || m.Seq != prev.Seq+1 || m.Prev != ManifestHash(prevData) || m.Floor < prev.Floor {
		return false
	}
	was, known := prev.device(m.Signer)
	if is, _ := m.device(m.Signer); known {
		return bytes.Equal(was, is)
	}
	outer := reader{b: data[1:]}
	body, _, auth := outer.lp(), outer.lp(), outer.lp()
	for i := range prev.Slots {
		if ed25519.Verify(prev.Slots[i].Auth[:], body, auth) {
			return true
		}
	}
	return false
}

// ManifestHash is the hash of a stored manifest: the next one's Prev.
func ManifestHash(data []byte) Hash {
	return sha256.Sum256(LP([]byte("ov/v1/manifest-hash"), data))
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
	return sha256.Sum256(LP([]byte("ov/v1/eks"), b))
}

// An EnvKeyRef is one stored environment key.
type EnvKeyRef struct {
	Env   EnvID
	Epoch uint32
	Sum   Hash
}
