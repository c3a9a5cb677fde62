package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
)

// ErrMachineKey says that a text is no machine key, or one with a mistake in it.
var ErrMachineKey = errors.New("not a machine key, or not the whole of it")

// A MachineKey is all that a machine needs to read one environment: whose
// vault, where it is, who it believes, and the seed of its keys.
type MachineKey struct {
	Vault     VaultID
	Env       EnvID
	Seed      []byte // of its Holder
	NotAfter  uint64 // Unix milliseconds; 0: no end
	Seq       uint64 // of the commit that let it in: nothing older is believed
	Manifest  Hash   // of that commit
	Devices   []Device
	Name      string // machine:Name to the policy
	App       string
	EnvName   string
	URL       string // of the server; empty: the vault is in OV_HOME
	ServerKey []byte // the server's pinned key; may be empty
}

const (
	machinePrefix = "ovmk1_"
	machineCheck  = 4 // bytes of checksum
)

// Text returns the form in which a machine key is handed out: one line,
// "ovmk1_" and base64url of
//
//	format[1] vault[16] env[16] seed[32] not after[8] seq[8] manifest[32] n[4] n*(device[16] key[32])
//	LP(name, app, environment, url, server key) check[4]
func (k *MachineKey) Text() secret.Value {
	b := append([]byte{manifest.Format}, k.Vault[:]...)
	b = append(append(b, k.Env[:]...), k.Seed...)
	b = binary.BigEndian.AppendUint64(b, k.NotAfter)
	b = binary.BigEndian.AppendUint64(b, k.Seq)
	b = append(b, k.Manifest[:]...)
	b = append(b, u32bytes(uint32(len(k.Devices)))...)
	for _, d := range k.Devices {
		b = append(append(b, d.ID[:]...), d.Key[:]...)
	}
	b = append(b, lp.Join([]byte(k.Name), []byte(k.App), []byte(k.EnvName), []byte(k.URL), k.ServerKey)...)
	sum := machineSum(b)
	b = append(b, sum[:]...)
	defer clear(b)
	out := make([]byte, len(machinePrefix)+base64.RawURLEncoding.EncodedLen(len(b)))
	copy(out, machinePrefix)
	base64.RawURLEncoding.Encode(out[len(machinePrefix):], b)
	return secret.New(out)
}

func machineSum(b []byte) (out [machineCheck]byte) {
	h := sha256.Sum256(lp.Join([]byte("ov/v1/machine-key"), b))
	copy(out[:], h[:])
	return out
}

// ParseMachineKey reads what Text wrote; space around it does not matter. The
// caller wipes it.
func ParseMachineKey(text secret.Value) (*MachineKey, error) {
	in := text.Reveal()
	for len(in) > 0 && (in[0] == ' ' || in[0] == '\n' || in[0] == '\t' || in[0] == '\r') {
		in = in[1:]
	}
	for len(in) > 0 && (in[len(in)-1] == ' ' || in[len(in)-1] == '\n' || in[len(in)-1] == '\t' || in[len(in)-1] == '\r') {
		in = in[:len(in)-1]
	}
	if len(in) < len(machinePrefix) || string(in[:len(machinePrefix)]) != machinePrefix {
		return nil, ErrMachineKey
	}
	b := make([]byte, base64.RawURLEncoding.DecodedLen(len(in)-len(machinePrefix)))
	defer clear(b)
	if _, err := base64.RawURLEncoding.Decode(b, in[len(machinePrefix):]); err != nil || len(b) < machineCheck {
		return nil, ErrMachineKey
	}
	body := b[:len(b)-machineCheck]
	if machineSum(body) != [machineCheck]byte(b[len(body):]) {
		return nil, ErrMachineKey
	}
	if body[0] != manifest.Format {
		return nil, ErrVersion
	}
	r := lp.NewReader(body[1:])
	k := &MachineKey{}
	copy(k.Vault[:], r.Take(16))
	copy(k.Env[:], r.Take(16))
	seed := r.Take(HolderSeed)
	k.NotAfter, k.Seq = r.U64(), r.U64()
	copy(k.Manifest[:], r.Take(32))
	for range r.Count(16 + ed25519.PublicKeySize) {
		var d Device
		copy(d.ID[:], r.Take(16))
		copy(d.Key[:], r.Take(32))
		k.Devices = append(k.Devices, d)
	}
	k.Name, k.App, k.EnvName, k.URL = string(r.Field()), string(r.Field()), string(r.Field()), string(r.Field())
	k.ServerKey = append([]byte(nil), r.Field()...)
	if !r.Done() {
		return nil, ErrMachineKey
	}
	k.Seed = append([]byte(nil), seed...)
	return k, nil
}

// Wipe zeroes the seed.
func (k *MachineKey) Wipe() { clear(k.Seed) }
