package seal

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
)

// What travels between two people, by whatever way they have, is one line of
// text. A checksum tells a line that was cut or mistyped; who made it is told by
// the words that both compare, and by nothing else.

// Errors of texts.
var (
	ErrRequestText    = errors.New("not a request for an environment, or not the whole of it")
	ErrInvitationText = errors.New("not an invitation, or not the whole of it")
)

// MaxText is the longest text that is looked at, in bytes.
const MaxText = 64 << 10

// What a text begins with.
const (
	RequestPrefix    = "ovask1_"
	InvitationPrefix = "ovinv1_"
)

const textCheck = 4 // bytes of checksum

// Text returns the form in which a member's request is handed out: one line.
// There is nothing secret in it.
func (r *Request) Text() string { return toText(RequestPrefix, r.Bytes()) }

// ParseRequestText reads what Text wrote. White space does not matter: a line
// that a mail program wrapped is whole. A device's request is none.
func ParseRequestText(text string) (*Request, error) {
	body, err := fromText(RequestPrefix, text, ErrRequestText)
	if err != nil {
		return nil, err
	}
	r, err := ParseRequest(body)
	if err != nil || !r.IsMember() || strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' || c > '~' }) {
		return nil, ErrRequestText
	}
	return r, nil
}

// InvitationText returns the form in which an invitation is handed out: one
// line, which opens for who asked and for nobody else.
func InvitationText(invitation []byte) string { return toText(InvitationPrefix, invitation) }

// ParseInvitationText reads what InvitationText wrote, likewise.
func ParseInvitationText(text string) ([]byte, error) {
	return fromText(InvitationPrefix, text, ErrInvitationText)
}

// toText is prefix and base64url of
//
//	format[1] body check[4]
func toText(prefix string, body []byte) string {
	b := append([]byte{manifest.Format}, body...)
	sum := textSum(prefix, b)
	return prefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:]...))
}

func textSum(prefix string, b []byte) (out [textCheck]byte) {
	h := sha256.Sum256(lp.Join([]byte("ov/v1/text"), []byte(prefix), b))
	copy(out[:], h[:])
	return out
}

func fromText(prefix, text string, bad error) ([]byte, error) {
	if len(text) > MaxText {
		return nil, bad
	}
	line, ok := strings.CutPrefix(strings.Join(strings.Fields(text), ""), prefix)
	if !ok {
		return nil, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(line)
	if err != nil || len(b) < 1+textCheck {
		return nil, bad
	}
	body := b[:len(b)-textCheck]
	if textSum(prefix, body) != [textCheck]byte(b[len(body):]) {
		return nil, bad
	}
	if body[0] != manifest.Format {
		return nil, ErrVersion
	}
	return body[1:], nil
}
