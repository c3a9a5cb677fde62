package channel

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/lp"
)

// Skew is how far the clocks of client and server may differ.
const Skew = 120 * time.Second

// scheme is the first word of the Authorization header.
const scheme = "OV1"

// Errors of a signature that is not taken.
var (
	ErrUnsigned  = errors.New("request is not signed")
	ErrSignature = errors.New("signature does not fit the request")
	ErrSkew      = errors.New("clocks differ too much")
)

// A Request is what a signature covers. Body is the hash of the body, so that a
// server can refuse a signature before it reads a byte of the body.
type Request struct {
	Method, Host, Path, Query string
	Body                      [sha256.Size]byte
}

// A Signature is the claim that Key sent a Request at Time.
type Signature struct {
	Key   KeyID
	Time  time.Time // to the millisecond
	Nonce [16]byte
	Body  [sha256.Size]byte
	Sig   []byte
}

// A Signer signs for one key of a vault, which stays with it.
type Signer interface {
	Key() KeyID
	Sign(message []byte) ([]byte, error)
}

// message is what is signed:
//
//	LP("ov/v1/request", key id, method, host, path, query, SHA-256 of the body, time in ms[8], nonce[16])
func (s *Signature) message(r Request) []byte {
	return lp.Join([]byte("ov/v1/request"), []byte(s.Key.String()), []byte(r.Method), []byte(strings.ToLower(r.Host)), []byte(r.Path),
		[]byte(r.Query), r.Body[:], lp.U64(uint64(s.Time.UnixMilli())), s.Nonce[:])
}

// Sign returns the Authorization header of r.
func Sign(r Request, signer Signer, now time.Time) (string, error) {
	s := &Signature{Key: signer.Key(), Time: now.Truncate(time.Millisecond), Body: r.Body}
	rand.Read(s.Nonce[:]) // never fails: it ends the program instead
	sig, err := signer.Sign(s.message(r))
	if err != nil {
		return "", fmt.Errorf("sign request: %w", err)
	}
	s.Sig = sig
	return s.header(), nil
}

func (s *Signature) header() string {
	return fmt.Sprintf("%s key=%s, time=%d, nonce=%x, body=%x, sig=%x", scheme, s.Key, s.Time.UnixMilli(), s.Nonce, s.Body, s.Sig)
}

// ParseSignature reads an Authorization header, whose fields come in the order
// in which Sign writes them.
func ParseSignature(header string) (*Signature, error) {
	if header == "" {
		return nil, ErrUnsigned
	}
	rest, ok := strings.CutPrefix(header, scheme+" ")
	fields := strings.Split(rest, ", ")
	if !ok || len(fields) != 5 {
		return nil, fmt.Errorf("authorization header: %w", ErrUnsigned)
	}
	var vals [5]string
	for i, name := range []string{"key", "time", "nonce", "body", "sig"} {
		if vals[i], ok = strings.CutPrefix(fields[i], name+"="); !ok {
			return nil, fmt.Errorf("authorization header without %s: %w", name, ErrUnsigned)
		}
	}
	s := &Signature{Sig: make([]byte, ed25519.SignatureSize)}
	var err error
	if s.Key, err = ParseKeyID(vals[0]); err != nil {
		return nil, fmt.Errorf("authorization header: %w (%w)", ErrUnsigned, err)
	}
	ms, err := strconv.ParseInt(vals[1], 10, 64)
	if err != nil || !unhex(s.Nonce[:], vals[2]) || !unhex(s.Body[:], vals[3]) || !unhex(s.Sig, vals[4]) {
		return nil, fmt.Errorf("authorization header: bad field: %w", ErrUnsigned)
	}
	s.Time = time.UnixMilli(ms)
	return s, nil
}

// unhex fills dst with what s spells.
func unhex(dst []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(dst)) {
		return false
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}

// CheckTime returns ErrSkew when the request was signed too far from now. The
// error names both times: one of the clocks is wrong.
func (s *Signature) CheckTime(now time.Time) error {
	if d := now.Sub(s.Time); d > Skew || d < -Skew {
		return fmt.Errorf("signed at %s, received at %s: %w", s.Time.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), ErrSkew)
	}
	return nil
}

// Verify returns ErrSignature unless the holder of public signed r.
func (s *Signature) Verify(r Request, public []byte) error {
	if len(public) != ed25519.PublicKeySize || r.Body != s.Body || !ed25519.Verify(public, s.message(r), s.Sig) {
		return ErrSignature
	}
	return nil
}
