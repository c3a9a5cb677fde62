package audit

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// A mark says where the log ends. It lies beside the log, is written after
// every append and never synced but at an epoch's end: after a crash it may be
// behind the log, and the lines after it are then checked and taken over. It
// is never ahead, so a log that ends before its mark was cut.
//
// The file has two places, written in turn: a torn write loses one step.
const (
	markFile  = "mark"
	markMagic = "ovmark1\n"
	markSize  = 4096 // a place
)

type mark struct {
	gen   uint64 // number of this mark
	file  uint64 // number of the last file
	size  uint64 // its length
	lines uint64 // of the whole log
	n     uint64 // records
	mac   [macSize]byte
	epoch uint64
	id    [8]byte // of the log
	tree  tree
	key   ed25519.PrivateKey // signs the current epoch
	next  ed25519.PrivateKey // announced at its end, signs the next one
}

// clone returns a copy whose tree may be changed.
func (m *mark) clone() *mark {
	c := *m
	c.tree = slices.Clone(m.tree)
	return &c
}

// bytes returns the stored form: fields, the two signing keys sealed, a MAC.
func (m *mark) bytes(k *keys) []byte {
	b := append(make([]byte, 0, markSize), markMagic...)
	for _, n := range []uint64{m.gen, m.file, m.size, m.lines, m.n, m.epoch} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, m.id[:]...)
	b = append(b, m.mac[:]...)
	b = append(b, sealKeys(k, m.key, m.next)...)
	b = append(b, byte(len(m.tree)))
	for _, h := range m.tree {
		b = append(b, h[:]...)
	}
	h := hmac.New(sha256.New, k.mark)
	h.Write(b)
	return h.Sum(b)
}

const (
	markFixed  = len(markMagic) + 6*8 + 8 + macSize
	sealedKeys = 2*ed25519.SeedSize + 12 + 16
)

// parseMark reads one place.
func parseMark(b []byte, k *keys) (*mark, bool) {
	if len(b) < markFixed+sealedKeys+1 || !bytes.HasPrefix(b, []byte(markMagic)) {
		return nil, false
	}
	levels := int(b[markFixed+sealedKeys])
	end := markFixed + sealedKeys + 1 + levels*len(tlog.Hash{})
	if levels > 64 || len(b) < end+macSize {
		return nil, false
	}
	h := hmac.New(sha256.New, k.mark)
	h.Write(b[:end])
	if !hmac.Equal(h.Sum(nil), b[end:end+macSize]) {
		return nil, false
	}
	m := &mark{}
	f := b[len(markMagic):]
	for i, dst := range []*uint64{&m.gen, &m.file, &m.size, &m.lines, &m.n, &m.epoch} {
		*dst = binary.BigEndian.Uint64(f[8*i:])
	}
	copy(m.id[:], f[48:])
	copy(m.mac[:], f[56:])
	var ok bool
	if m.key, m.next, ok = openKeys(k, b[markFixed:markFixed+sealedKeys]); !ok {
		return nil, false
	}
	for i := range levels {
		m.tree = append(m.tree, tlog.Hash(b[markFixed+sealedKeys+1+i*32:][:32]))
	}
	return m, true
}

// newestMark returns the newer of the two places of a mark file.
func newestMark(b []byte, k *keys) (best *mark) {
	for i := range 2 {
		if len(b) <= i*markSize {
			break
		}
		if m, ok := parseMark(b[i*markSize:min(len(b), (i+1)*markSize)], k); ok && (best == nil || m.gen > best.gen) {
			best = m
		}
	}
	return best
}

func markGCM(k *keys) cipher.AEAD {
	block, err := aes.NewCipher(k.epoch)
	if err != nil {
		panic("audit: AES: " + err.Error()) // the key has 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("audit: GCM: " + err.Error())
	}
	return aead
}

func sealKeys(k *keys, a, b ed25519.PrivateKey) []byte {
	seeds := append(a.Seed(), b.Seed()...)
	defer clear(seeds)
	return markGCM(k).Seal(nil, nil, seeds, []byte("ov/v1/audit/epoch-keys"))
}

func openKeys(k *keys, box []byte) (a, b ed25519.PrivateKey, ok bool) {
	seeds, err := markGCM(k).Open(nil, nil, box, []byte("ov/v1/audit/epoch-keys"))
	if err != nil {
		return nil, nil, false
	}
	defer clear(seeds)
	return ed25519.NewKeyFromSeed(seeds[:ed25519.SeedSize]), ed25519.NewKeyFromSeed(seeds[ed25519.SeedSize:]), true
}

func newSigningKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(fmt.Sprintf("audit: no randomness: %v", err)) // rand.Reader never fails
	}
	return key
}

// A tree is the right edge of the Merkle tree (RFC 6962) over the lines' MACs:
// the roots of its full subtrees, largest first. n lines have as many as n has
// bits set.
type tree []tlog.Hash

// add appends the line with number n, from 0, in place.
func (t tree) add(n uint64, mac [macSize]byte) tree {
	h := tlog.RecordHash(mac[:])
	for ; n&1 == 1; n >>= 1 {
		h = tlog.NodeHash(t[len(t)-1], h)
		t = t[:len(t)-1]
	}
	return append(t, h)
}

// root is the tree's hash.
func (t tree) root() tlog.Hash {
	if len(t) == 0 {
		return tlog.Hash(sha256.Sum256(nil))
	}
	h := t[len(t)-1]
	for i := len(t) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t[i], h)
	}
	return h
}
