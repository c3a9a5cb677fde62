package channel

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// A Role says what kind of key speaks for a vault.
type Role uint8

// The roles.
const (
	RoleDevice    Role = 1 // a device that the manifest lists; ID: its 16 bytes, then zeros
	RoleAuth      Role = 2 // the key that password and Secret Key give; ID: its public key
	RolePrincipal Role = 3 // a machine or a member; ID: that of its record
	RoleNew       Role = 4 // a device that asks to be let in; ID: its public key
)

// A KeyID names the key that signed a request. Where the public key is found
// is told by the role: in the manifest, in a record, or in the id itself.
type KeyID struct {
	Role Role
	ID   [32]byte
}

// ErrKeyID says that a text names no key.
var ErrKeyID = errors.New("not a key id")

// Device returns the KeyID of a device.
func Device(id [16]byte) KeyID {
	k := KeyID{Role: RoleDevice}
	copy(k.ID[:], id[:])
	return k
}

// DeviceID returns the device's id; the zero id if k is another's.
func (k KeyID) DeviceID() (id [16]byte) {
	if k.Role == RoleDevice {
		copy(id[:], k.ID[:])
	}
	return id
}

// word is the role's name in a header.
func (r Role) word() string {
	switch r {
	case RoleDevice:
		return "device"
	case RoleAuth:
		return "auth"
	case RolePrincipal:
		return "principal"
	case RoleNew:
		return "new"
	}
	return "unknown"
}

// String returns the role's name in a header, a colon, and the id in hex.
func (k KeyID) String() string {
	if k.Role == RoleDevice {
		return k.Role.word() + ":" + hex.EncodeToString(k.ID[:16])
	}
	return k.Role.word() + ":" + hex.EncodeToString(k.ID[:])
}

// ParseKeyID undoes String.
func ParseKeyID(s string) (KeyID, error) {
	word, id, _ := strings.Cut(s, ":")
	for r := RoleDevice; r <= RoleNew; r++ {
		if word != r.word() {
			continue
		}
		k := KeyID{Role: r}
		b, err := hex.DecodeString(id)
		if want := len(KeyID{Role: r}.String()) - len(word) - 1; err != nil || len(id) != want || strings.ToLower(id) != id {
			break
		}
		copy(k.ID[:], b)
		return k, nil
	}
	return KeyID{}, fmt.Errorf("key %q: %w", clip(s), ErrKeyID)
}

// clip cuts what a stranger sent down to what an error may repeat.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
