package seal

import "github.com/opaquevault/ov/core/lp"

// A Slot is the vault key under one password, parsed.
type Slot struct {
	Suite  Suite
	Auth   []byte // public key of the Master that made it, 32 bytes
	commit []byte
	box    []byte
}

// SealSlot seals the vault key under a password:
//
//	format[1] suite[1] kind[1]=0 LP(auth key) LP(commitment of the KEK) LP(box of the vault key)
//
// id is random and stays when the password changes; version then rises.
func SealSlot(m *Master, vault VaultID, suite Suite, id ID, version uint64, vk []byte) []byte {
	p := Place{Vault: vault, ID: id, Version: version}
	out := []byte{format, byte(suite), 0}
	out = lp.Append(out, m.AuthKey())
	out = lp.Append(out, m.commit)
	return lp.Append(out, sealBox(m.kek, p.aad(byte(suite), FieldSlot), vk))
}

// ParseSlot reads the stored form of a slot.
func ParseSlot(data []byte) (*Slot, error) {
	r := lp.NewReader(data)
	if v := r.U8(); !r.Bad() && v != format {
		return nil, ErrVersion
	}
	s := &Slot{Suite: Suite(r.U8())}
	kind := r.U8()
	s.Auth, s.commit, s.box = r.Field(), r.Field(), r.Field()
	if !r.Done() || len(s.Auth) != 32 {
		return nil, ErrOpen
	}
	if kind != 0 {
		return nil, ErrVersion
	}
	return s, nil
}

// Open returns the vault key. m must be derived with the slot's suite.
func (s *Slot) Open(m *Master, vault VaultID, id ID, version uint64) ([]byte, error) {
	if !equal(s.commit, m.commit) || !equal(s.Auth, m.AuthKey()) {
		return nil, ErrOpen
	}
	p := Place{Vault: vault, ID: id, Version: version}
	vk, err := openBox(m.kek, p.aad(byte(s.Suite), FieldSlot), s.box)
	if err != nil || len(vk) != KeySize {
		return nil, ErrOpen
	}
	return vk, nil
}
