package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/opaquevault/ov/core/lp"
)

// cipherSuite is AES-256-GCM with a random 96-bit nonce, HKDF and HMAC over
// SHA-256. A password slot binds its password suite in this place instead.
const cipherSuite = 1

// A Field says what a ciphertext is, so that none can stand in for another.
type Field string

// The fields.
const (
	FieldSlot   Field = "slot"
	FieldEnvKey Field = "ek"
	FieldDEK    Field = "dek"
	FieldName   Field = "name"
	FieldMeta   Field = "meta"
	FieldValue  Field = "value"
	FieldList   Field = "list"
	FieldBlob   Field = "blob"
	FieldDevice Field = "device"
)

// A Place is where a ciphertext belongs; moved elsewhere it does not open.
// What has no environment leaves Env and Epoch zero.
type Place struct {
	Vault   VaultID
	Env     EnvID
	Epoch   uint32
	ID      ID
	Version uint64
}

// aad is LP(suite, vault, environment id, epoch, id, version, field).
func (p Place) aad(suite uint8, f Field) []byte {
	b := make([]byte, 0, 7*4+1+16+16+4+32+8+len(f))
	b = lp.Append(b, []byte{suite})
	b = lp.Append(b, p.Vault[:])
	b = lp.Append(b, p.Env[:])
	b = binary.BigEndian.AppendUint32(b, 4)
	b = binary.BigEndian.AppendUint32(b, p.Epoch)
	b = lp.Append(b, p.ID[:])
	b = binary.BigEndian.AppendUint32(b, 8)
	b = binary.BigEndian.AppendUint64(b, p.Version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
	return append(b, f...)
}

const (
	gcmOverhead = 12 + 16
	boxOverhead = SaltSize + KeySize + gcmOverhead
)

// SealBox seals plain under key for one place and field:
//
//	salt[16] commitment[32] nonce[12] ciphertext tag[16]
//
// The encryption key and the commitment are derived from key, place, field and
// a fresh salt. AES-GCM alone does not bind a ciphertext to one key; the
// commitment does.
func SealBox(key []byte, p Place, f Field, plain []byte) []byte {
	return sealBox(key, p.aad(cipherSuite, f), plain)
}

// OpenBox undoes SealBox. The commitment is compared, in constant time, before
// anything is decrypted.
func OpenBox(key []byte, p Place, f Field, box []byte) ([]byte, error) {
	return openBox(key, p.aad(cipherSuite, f), box)
}

func sealBox(key, aad, plain []byte) []byte {
	out := make([]byte, SaltSize+KeySize, boxOverhead+len(plain))
	copy(out, NewKey(SaltSize))
	k, commit := boxKeys(key, aad, out[:SaltSize])
	defer clear(k)
	copy(out[SaltSize:], commit)
	return gcm(k).Seal(out, nil, plain, aad)
}

func openBox(key, aad, box []byte) ([]byte, error) {
	if len(box) < boxOverhead {
		return nil, ErrOpen
	}
	k, commit := boxKeys(key, aad, box[:SaltSize])
	defer clear(k)
	if !equal(commit, box[SaltSize:SaltSize+KeySize]) {
		return nil, ErrOpen
	}
	plain, err := gcm(k).Open(nil, nil, box[SaltSize+KeySize:], aad)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// boxKeys derives a box's encryption key and commitment.
func boxKeys(key, aad, salt []byte) (k, commit []byte) {
	out := expand(key, LP([]byte("ov/v1/box"), aad, salt), 2*KeySize)
	return out[:KeySize], out[KeySize:]
}

// gcm returns AES-256-GCM that draws a nonce for each message and puts it in
// front of the ciphertext.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("seal: AES: " + err.Error()) // every key here has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("seal: GCM: " + err.Error())
	}
	return aead
}
