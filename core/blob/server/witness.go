package server

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
)

// A device's audit log only grows. The server remembers the largest size that
// the device has shown and refuses a smaller one: a log that was cut, or
// restored from before, cannot be shown again. Each note stays here for its
// device to compare.
const maxCheckpoint = 4 << 10

// storedCheckpoint is a checkpoint's note: size[8] note.
func storedCheckpoint(c wire.Checkpoint) []byte {
	return append(binary.BigEndian.AppendUint64(nil, c.Size), c.Note...)
}

func readCheckpoint(b []byte) wire.Checkpoint {
	if len(b) < 8 {
		return wire.Checkpoint{}
	}
	return wire.Checkpoint{Size: binary.BigEndian.Uint64(b), Note: b[8:]}
}

func (s *Server) putWitness(w http.ResponseWriter, r *http.Request, c *caller) error {
	body, err := c.body(w, r, maxCheckpoint)
	if err != nil {
		return err
	}
	var cp wire.Checkpoint
	if err := json.Unmarshal(body, &cp); err != nil || len(cp.Note) == 0 {
		return invalid("a checkpoint is a size and a note")
	}
	id := c.key.DeviceID()
	for range 5 {
		n, err := s.c.Depot.Note(r.Context(), c.vault, depot.NoteWitness, id[:], s.c.Now())
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return err
		}
		seen := readCheckpoint(n.Body)
		if cp.Size < seen.Size || cp.Size == seen.Size && n.Version > 0 && !bytes.Equal(cp.Note, seen.Note) {
			return &problem{status: http.StatusConflict, code: wire.CodeConflict, text: "a larger audit log, or another of this size, was shown before", seq: seen.Size}
		}
		if cp.Size == seen.Size && n.Version > 0 {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		next := depot.Note{Kind: depot.NoteWitness, ID: id[:], Version: n.Version + 1, Body: storedCheckpoint(cp)}
		if err = s.c.Depot.PutNote(r.Context(), c.vault, next, s.c.Now()); err == nil {
			w.WriteHeader(http.StatusNoContent)
			return nil
		} else if !errors.Is(err, blob.ErrConflict) {
			return err
		}
	}
	return tooMany(time.Second) // the device shows many at once
}

func (s *Server) getWitness(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := c.key.DeviceID()
	n, err := s.c.Depot.Note(r.Context(), c.vault, depot.NoteWitness, id[:], s.c.Now())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, readCheckpoint(n.Body))
	return nil
}
