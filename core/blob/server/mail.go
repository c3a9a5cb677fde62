package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/lp"
)

// A new device leaves a request and waits for the reply of one that the vault
// lists. The server holds both for a moment and understands neither.
const (
	maxRequest  = 4 << 10
	maxReply    = 16 << 10
	maxRequests = 5 // of one vault
	requestLife = 10 * time.Minute
)

// storedRequest is a request's note: LP(key id, body).
func storedRequest(key channel.KeyID, body []byte) []byte { return lp.Join([]byte(key.String()), body) }

func readRequest(n depot.Note) wire.Request {
	r := lp.NewReader(n.Body)
	return wire.Request{ID: hex.EncodeToString(n.ID), Key: string(r.Field()), Body: r.Field(), Expires: n.Expires.UnixMilli()}
}

func (s *Server) postRequest(w http.ResponseWriter, r *http.Request, c *caller) error {
	if err := s.stranger(r); err != nil {
		return err
	}
	body, err := c.body(w, r, maxRequest)
	if err != nil {
		return err
	}
	if _, err := s.c.Depot.Head(r.Context(), c.vault); err != nil {
		return err
	}
	if err := s.once(r.Context(), c); err != nil {
		return err
	}
	waiting, err := s.waiting(r.Context(), c.vault)
	if err != nil {
		return err
	}
	stored := storedRequest(c.key, body)
	id := sha256.Sum256(stored)
	n := depot.Note{Kind: depot.NoteRequest, ID: id[:16], Version: 1, Body: stored, Expires: s.c.Now().Add(requestLife)}
	for _, other := range waiting {
		if bytes.Equal(other.ID, n.ID) {
			n = other // asked again: the same request
		}
	}
	there := isOne(waiting, n.ID)
	if len(waiting) >= maxRequests && !there {
		return tooMany(waiting[0].Expires.Sub(s.c.Now()))
	}
	if err := s.putOnce(r.Context(), c.vault, n); err != nil {
		return err
	}
	if !there {
		if err := s.crowded(r.Context(), c.vault, n); err != nil {
			return err
		}
	}
	out := readRequest(n)
	out.Body = nil
	writeJSON(w, http.StatusCreated, out)
	return nil
}

// crowded takes n back when others left theirs meanwhile, perhaps at another
// replica, and all together are too many: of those that stay, the one that was
// left last has seen all the others.
func (s *Server) crowded(ctx context.Context, v depot.Vault, n depot.Note) error {
	waiting, err := s.waiting(ctx, v)
	if err != nil || len(waiting) <= maxRequests {
		return err
	}
	if err := s.c.Depot.DropNote(ctx, v, n.Kind, n.ID); err != nil {
		return err
	}
	return tooMany(time.Second)
}

// waiting returns the requests that wait for a reply.
func (s *Server) waiting(ctx context.Context, v depot.Vault) ([]depot.Note, error) {
	list, err := s.c.Depot.List(ctx, v, depot.NoteRequest, nil, s.c.Now())
	return slices.DeleteFunc(list, s.misdated), err
}

// misdated reports whether a request was left while the clock was far ahead: it
// would wait, and take the place of others, until then.
func (s *Server) misdated(n depot.Note) bool { return n.Expires.Sub(s.c.Now()) > 2*requestLife }

func isOne(list []depot.Note, id []byte) bool {
	for _, n := range list {
		if bytes.Equal(n.ID, id) {
			return true
		}
	}
	return false
}

func (s *Server) getRequests(w http.ResponseWriter, r *http.Request, c *caller) error {
	waiting, err := s.waiting(r.Context(), c.vault)
	if err != nil {
		return err
	}
	out := []wire.Request{}
	for _, n := range waiting {
		out = append(out, readRequest(n))
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

// request returns the request that r names; a newcomer's own, or for a device any.
func (s *Server) request(ctx context.Context, r *http.Request, c *caller) (depot.Note, error) {
	var id [16]byte
	if !unhex(id[:], r.PathValue("request")) {
		return depot.Note{}, invalid("a request's id is 32 hex digits")
	}
	n, err := s.c.Depot.Note(ctx, c.vault, depot.NoteRequest, id[:], s.c.Now())
	if err == nil && s.misdated(n) {
		err = blob.ErrNotFound
	}
	if err == nil && c.key.Role == channel.RoleNew && readRequest(n).Key != c.key.String() {
		err = blob.ErrNotFound
	}
	return n, err
}

func (s *Server) putReply(w http.ResponseWriter, r *http.Request, c *caller) error {
	n, err := s.request(r.Context(), r, c)
	if err != nil {
		return err
	}
	body, err := c.body(w, r, maxReply)
	if err != nil {
		return err
	}
	if err := s.once(r.Context(), c); err != nil {
		return err
	}
	reply := depot.Note{Kind: depot.NoteReply, ID: n.ID, Version: 1, Body: body, Expires: n.Expires}
	if err := s.putOnce(r.Context(), c.vault, reply); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) getReply(w http.ResponseWriter, r *http.Request, c *caller) error {
	n, err := s.request(r.Context(), r, c)
	if err != nil {
		return err
	}
	reply, err := s.c.Depot.Note(r.Context(), c.vault, depot.NoteReply, n.ID, s.c.Now())
	if err != nil {
		return err
	}
	writeBinary(w, reply.Body)
	return nil
}

func (s *Server) deleteRequest(w http.ResponseWriter, r *http.Request, c *caller) error {
	n, err := s.request(r.Context(), r, c)
	if errors.Is(err, blob.ErrNotFound) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	} else if err != nil {
		return err
	}
	if err := s.once(r.Context(), c); err != nil {
		return err
	}
	err = errors.Join(
		s.c.Depot.DropNote(r.Context(), c.vault, depot.NoteReply, n.ID),
		s.c.Depot.DropNote(r.Context(), c.vault, depot.NoteRequest, n.ID),
	)
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
