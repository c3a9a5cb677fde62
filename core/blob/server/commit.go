package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
)

// maxIdempotencyKey is how long a client's key may be.
const maxIdempotencyKey = 128

func (s *Server) postCommit(w http.ResponseWriter, r *http.Request, c *caller) error {
	// 1. Who may write at all.
	if p := c.principal; p != nil && p.Role != manifest.RoleWriter {
		return forbidden("this key only reads")
	}
	name := r.Header.Get(wire.HeaderIdempotency)
	if name == "" || len(name) > maxIdempotencyKey {
		return invalid("a commit wants an %s of at most %d characters", wire.HeaderIdempotency, maxIdempotencyKey)
	}
	// 2. What is asked for.
	body, err := c.body(w, r, wire.MaxBody)
	if err != nil {
		return err
	}
	in, err := wire.ParseCommit(body)
	if err != nil {
		return err
	}
	next, err := s.parse(in.Manifest)
	if err != nil {
		return err
	}
	if err := s.mayCommit(r.Context(), c, in, next); err != nil {
		return err
	}
	// 3. Whether it fits the vault.
	key, hash := sha256.Sum256(lp.Join([]byte(c.key.String()), []byte(name))), sha256.Sum256(body)
	if err := s.parts(r.Context(), c, in); errors.Is(err, errNoParts) {
		return s.repeated(w, r.Context(), c, in, key, hash)
	} else if err != nil {
		return err
	}
	prev, prevData, err := s.before(r.Context(), c, in)
	if err != nil {
		return err
	}
	if err := admit(in, c.vault, next, prev, prevData); err != nil {
		return err
	}
	if next.Writer != nil && c.head.Seq == in.Base { // else it is one made before, or comes too late: the depot says which
		if err := s.admitMember(r.Context(), c, in, next, prev); err != nil {
			return err
		}
	}
	// 4. Make it so.
	dc := depot.Commit{
		Commit: in.Commit, Chain: manifest.Chain(in.Manifest), Locator: in.Locator,
		Key: key, Hash: hash, Time: s.c.Now(), Limits: s.c.Limits,
	}
	if in.Parts > 0 {
		dc.Upload = in.Upload[:]
	}
	if prev != nil {
		dc.Prev = next.Prev
		if dc.Notes, err = s.dropped(r.Context(), c.vault, prev, next); err != nil {
			return err
		}
	}
	return s.commit(w, r.Context(), c, dc)
}

// commit hands dc to the depot and answers.
func (s *Server) commit(w http.ResponseWriter, ctx context.Context, c *caller, dc depot.Commit) error {
	before, err := s.c.Depot.Commit(ctx, c.vault, dc)
	s.watch.commit(before, err)
	if c.principal == nil {
		if err := s.deviceCommitted(ctx, c, err); err != nil {
			return err
		}
	}
	if errors.Is(err, blob.ErrConflict) {
		return s.conflict(ctx, c.vault)
	} else if err != nil {
		return err
	}
	made(w, dc.Seq, dc.Chain)
	return nil
}

// made answers a commit that was made, now or before.
func made(w http.ResponseWriter, seq uint64, chain manifest.Hash) {
	w.Header().Set("Etag", tag(depot.Head{Seq: seq, Chain: chain}))
	writeJSON(w, http.StatusOK, map[string]uint64{"seq": seq})
}

// repeated answers a commit whose parts are gone, which they are once it was
// made. It makes nothing.
func (s *Server) repeated(w http.ResponseWriter, ctx context.Context, c *caller, in *wire.Commit, key, hash [32]byte) error {
	done, err := s.c.Depot.Done(ctx, c.vault, key, hash)
	switch {
	case err != nil:
		return err
	case done:
		s.watch.commit(true, nil)
		made(w, in.Seq, manifest.Chain(in.Manifest))
		return nil
	}
	if h, err := s.c.Depot.Head(ctx, c.vault); err == nil && h.Seq > in.Base {
		return s.conflict(ctx, c.vault)
	} else if err != nil && !errors.Is(err, blob.ErrEmpty) {
		return err
	}
	return invalid("none of the %d parts that the commit names is here", in.Parts)
}

