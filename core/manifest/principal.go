package manifest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/opaquevault/ov/core/lp"
)

// XWingSize is the size of an X-Wing public key in bytes.
const XWingSize = 1216

// A Role is how far a principal reaches.
type Role uint8

// The roles.
const (
	RoleMachine Role = 1 // reads its environments until it expires
	RoleReader  Role = 2 // a member who reads
	RoleWriter  Role = 3 // a member who writes
)

// A Principal is someone other than a device who may read, or read and write,
// some environments: a machine or a member. It is stored in the clear, as a
// record of KindPrincipal with version 1.
type Principal struct {
	Role     Role
	Sign     [ed25519.PublicKeySize]byte
	Seal     [XWingSize]byte
	NotAfter uint64 // Unix milliseconds; 0: no end
	Envs     []EnvID
	Created  uint64
}

// ID is the id under which p is stored.
func (p *Principal) ID() ID {
	return sha256.Sum256(lp.Join([]byte("ov/v1/id/principal"), p.Sign[:], p.Seal[:]))
}

// Reads reports whether p may read what belongs to env.
func (p *Principal) Reads(env EnvID) bool { return slices.Contains(p.Envs, env) }

// Expired reports whether p's time is over at now, in Unix milliseconds.
func (p *Principal) Expired(now uint64) bool { return p.NotAfter != 0 && now >= p.NotAfter }

// Encode returns the stored form:
//
//	format[1] role[1] LP(Ed25519 key) LP(X-Wing key) not after[8] n[4] n*env[16] created[8]
func (p *Principal) Encode() []byte {
	b := append([]byte{Format, byte(p.Role)}, lp.Join(p.Sign[:], p.Seal[:])...)
	b = binary.BigEndian.AppendUint64(b, p.NotAfter)
	b = binary.BigEndian.AppendUint32(b, uint32(len(p.Envs)))
	for _, e := range p.Envs {
		b = append(b, e[:]...)
	}
	return binary.BigEndian.AppendUint64(b, p.Created)
}

// ParsePrincipal reads the stored form of a principal. That it is the one that
// a manifest lists is told by its sum.
func ParsePrincipal(data []byte) (*Principal, error) {
	r := lp.NewReader(data)
	if v := r.U8(); !r.Bad() && v != Format {
		return nil, ErrVersion
	}
	p := &Principal{Role: Role(r.U8())}
	r.Fixed(p.Sign[:])
	r.Fixed(p.Seal[:])
	p.NotAfter = r.U64()
	for range r.Count(len(EnvID{})) {
		p.Envs = append(p.Envs, EnvID(r.Take(len(EnvID{}))))
	}
	p.Created = r.U64()
	if !r.Done() || p.Role < RoleMachine || p.Role > RoleWriter {
		return nil, ErrAltered
	}
	return p, nil
}
