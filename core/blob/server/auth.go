package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// A caller is who sent a request, and what its vault looked like then.
type caller struct {
	vault     depot.Vault
	key       channel.KeyID
	sig       *channel.Signature
	head      depot.Head
	manifest  *manifest.Manifest  // nil: the vault is not there yet
	principal *manifest.Principal // of channel.RolePrincipal
	// unknown: the vault does not list the key, and nothing was verified. See
	// route.stranger.
	unknown bool
	request channel.Request
}

// authenticate finds out who sent r. It reads no byte of the body: the
// signature is over its hash.
func (s *Server) authenticate(r *http.Request, v depot.Vault, rt route) (*caller, error) {
	if !s.knows(r.Host) {
		return nil, &problem{status: http.StatusMisdirectedRequest, code: wire.CodeInvalid, text: "this server goes by another name"}
	}
	sig, err := channel.ParseSignature(r.Header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	if err := sig.CheckTime(s.c.Now()); err != nil {
		return nil, err
	}
	c := &caller{vault: v, key: sig.Key, sig: sig, request: channel.Request{
		Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: sig.Body,
	}}
	if !rt.who.allow(sig.Key.Role) {
		return nil, forbidden("a key of this kind may not do this")
	}
	if sig.Key.Role == channel.RoleNew { // anybody's key: count before anything is remembered of it
		if wait, ok := s.newcomers.take(address(r)); !ok {
			return nil, tooMany(wait)
		}
	}
	public, err := s.public(r.Context(), c)
	if errors.Is(err, errUnknown) && rt.stranger {
		c.unknown = true
		return c, s.stranger(r)
	} else if err != nil {
		return nil, err
	}
	return c, s.verify(c, public)
}

// stranger limits what nobody known to the vault asks for, by address.
func (s *Server) stranger(r *http.Request) error {
	if wait, ok := s.strangers.take(address(r)); !ok {
		return tooMany(wait)
	}
	return nil
}

// verify checks the signature with the key that it should be of, that it came
// once, and not too often.
func (s *Server) verify(c *caller, public []byte) error {
	if err := c.sig.Verify(c.request, public); err != nil {
		return err
	}
	if err := s.nonces.Use(c.sig.Nonce, s.c.Now()); err != nil {
		return err
	}
	if wait, ok := s.rates.take(string(c.vault[:]) + c.key.String()); !ok {
		return tooMany(wait)
	}
	return nil
}

// errUnknown says that a vault does not list a key.
var errUnknown = errors.New("unknown key")

func unknownKey() error {
	return unauthorized(wire.CodeUnknownKey, "the vault does not list this key")
}

// public returns the public key that the caller's id stands for, by the head of
// the vault. It is errUnknown for a device that the vault does not list, or whose
// vault is not there.
func (s *Server) public(ctx context.Context, c *caller) ([]byte, error) {
	if c.key.Role == channel.RoleNew {
		return c.key.ID[:], nil
	}
	var err error
	c.head, c.manifest, err = s.headManifest(ctx, c.vault)
	if errors.Is(err, blob.ErrEmpty) && c.key.Role == channel.RoleDevice {
		return nil, errors.Join(errUnknown, err)
	} else if err != nil {
		return nil, err
	}
	switch c.key.Role {
	case channel.RoleDevice:
		if key, ok := c.manifest.Device(c.key.DeviceID()); ok {
			return key, nil
		}
		if err := s.revoked(ctx, c); err != nil {
			return nil, err
		}
		return nil, errors.Join(errUnknown, unknownKey())
	case channel.RoleAuth:
		return s.authKey(ctx, c)
	}
	return s.principalKey(ctx, c)
}

// revoked returns a problem when c's key was listed once and its holder asks.
func (s *Server) revoked(ctx context.Context, c *caller) error {
	n, err := s.c.Depot.Note(ctx, c.vault, depot.NoteRevoked, []byte(c.key.String()), s.c.Now())
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if c.sig.Verify(c.request, n.Body) == nil {
		return unauthorized(wire.CodeRevoked, "this key was revoked")
	}
	return unknownKey()
}

// body reads the request's body, which must be what was signed.
func (c *caller) body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	b, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, invalid("the body ends early")
	}
	if sha256.Sum256(b) != c.sig.Body {
		return nil, channel.ErrSignature
	}
	return b, nil
}

// readAll reads r, which should give size bytes; -1 if that is not known.
func readAll(r io.Reader, size int64) ([]byte, error) {
	var buf bytes.Buffer
	if size > 0 {
		buf.Grow(int(min(size, 1<<20)) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(r)
	return buf.Bytes(), err
}