// conflict says where the head is now.
func (s *Server) conflict(ctx context.Context, v depot.Vault) error {
	p := &problem{status: http.StatusConflict, code: wire.CodeConflict, text: "the head has moved on"}
	h, _, err := s.headManifest(ctx, v)
	if err == nil {
		p.seq = h.Seq
		p.manifest, err = s.c.Depot.Manifest(ctx, v, h.Seq)
	}
	if err != nil && !errors.Is(err, blob.ErrEmpty) && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	return p
}

// mayCommit checks who signed the request against who signed the manifest. A
// device that the vault does not know is verified here, with the key that its
// own manifest lists; whether that manifest may follow is for admit to say.
func (s *Server) mayCommit(ctx context.Context, c *caller, in *wire.Commit, next *manifest.Manifest) error {
	switch {
	case c.unknown && in.Base == 0:
		if err := s.mayCreate(ctx, c); err != nil {
			return err
		}
	case c.unknown && c.manifest == nil:
		return blob.ErrEmpty
	case c.unknown: // it says that it has the password
		if err := s.attempt(ctx, c.vault, in.Manifest); err != nil {
			return err
		}
	case c.principal != nil && (next.Writer == nil || next.Writer.ID() != c.key.ID):
		return forbidden("another one signed the manifest")
	case c.principal == nil && next.Writer != nil:
		return forbidden("a member signed the manifest")
	case c.key.Role == channel.RoleDevice && next.Signer != c.key.DeviceID():
		return forbidden("another device signed the manifest")
	}
	if !c.unknown {
		return nil
	}
	key, ok := next.Device(c.key.DeviceID())
	if !ok || next.Signer != c.key.DeviceID() {
		return unknownKey()
	}
	return s.verify(c, key)
}

// mayCreate checks whether there may be a new vault.
func (s *Server) mayCreate(ctx context.Context, c *caller) error {
	if c.manifest != nil {
		return s.conflict(ctx, c.vault)
	}
	if s.c.Closed {
		return forbidden("this server takes no new vaults")
	}
	if s.c.MaxVaults == 0 {
		return nil
	}
	n, err := s.c.Depot.Count(ctx)
	if err == nil && n >= s.c.MaxVaults {
		err = depot.ErrQuota
	}
	return err
}

// before returns the manifest that the commit was made on, nil for none.
func (s *Server) before(ctx context.Context, c *caller, in *wire.Commit) (*manifest.Manifest, []byte, error) {
	if in.Base == 0 {
		return nil, nil, nil
	}
	if c.manifest == nil {
		return nil, nil, blob.ErrEmpty
	}
	data, err := s.c.Depot.Manifest(ctx, c.vault, in.Base)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil, s.conflict(ctx, c.vault)
	} else if err != nil {
		return nil, nil, err
	}
	m, err := s.parse(data)
	return m, data, err
}

// dropped returns a note for each key that prev lists and next does not, so
// that its holder can be told that it was revoked.
func (s *Server) dropped(ctx context.Context, v depot.Vault, prev, next *manifest.Manifest) ([]depot.Note, error) {
	var out []depot.Note
	for _, d := range prev.Devices {
		if _, ok := next.Device(d.ID); !ok {
			out = append(out, depot.Note{Kind: depot.NoteRevoked, ID: []byte(channel.Device(d.ID).String()), Body: d.Key[:]})
		}
	}
	still := map[manifest.ID]bool{}
	for _, list := range [][]manifest.Entity{next.Machines, next.Members} {
		for _, e := range list {
			still[e.ID] = true
		}
	}
	for _, list := range [][]manifest.Entity{prev.Machines, prev.Members} {
		for _, e := range list {
			if still[e.ID] {
				continue
			}
			p, err := s.principal(ctx, v, prev, e.ID)
			if err != nil {
				return nil, err
			}
			if p != nil {
				id := channel.KeyID{Role: channel.RolePrincipal, ID: e.ID}
				out = append(out, depot.Note{Kind: depot.NoteRevoked, ID: []byte(id.String()), Body: p.Sign[:]})
			}
		}
	}
	return out, nil
}
