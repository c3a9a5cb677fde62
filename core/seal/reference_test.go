package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// The second implementation, from FORMAT.md, with nothing of this package: what
// both agree on is the format, not an accident of the first.

var (
	errRef        = errors.New("reference: does not open")
	errRefVersion = errors.New("reference: newer version")
)

func refLP(parts ...[]byte) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		binary.Write(&b, binary.BigEndian, uint32(len(p)))
		b.Write(p)
	}
	return b.Bytes()
}

func refHMAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// refExpand is RFC 5869, section 2.3.
func refExpand(prk, info []byte, n int) []byte {
	var out, last []byte
	for i := byte(1); len(out) < n; i++ {
		last = refHMAC(prk, last, info, []byte{i})
		out = append(out, last...)
	}
	return out[:n]
}

func refHKDF(key, info []byte) []byte {
	return refExpand(refHMAC(make([]byte, 32), key), info, 32)
}

func refGCM(key, aad, sealed []byte) ([]byte, error) {
	if len(sealed) < 28 {
		return nil, errRef
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(nil, sealed[:12], sealed[12:], aad)
	if err != nil {
		return nil, errRef
	}
	return out, nil
}

func refSealGCM(key, aad, plain []byte) []byte {
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCM(block)
	nonce := NewKey(12)
	return aead.Seal(nonce, nonce, plain, aad)
}

type refPlace struct {
	vault, env []byte
	epoch      uint32
	id         []byte
	version    uint64
}

func (p refPlace) aad(suite byte, field string) []byte {
	return refLP([]byte{suite}, p.vault, p.env, binary.BigEndian.AppendUint32(nil, p.epoch), p.id, binary.BigEndian.AppendUint64(nil, p.version), []byte(field))
}

func refBox(key, aad, box []byte) ([]byte, error) {
	if len(box) < 48 {
		return nil, errRef
	}
	keys := refExpand(key, refLP([]byte("ov/v1/box"), aad, box[:16]), 64)
	if !bytes.Equal(keys[32:], box[16:48]) {
		return nil, errRef
	}
	return refGCM(keys[:32], aad, box[48:])
}

func refSealBox(key, aad, plain []byte) []byte {
	salt := NewKey(16)
	keys := refExpand(key, refLP([]byte("ov/v1/box"), aad, salt), 64)
	return append(append(salt, keys[32:]...), refSealGCM(keys[:32], aad, plain)...)
}

func refUnpad(b []byte) ([]byte, error) {
	if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, errRef
	}
	n := binary.BigEndian.Uint32(b)
	if len(bytes.Trim(b[4+n:], "\x00")) > 0 {
		return nil, errRef
	}
	return b[4 : 4+n], nil
}

func refPad(b []byte, n int) []byte {
	for n < len(b)+4 {
		n *= 2
	}
	out := make([]byte, n)
	binary.BigEndian.PutUint32(out, uint32(len(b)))
	copy(out[4:], b)
	return out
}

func refSub(key []byte, use string) []byte {
	return refExpand(key, refLP([]byte("ov/v1/subkey"), []byte(use)), 32)
}

// refCut takes fields off the front; ok turns false when one is missing.
type refCut struct {
	b  []byte
	ok bool
}

