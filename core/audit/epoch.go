package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// epochSize is how many records one signing key covers.
const epochSize = 256

// A checkpoint is the signed end of an epoch, a note in the form of
// C2SP tlog-checkpoint with two lines more:
//
//	ov-audit/<log id>
//	<lines that it covers>
//	<root of the tree over their MACs, base64>
//	mac <MAC of the last of them, hex>
//	next <verifier key of the next epoch>
//
//	— ov-audit/<log id> <signature>
type checkpoint struct {
	log  string
	size uint64
	root tlog.Hash
	mac  [macSize]byte
	next string
}

func origin(id [8]byte) string { return "ov-audit/" + hex.EncodeToString(id[:]) }

func (c checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nmac %x\nnext %s\n", c.log, c.size, base64.StdEncoding.EncodeToString(c.root[:]), c.mac, c.next)
}

// sign returns the note.
func (c checkpoint) sign(key ed25519.PrivateKey) (string, error) {
	signed, err := note.Sign(&note.Note{Text: c.text()}, epochSigner{c.log, key})
	return string(signed), err
}

// openCheckpoint checks a note against the verifier key that was announced.
func openCheckpoint(signed, verifier string) (checkpoint, error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return checkpoint{}, err
	}
	n, err := note.Open([]byte(signed), note.VerifierList(v))
	if err != nil {
		return checkpoint{}, err
	}
	var c checkpoint
	f := strings.Split(n.Text, "\n")
	if len(f) != 6 {
		return checkpoint{}, errors.New("malformed checkpoint")
	}
	c.log = f[0]
	if c.size, err = strconv.ParseUint(f[1], 10, 64); err != nil {
		return checkpoint{}, err
	}
	if c.root, err = tlog.ParseHash(f[2]); err != nil {
		return checkpoint{}, err
	}
	mac, err := hex.DecodeString(strings.TrimPrefix(f[3], "mac "))
	if err != nil || len(mac) != macSize {
		return checkpoint{}, errors.New("malformed checkpoint")
	}
	copy(c.mac[:], mac)
	c.next = strings.TrimPrefix(f[4], "next ")
	if c.text() != n.Text {
		return checkpoint{}, errors.New("malformed checkpoint")
	}
	return c, nil
}

// verifier is the public half of an epoch's key as notes spell it.
func verifier(log string, key ed25519.PrivateKey) string {
	v, err := note.NewEd25519VerifierKey(log, key.Public().(ed25519.PublicKey))
	if err != nil {
		panic("audit: verifier key: " + err.Error()) // the key has the right length
	}
	return v
}

// epochSigner signs notes with a key that is kept as bytes, not as text.
type epochSigner struct {
	name string
	key  ed25519.PrivateKey
}

func (s epochSigner) Name() string { return s.name }

// KeyHash is the number that a verifier key carries in its middle part.
func (s epochSigner) KeyHash() uint32 {
	part := strings.SplitN(verifier(s.name, s.key), "+", 3)[1]
	n, err := strconv.ParseUint(part, 16, 32)
	if err != nil {
		panic("audit: key hash: " + err.Error()) // NewEd25519VerifierKey writes it in hex
	}
	return uint32(n)
}

func (s epochSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }
