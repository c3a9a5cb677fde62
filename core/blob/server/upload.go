package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/manifest"
)

// A commit of more than one request's worth of records is put here in parts
// first. Parts count for nothing until a commit names them, and vanish when it
// is made, or after partLife.
const (
	maxParts = 1024
	partLife = time.Hour
)

// partID is the id of the note that a part is kept in.
func partID(upload [16]byte, part uint32) []byte {
	return binary.BigEndian.AppendUint32(bytes.Clone(upload[:]), part)
}

func (s *Server) putPart(w http.ResponseWriter, r *http.Request, c *caller) error {
	if p := c.principal; p != nil && p.Role != manifest.RoleWriter {
		return forbidden("this key only reads")
	}
	var upload [16]byte
	part, err := strconv.ParseUint(r.PathValue("part"), 10, 32)
	if err != nil || part >= maxParts || !unhex(upload[:], r.PathValue("upload")) {
		return invalid("a part is named by its upload (32 hex digits) and a number below %d", maxParts)
	}
	if c.unknown {
		// The parts of a vault's first commit: nobody can vouch for them yet. They
		// are checked with the commit, whose manifest counts them.
		if c.manifest != nil {
			return unknownKey()
		}
		if err := s.mayCreate(r.Context(), c); err != nil {
			return err
		}
		if wait, ok := s.strangers.takeN(address(r), int(min(max(r.ContentLength, 0), wire.MaxBody)>>20)); !ok {
			return tooMany(wait) // each mebibyte counts
		}
	}
	body, err := c.body(w, r, wire.MaxBody)
	if err != nil {
		return err
	}
	recs, err := wire.ParseRecords(body)
	if err != nil {
		return err
	}
	if len(recs) > wire.MaxRecords {
		return invalid("%d records, at most %d at once", len(recs), wire.MaxRecords)
	}
	if err := s.once(r.Context(), c); err != nil {
		return err
	}
	n := depot.Note{Kind: depot.NotePart, ID: partID(upload, uint32(part)), Version: 1, Body: body, Expires: s.c.Now().Add(partLife)}
	if err := s.putOnce(r.Context(), c.vault, n); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// putOnce writes a note that is new, or is there already with the same body.
func (s *Server) putOnce(ctx context.Context, v depot.Vault, n depot.Note) error {
	err := s.c.Depot.PutNote(ctx, v, n, s.c.Now())
	if !errors.Is(err, blob.ErrConflict) {
		return err
	}
	there, err := s.c.Depot.Note(ctx, v, n.Kind, n.ID, s.c.Now())
	if err == nil && !bytes.Equal(there.Body, n.Body) {
		err = blob.ErrConflict
	}
	return err
}

// errNoParts says that none of the parts that a commit names is here: they never
// were, or it was made before.
var errNoParts = errors.New("no part is here")

// parts puts the records that were staged for a commit in front of its own.
func (s *Server) parts(ctx context.Context, c *caller, in *wire.Commit) error {
	if len(in.Put) > wire.MaxRecords {
		return invalid("%d records, at most %d at once", len(in.Put), wire.MaxRecords)
	}
	if in.Parts == 0 {
		return nil
	}
	notes, err := s.c.Depot.List(ctx, c.vault, depot.NotePart, in.Upload[:], s.c.Now())
	if err != nil {
		return err
	}
	if len(notes) == 0 {
		return errNoParts
	}
	if uint64(len(notes)) != uint64(in.Parts) {
		return invalid("%d parts are here, the commit names %d", len(notes), in.Parts)
	}
	var all []blob.Record
	for i, n := range notes {
		if !bytes.Equal(n.ID, partID(in.Upload, uint32(i))) {
			return invalid("part %d of the upload is not here", i)
		}
		recs, err := wire.ParseRecords(n.Body)
		if err != nil {
			return err
		}
		all = append(all, recs...)
	}
	in.Put = append(all, in.Put...)
	return nil
}
