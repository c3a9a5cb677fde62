package seal

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"

	"github.com/opaquevault/ov/core/secret"
)

// ErrKit says that a typed Secret Key has a mistake in it.
var ErrKit = errors.New("mistyped Secret Key")

// kitPrefix names the format and its version; kitGroup letters stand together.
const (
	kitPrefix = "OV1"
	kitGroup  = 5
	kitCheck  = 3 // bytes of checksum, the last 2 bits of which are not written
	kitChars  = 30
)

// crockford leaves out I, L, O and U, which are misread.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// FormatSecretKey spells the Secret Key for a person: OV1 and six groups of
// five letters, 128 bits and a checksum of 22.
func FormatSecretKey(sk []byte, vault VaultID) secret.Value {
	sum := kitSum(sk, vault)
	all := append(append(make([]byte, 0, 19), sk...), sum[:]...)
	defer clear(all)
	text := make([]byte, crockford.EncodedLen(len(all)))
	defer clear(text)
	crockford.Encode(text, all)
	out := append(make([]byte, 0, 40), kitPrefix...)
	for i := 0; i < kitChars; i += kitGroup {
		out = append(append(out, '-'), text[i:i+kitGroup]...)
	}
	return secret.New(out)
}

// ParseSecretKey reads what FormatSecretKey wrote, in either case, with any
// spacing, and with the letters that look like digits taken as those.
func ParseSecretKey(typed secret.Value, vault VaultID) ([]byte, error) {
	sk, check, err := decodeKit(typed)
	if err != nil {
		return nil, err
	}
	if sum := kitSum(sk, vault); check != sum {
		clear(sk)
		return nil, ErrKit
	}
	return sk, nil
}

// ReadLocator returns the locator of the vault that a typed Secret Key is of.
// Whether it was mistyped shows once the vault is known.
func ReadLocator(typed secret.Value) ([LocatorSize]byte, error) {
	sk, _, err := decodeKit(typed)
	if err != nil {
		return [LocatorSize]byte{}, err
	}
	defer clear(sk)
	return Locator(sk), nil
}

// LocatorSize is the size of a locator in bytes.
const LocatorSize = 16

// Locator is what a server finds a vault by for who has its Secret Key and not
// its id.
func Locator(sk []byte) [LocatorSize]byte {
	return [LocatorSize]byte(extractExpand(sk, LP([]byte("ov/v1/locator")), KeySize)[:LocatorSize])
}

func decodeKit(typed secret.Value) (sk []byte, check [kitCheck]byte, err error) {
	letters := make([]byte, 0, typed.Len()+1)
	defer func() { clear(letters[:cap(letters)]) }()
	for _, c := range typed.Reveal() {
		switch {
		case c == '-' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		case c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		switch c { // letters that are read as digits
		case 'O':
			c = '0'
		case 'I', 'L':
			c = '1'
		}
		letters = append(letters, c)
	}
	const prefix = "0V1" // kitPrefix, read that way
	if len(letters) != len(prefix)+kitChars || string(letters[:len(prefix)]) != prefix {
		return nil, check, ErrKit
	}
	body := append(letters[len(prefix):], '0') // the bits that are not written
	all := make([]byte, crockford.DecodedLen(len(body)))
	defer clear(all)
	if _, err := crockford.Decode(all, body); err != nil {
		return nil, check, ErrKit
	}
	copy(check[:], all[SecretKeySize:])
	return append([]byte(nil), all[:SecretKeySize]...), check, nil
}

// kitSum is the checksum: 24 bits, of which the last two are zero.
func kitSum(sk []byte, vault VaultID) (out [kitCheck]byte) {
	h := sha256.Sum256(LP([]byte("ov/v1/kit"), vault[:], sk))
	copy(out[:], h[:])
	out[kitCheck-1] &^= 3
	return out
}