func (c *refCut) n(n int) []byte {
	if !c.ok || n > len(c.b) {
		c.ok = false
		return make([]byte, n)
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *refCut) lp() []byte {
	n := binary.BigEndian.Uint32(c.n(4))
	if uint64(n) > uint64(len(c.b)) {
		c.ok = false
		return nil
	}
	return c.n(int(n))
}

func refMaster(password string, sk, vault []byte, suite byte) (kek, auth, commit []byte) {
	salt := refHKDF(sk, refLP([]byte("ov/v1/salt"), vault))[:16]
	t := map[byte]uint32{1: 1, 2: 3}[suite]
	a := argon2.IDKey(norm.NFKC.Bytes([]byte(password)), salt, t, 65536, 4, 32)
	s := refHMAC(refHKDF(sk, refLP([]byte("ov/v1/2skd"), vault, []byte{suite})), a)
	expand := func(label string) []byte { return refExpand(s, refLP([]byte(label), vault), 32) }
	return expand("ov/v1/kek"), expand("ov/v1/auth"), expand("ov/v1/commit")
}

// refChain opens a chain vector from the password to the value.
func refChain(c chainVector) ([]byte, error) {
	zero := make([]byte, 16)
	s := refCut{c.slot, true}
	if s.n(1)[0] != 1 {
		return nil, errRefVersion
	}
	suite := s.n(1)[0]
	if suite != 1 && suite != 2 || s.n(1)[0] != 0 {
		return nil, errRefVersion
	}
	kek, auth, commit := refMaster(c.password, c.sk, c.vault, suite)
	pub, gotCommit, box := s.lp(), s.lp(), s.lp()
	key := ed25519.NewKeyFromSeed(auth).Public().(ed25519.PublicKey)
	if !s.ok || len(s.b) > 0 || !bytes.Equal(pub, key) || !bytes.Equal(gotCommit, commit) {
		return nil, errRef
	}
	vk, err := refBox(kek, refPlace{c.vault, zero, 0, c.slotID, c.slotVersion}.aad(suite, "slot"), box)
	if err != nil {
		return nil, err
	}
	ek, err := refEnvKey(c, vk)
	if err != nil {
		return nil, err
	}
	return refRecord(c, ek)
}

func refEnvKey(c chainVector, vk []byte) ([]byte, error) {
	e := refCut{c.envKey, true}
	if e.n(1)[0] != 1 {
		return nil, errRefVersion
	}
	env, epoch, n := e.n(16), binary.BigEndian.Uint32(e.n(4)), binary.BigEndian.Uint32(e.n(4))
	if !bytes.Equal(env, c.env) || epoch != c.epoch || n != 1 || e.n(1)[0] != 0 || len(e.lp()) != 0 {
		return nil, errRef
	}
	box := e.lp()
	if !e.ok || len(e.b) > 0 {
		return nil, errRef
	}
	id := sha256.Sum256(refLP([]byte("ov/v1/id/ek"), c.vault, c.env))
	return refBox(refSub(vk, "ek"), refPlace{c.vault, c.env, c.epoch, id[:], uint64(c.epoch)}.aad(1, "ek"), box)
}

func refRecord(c chainVector, ek []byte) ([]byte, error) {
	r := refCut{c.record, true}
	if r.n(1)[0] != 1 {
		return nil, errRefVersion
	}
	header := r.n(1 + 16 + 4 + 8 + 8)
	nameBox, dekBox, meta, value := r.lp(), r.lp(), r.lp(), r.lp()
	if !r.ok || len(r.b) > 0 || !bytes.Equal(header[1:17], c.env) || binary.BigEndian.Uint32(header[17:]) != c.epoch {
		return nil, errRef
	}
	p := refPlace{c.vault, c.env, c.epoch, refHMAC(refSub(ek, "idx"), []byte(c.name)), c.version}
	padded, err := refBox(ek, p.aad(1, "name"), nameBox)
	if err != nil {
		return nil, err
	}
	if name, err := refUnpad(padded); err != nil || string(name) != c.name {
		return nil, errRef
	}
	dek, err := refBox(ek, p.aad(1, "dek"), dekBox)
	if err != nil {
		return nil, err
	}
	keys := refExpand(dek, []byte("ov/v1/dek"), 64)
	if padded, err = refGCM(keys[:32], p.aad(1, "meta"), meta); err != nil {
		return nil, err
	}
	m, err := refUnpad(padded)
	if err != nil {
		return nil, err
	}
	f := refCut{m, true}
	path := string(f.lp()) + "/" + string(f.lp()) + "/" + string(f.lp())
	times, flags, size := f.n(16), f.n(1)[0], binary.BigEndian.Uint32(f.n(4))
	if !f.ok || path != c.app+"/"+c.envName+"/"+c.name || flags&1 != header[0] || !bytes.Equal(times, header[21:]) {
		return nil, errRef
	}
	if padded, err = refGCM(keys[32:], p.aad(1, "value"), value); err != nil {
		return nil, err
	}
	v, err := refUnpad(padded)
	if err != nil || uint32(len(v)) != size {
		return nil, errRef
	}
	return v, nil
}

// refSealChain makes a chain vector's stored bytes by the reference alone.
func refSealChain(c chainVector, value []byte) chainVector {
	vk, ek, dek := NewKey(32), NewKey(32), NewKey(32)
	kek, auth, commit := refMaster(c.password, c.sk, c.vault, c.suite)
	pub := ed25519.NewKeyFromSeed(auth).Public().(ed25519.PublicKey)
	slotAAD := refPlace{c.vault, make([]byte, 16), 0, c.slotID, c.slotVersion}.aad(c.suite, "slot")
	c.slot = append([]byte{1, c.suite, 0}, refLP(pub, commit, refSealBox(kek, slotAAD, vk))...)

	id := sha256.Sum256(refLP([]byte("ov/v1/id/ek"), c.vault, c.env))
	epoch := binary.BigEndian.AppendUint32(nil, c.epoch)
	ekBox := refSealBox(refSub(vk, "ek"), refPlace{c.vault, c.env, c.epoch, id[:], uint64(c.epoch)}.aad(1, "ek"), ek)
	c.envKey = append(append(append([]byte{1}, c.env...), epoch...), 0, 0, 0, 1, 0)
	c.envKey = append(c.envKey, refLP(nil, ekBox)...)

	p := refPlace{c.vault, c.env, c.epoch, refHMAC(refSub(ek, "idx"), []byte(c.name)), c.version}
	keys := refExpand(dek, []byte("ov/v1/dek"), 64)
	times := append(binary.BigEndian.AppendUint64(nil, 1700000000000), binary.BigEndian.AppendUint64(nil, 1700000001000)...)
	meta := refLP([]byte(c.app), []byte(c.envName), []byte(c.name))
	meta = append(append(meta, times...), 2)
	meta = binary.BigEndian.AppendUint32(meta, uint32(len(value)))
	meta = append(meta, bytes.Repeat([]byte{0xdd}, 16)...)
	meta = append(append(meta, refLP(nil)...), 0, 0, 0, 1)
	meta = append(meta, refLP([]byte("tag"))...)
	c.record = append(append(append([]byte{1, 0}, c.env...), epoch...), times...)
	c.record = append(c.record, refLP(
		refSealBox(ek, p.aad(1, "name"), refPad([]byte(c.name), 64)),
		refSealBox(ek, p.aad(1, "dek"), dek),
		refSealGCM(keys[:32], p.aad(1, "meta"), refPad(meta, 256)),
		refSealGCM(keys[32:], p.aad(1, "value"), refPad(value, 64)))...)
	return c
}
