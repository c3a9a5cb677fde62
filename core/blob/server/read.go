package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// tag is the ETag of a head: its number, and enough of its hash to tell it from
// another of the same number.
func tag(h depot.Head) string { return fmt.Sprintf(`"%d-%x"`, h.Seq, h.Chain[:8]) }

func (s *Server) getHead(w http.ResponseWriter, r *http.Request, c *caller) error {
	w.Header().Set("Etag", tag(c.head))
	w.Header().Set("Cache-Control", "no-store")
	if r.Header.Get("If-None-Match") == tag(c.head) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	m, err := s.c.Depot.Manifest(r.Context(), c.vault, c.head.Seq)
	if errors.Is(err, blob.ErrNotFound) || err == nil && manifest.Chain(m) != c.head.Chain {
		return depot.ErrUnavailable // restored under our feet
	} else if err != nil {
		return err
	}
	writeBinary(w, m)
	return nil
}

func (s *Server) getManifest(w http.ResponseWriter, r *http.Request, c *caller) error {
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 63)
	if err != nil {
		return invalid("a manifest's number is decimal")
	}
	m, err := s.c.Depot.Manifest(r.Context(), c.vault, seq)
	if err != nil {
		return err
	}
	writeBinary(w, m)
	return nil
}

// entriesAtOnce is how many entries go into one write.
const entriesAtOnce = 512

// getChanges streams the entries that came after a commit: ids and sums, which
// a reader holds against the roots of the manifest. A machine or a member gets
// those of its environments, for each of which the manifest has a root.
func (s *Server) getChanges(w http.ResponseWriter, r *http.Request, c *caller) error {
	since, err := strconv.ParseUint(r.URL.Query().Get("since"), 10, 63)
	if err != nil {
		return invalid("since is a decimal number")
	}
	entries, err := s.c.Depot.Changes(r.Context(), c.vault, since)
	if err != nil {
		return err
	}
	if c.principal != nil {
		entries = slices.DeleteFunc(entries, func(e blob.Entry) bool { return !c.sees(e) })
	}
	w.Header().Set("Content-Type", wire.TypeBinary)
	b := wire.EntriesHeader(len(entries))
	for i := range entries {
		b = wire.AppendEntry(b, entries[i])
		if (i+1)%entriesAtOnce == 0 {
			if _, err := w.Write(b); err != nil {
				return nil //nolint:nilerr // the client has gone
			}
			b = b[:0]
		}
	}
	_, _ = w.Write(b)
	return nil
}

// answerBytes is about how much data one answer carries.
const answerBytes = 8 << 20

func (s *Server) postRecords(w http.ResponseWriter, r *http.Request, c *caller) error {
	body, err := c.body(w, r, wire.MaxBody)
	if err != nil {
		return err
	}
	keys, err := wire.ParseKeys(body)
	if err != nil {
		return err
	}
	if len(keys) > wire.MaxKeys {
		return invalid("%d keys, at most %d at once", len(keys), wire.MaxKeys)
	}
	recs, err := s.records(r, c, keys)
	if err != nil {
		return err
	}
	writeBinary(w, wire.EncodeRecords(recs))
	return nil
}

func (s *Server) getRecord(w http.ResponseWriter, r *http.Request, c *caller) error {
	var k blob.Key
	kind, err := strconv.ParseUint(r.PathValue("kind"), 10, 8)
	version, err2 := strconv.ParseUint(r.PathValue("version"), 10, 63)
	if err != nil || err2 != nil || !unhex(k.ID[:], r.PathValue("id")) {
		return invalid("a record is named by kind, id (64 hex digits) and version")
	}
	k.Kind, k.Version = uint8(kind), version
	recs, err := s.records(r, c, []blob.Key{k})
	if err != nil {
		return err
	}
	writeBinary(w, wire.EncodeRecords(recs))
	return nil
}

// records reads what c may read. What it may not is not there for it.
func (s *Server) records(r *http.Request, c *caller, keys []blob.Key) ([]blob.Record, error) {
	recs, err := s.c.Depot.Get(r.Context(), c.vault, keys, answerBytes)
	if err != nil {
		return nil, err
	}
	for i := range recs {
		if !c.reads(&recs[i]) {
			return nil, forbidden("this key may not read one of these records")
		}
	}
	return recs, nil
}

// reads reports whether c may have the data of rec: a device all, a password
// what it needs to let a device join, a machine or a member its environments and
// its own record.
func (c *caller) reads(rec *blob.Record) bool {
	switch c.key.Role {
	case channel.RoleDevice:
		return true
	case channel.RoleAuth:
		return rec.Kind != manifest.KindSecret
	case channel.RolePrincipal:
		switch rec.Kind {
		case manifest.KindEnvKey, manifest.KindSecret, manifest.KindWrap, manifest.KindEnvPolicy:
			return c.principal.Reads(rec.Group)
		case manifest.KindPrincipal:
			return rec.ID == c.key.ID
		}
	}
	return false
}

// sees reports whether a machine or a member may know of e.
func (c *caller) sees(e blob.Entry) bool {
	return c.principal.Reads(e.Group) || e.Kind == manifest.KindPrincipal && e.ID == c.key.ID
}

func (s *Server) getUsage(w http.ResponseWriter, _ *http.Request, c *caller) error {
	writeJSON(w, http.StatusOK, map[string]int64{
		"records": c.head.Records, "bytes": c.head.Bytes, "max_records": s.c.Limits.Records, "max_bytes": s.c.Limits.Bytes,
	})
	return nil
}

func (s *Server) getLocate(w http.ResponseWriter, r *http.Request) error {
	if s.c.SealedOnly && !isSealed(r.Context()) {
		return sealedOnly()
	}
	var locator [16]byte
	if !unhex(locator[:], r.PathValue("locator")) {
		return invalid("a locator is 32 hex digits")
	}
	if err := s.stranger(r); err != nil {
		return err
	}
	v, err := s.c.Depot.Locate(r.Context(), locator)
	if err != nil {
		return err
	}
	if err := s.attempt(r.Context(), v, []byte("locate")); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write([]byte(hex.EncodeToString(v[:])))
	return nil
}

func (s *Server) getKey(w http.ResponseWriter, _ *http.Request) error {
	writeBinary(w, s.c.Key.Public())
	return nil
}

func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": s.c.Version})
	return nil
}

// getReady says whether requests should come here: the database answers, and
// the server is not about to stop.
func (s *Server) getReady(w http.ResponseWriter, r *http.Request) error {
	if s.draining.Load() {
		return &problem{status: http.StatusServiceUnavailable, code: wire.CodeUnavailable, text: "shutting down"}
	}
	if err := s.c.Depot.Ping(r.Context()); err != nil {
		return fmt.Errorf("%w: %w", depot.ErrUnavailable, err)
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	return nil
}
