package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/seal"
)

// seenFile remembers, outside the store, the newest state of the vault that
// this device has seen. A store that offers less was rolled back.
//
// It has two places, written in turn, so that a torn write loses the older
// state only: nothing in it needs a sync.
const (
	seenFile  = "seen"
	seenMagic = "ovseen1\n" // of a vault of this machine
	seenThere = "ovseen2\n" // of the copy of one on a server
	seenSize  = 512         // a place; one disk sector
	seenBody  = 8 + 16 + 8 + 32 + 32 + 1
)

// A mark is one remembered state.
type mark struct {
	vault    seal.VaultID
	seq      uint64
	root     seal.Hash
	manifest seal.Hash // zero for seq 0, before the first commit
	floor    seal.Suite
	served   bool // the vault is on a server; it stays so
}

// mark is what is to be remembered of s.
func (v *Vault) mark(s *state) mark {
	m := s.mark(v.vault)
	m.served = v.served
	return m
}

func (m mark) body() []byte {
	magic := seenMagic
	if m.served {
		magic = seenThere
	}
	b := append(make([]byte, 0, seenBody), magic...)
	b = append(b, m.vault[:]...)
	b = binary.BigEndian.AppendUint64(b, m.seq)
	b = append(b, m.root[:]...)
	b = append(b, m.manifest[:]...)
	return append(b, byte(m.floor))
}

// bytes returns the stored form: body, MAC under the Secret Key, MAC under the
// device's signing key. The first can be checked before the vault is open, the
// second cannot be forged by who has only the device's files.
func (m mark) bytes(k *keyring) []byte {
	b := m.body()
	return append(append(b, mac(k.seen, b)...), mac(k.mark, b)...)
}

func mac(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("ov/v1/seen"))
	h.Write(b)
	return h.Sum(nil)
}

// parseMark reads one place; ok is false when its first MAC does not hold.
func parseMark(b, seenKey []byte) (m mark, vaultMAC []byte, ok bool) {
	if m.served = bytes.HasPrefix(b, []byte(seenThere)); len(b) < seenBody+64 || !m.served && !bytes.HasPrefix(b, []byte(seenMagic)) {
		return m, nil, false
	}
	body := b[:seenBody]
	if !hmac.Equal(mac(seenKey, body), b[seenBody:seenBody+32]) {
		return m, nil, false
	}
	rest := body[len(seenMagic):]
	copy(m.vault[:], rest)
	m.seq = binary.BigEndian.Uint64(rest[16:])
	copy(m.root[:], rest[24:])
	copy(m.manifest[:], rest[56:])
	m.floor = seal.Suite(rest[88])
	return m, b[seenBody+32 : seenBody+64], true
}

// readSeen returns the newest mark in dir and its second MAC, or ErrRollback
// when there is none: the file is made with the vault.
func readSeen(dir string, seenKey []byte) (mark, []byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, seenFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil, fmt.Errorf("read what was seen: %w", err)
	}
	best, bestMAC, _, found := newestMark(b, seenKey)
	if !found {
		return mark{}, nil, fmt.Errorf("read %s: missing or damaged: %w", filepath.Join(dir, seenFile), ErrRollback)
	}
	return best, bestMAC, nil
}

// newestMark returns the newest valid mark of a file and the place it is in.
func newestMark(b, seenKey []byte) (best mark, bestMAC []byte, place int, found bool) {
	for i := range 2 {
		if len(b) < i*seenSize {
			break
		}
		m, vaultMAC, ok := parseMark(b[i*seenSize:], seenKey)
		if ok && (!found || m.newer(best)) {
			best, bestMAC, place, found = m, vaultMAC, i, true
		}
	}
	return best, bestMAC, place, found
}

// newer reports whether m is to be remembered rather than n.
func (m mark) newer(n mark) bool { return m.seq > n.seq || m.seq == n.seq && m.served && !n.served }

// writeSeen remembers m, unless something newer is remembered already; force
// forgets what was seen before.
func writeSeen(dir string, m mark, k *keyring, force bool) error {
	f, err := openLocked(filepath.Join(dir, seenFile))
	if err != nil {
		return fmt.Errorf("remember what was seen: %w", err)
	}
	defer f.Close() // lets go of the lock
	b := make([]byte, 2*seenSize)
	n, _ := f.ReadAt(b, 0)
	last, _, place, found := newestMark(b[:n], k.seen)
	switch {
	case force:
		place = 0
		if err := f.Truncate(0); err != nil {
			return fmt.Errorf("remember what was seen: %w", err)
		}
	case found && !m.newer(last):
		return nil
	case found:
		place = 1 - place
	}
	out := make([]byte, seenSize)
	copy(out, m.bytes(k))
	if _, err := f.WriteAt(out, int64(place*seenSize)); err != nil {
		return fmt.Errorf("remember what was seen: %w", err)
	}
	return nil
}
