package channel

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/kem"

	"github.com/opaquevault/ov/core/lp"
)

// Sealing follows the pattern of RFC 9458 (Oblivious HTTP): a request is
//
//	suite[7] ‖ enc ‖ ciphertext        suite = key id[1]=1 kem[2] kdf[2] aead[2]
//
// HPKE base mode, info LP("ov/v1/sealed", suite), and its answer is
//
//	nonce[32] ‖ AES-256-GCM ciphertext
//
// under key and nonce from HKDF-SHA256 with salt enc ‖ nonce over a secret that
// the request's HPKE context exports: an answer opens for its request alone.
const (
	// KeySize is the size of a server's public key in bytes.
	KeySize = 1216
	// SeedSize is the size of a server's private key in bytes.
	SeedSize = 32

	suiteSize = 7
	encSize   = 1120
	nonceSize = 32
	gcmNonce  = 12
)

// Errors of sealed bodies.
var (
	ErrSealed = errors.New("sealed body does not open")
	ErrKey    = errors.New("not a server key")
)

func suite() hpke.Suite {
	return hpke.NewSuite(hpke.KEM_XWING, hpke.KDF_HKDF_SHA256, hpke.AEAD_AES256GCM)
}

// suiteID is what every sealed request begins with.
func suiteID() []byte {
	return []byte{1, byte(hpke.KEM_XWING >> 8), byte(hpke.KEM_XWING & 0xff), 0, byte(hpke.KDF_HKDF_SHA256), 0, byte(hpke.AEAD_AES256GCM)}
}

func info() []byte { return lp.Join([]byte("ov/v1/sealed"), suiteID()) }

// A ServerKey is the public key of a server, pinned by its clients.
type ServerKey struct{ key kem.PublicKey }

// ParseServerKey reads a public key of KeySize bytes.
func ParseServerKey(b []byte) (*ServerKey, error) {
	if len(b) != KeySize {
		return nil, ErrKey
	}
	key, err := hpke.KEM_XWING.Scheme().UnmarshalBinaryPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &ServerKey{key}, nil
}

// Seal seals a request. The Exchange opens its answer, once.
func (k *ServerKey) Seal(request []byte) ([]byte, *Exchange, error) {
	sender, err := suite().NewSender(k.key, info())
	if err != nil {
		return nil, nil, fmt.Errorf("seal request: %w", err)
	}
	enc, sealer, err := sender.Setup(rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("seal request: %w", err)
	}
	ct, err := sealer.Seal(pad(request), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("seal request: %w", err)
	}
	out := append(append(suiteID(), enc...), ct...)
	return out, &Exchange{enc: enc, secret: export(sealer)}, nil
}

// A PrivateKey is a server's key.
type PrivateKey struct {
	key  kem.PrivateKey
	seed []byte
}

// NewPrivateKey makes a key.
func NewPrivateKey() (*PrivateKey, error) {
	seed := make([]byte, SeedSize)
	rand.Read(seed) // never fails: it ends the program instead
	return ParsePrivateKey(seed)
}

// ParsePrivateKey reads a private key of SeedSize bytes.
func ParsePrivateKey(seed []byte) (*PrivateKey, error) {
	if len(seed) != SeedSize {
		return nil, ErrKey
	}
	key, err := hpke.KEM_XWING.Scheme().UnmarshalBinaryPrivateKey(seed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &PrivateKey{key: key, seed: append([]byte(nil), seed...)}, nil
}

// Seed returns the stored form, SeedSize bytes.
func (k *PrivateKey) Seed() []byte { return append([]byte(nil), k.seed...) }

// Public returns the public key, KeySize bytes.
func (k *PrivateKey) Public() []byte {
	b, err := k.key.Public().MarshalBinary()
	if err != nil {
		panic("channel: X-Wing public key: " + err.Error()) // of a key that was parsed
	}
	return b
}

// Open opens a sealed request. The Exchange seals its answer.
func (k *PrivateKey) Open(sealed []byte) ([]byte, *Exchange, error) {
	if len(sealed) < suiteSize+encSize || string(sealed[:suiteSize]) != string(suiteID()) {
		return nil, nil, ErrSealed
	}
	enc, ct := sealed[suiteSize:suiteSize+encSize], sealed[suiteSize+encSize:]
	receiver, err := suite().NewReceiver(k.key, info())
	if err != nil {
		return nil, nil, ErrSealed
	}
	opener, err := receiver.Setup(enc)
	if err != nil {
		return nil, nil, ErrSealed
	}
	padded, err := opener.Open(ct, nil)
	if err != nil {
		return nil, nil, ErrSealed
	}
	request, err := unpad(padded)
	return request, &Exchange{enc: enc, secret: export(opener)}, err
}

func export(c hpke.Context) []byte { return c.Export([]byte("ov/v1/answer"), nonceSize) }

// An Exchange is one request and its answer, on either side.
type Exchange struct{ enc, secret []byte }

// Seal seals the answer.
func (e *Exchange) Seal(answer []byte) ([]byte, error) {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	aead, iv, err := e.keys(nonce)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nonce, iv, pad(answer), nil), nil
}

// Open opens the answer. It is ErrSealed for the answer to any other request.
func (e *Exchange) Open(sealed []byte) ([]byte, error) {
	if len(sealed) < nonceSize {
		return nil, ErrSealed
	}
	aead, iv, err := e.keys(sealed[:nonceSize])
	if err != nil {
		return nil, err
	}
	padded, err := aead.Open(nil, iv, sealed[nonceSize:], nil)
	if err != nil {
		return nil, ErrSealed
	}
	return unpad(padded)
}

// keys derives the answer's key and nonce.
func (e *Exchange) keys(nonce []byte) (cipher.AEAD, []byte, error) {
	salt := append(append([]byte(nil), e.enc...), nonce...)
	prk, err := hkdf.Extract(sha256.New, e.secret, salt)
	if err != nil {
		return nil, nil, fmt.Errorf("derive answer key: %w", err)
	}
	key, err := hkdf.Expand(sha256.New, prk, "key", 32)
	if err != nil {
		return nil, nil, fmt.Errorf("derive answer key: %w", err)
	}
	iv, err := hkdf.Expand(sha256.New, prk, "nonce", gcmNonce)
	if err != nil {
		return nil, nil, fmt.Errorf("derive answer key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("derive answer key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return aead, iv, err
}

// Padding hides how long a body is to within its bucket.
const (
	smallestBucket = 512
	largestStep    = 64 << 10
)

// pad returns LP(b) and zeros up to the next power of two, from largestStep on
// up to the next multiple of it.
func pad(b []byte) []byte {
	n, size := len(b)+4, smallestBucket
	for size < n && size < largestStep {
		size *= 2
	}
	if size < n {
		size = (n + largestStep - 1) / largestStep * largestStep
	}
	return append(lp.Append(make([]byte, 0, size), b), make([]byte, size-n)...)
}

// unpad undoes pad.
func unpad(b []byte) ([]byte, error) {
	r := lp.NewReader(b)
	out := r.Field()
	if r.Bad() {
		return nil, ErrSealed
	}
	return out, nil
}
