package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/manifest"
)

// The second implementation, continued: whether a manifest follows another, and
// what a member who writes may sign, from FORMAT.md, "Manifest", alone.

// A refPieces takes pieces off the front of its input.
type refPieces struct {
	b   []byte
	bad bool
}

func (c *refPieces) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return make([]byte, max(0, min(n, 4096)))
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *refPieces) u32() int      { return int(binary.BigEndian.Uint32(c.take(4))) }
func (c *refPieces) u64() uint64   { return binary.BigEndian.Uint64(c.take(8)) }
func (c *refPieces) field() []byte { return c.take(c.u32()) }

// list takes n, then n times size bytes.
func (c *refPieces) list(size int) (out []string) {
	for range c.u32() {
		if out = append(out, string(c.take(size))); c.bad {
			return nil
		}
	}
	return out
}

// A refBody is a manifest's body, its lists as they stand.
type refBody struct {
	vault, prev, root, count, envKeys               string
	seq, time                                       uint64
	slots, members, machines, groups, devices, docs []string
	purged                                          []string
	floor, reset                                    byte
	signer                                          string
	all, signature, warrant                         []byte
}

func refReadManifest(data []byte) (*refBody, bool) {
	c := &refPieces{b: data}
	if c.take(1)[0] != 1 {
		return nil, false
	}
	m := &refBody{all: c.field(), signature: c.field(), warrant: c.field()}
	if c.bad || len(c.b) > 0 {
		return nil, false
	}
	c = &refPieces{b: m.all}
	if string(c.field()) != "ov/v1/manifest" {
		return nil, false
	}
	m.vault = string(c.field())
	seq := c.field()
	m.prev, m.root, m.count = string(c.field()), string(c.field()), string(c.field())
	if c.bad || len(m.vault) != 16 || len(seq) != 8 || len(m.prev) != 32 || len(m.root) != 32 || len(m.count) != 8 {
		return nil, false
	}
	m.seq = binary.BigEndian.Uint64(seq)
	m.slots, m.members, m.machines = c.list(105), c.list(64), c.list(64)
	m.envKeys = string(c.take(32))
	m.groups, m.devices = c.list(56), c.list(48)
	for range c.u32() {
		name := c.field()
		if m.docs = append(m.docs, string(refLP(name))+string(c.take(40))); c.bad {
			return nil, false
		}
	}
	m.floor, m.reset = c.take(1)[0], c.take(1)[0]
	m.purged = c.list(41)
	m.time, m.signer = c.u64(), string(c.take(16))
	if c.bad || len(c.b) > 0 || m.reset > 1 {
		return nil, false
	}
	return m, m.rooted()
}

// rooted reports whether root and count are over the groups.
func (m *refBody) rooted() bool {
	b := refLP([]byte("ov/v1/roots"), be64(uint64(len(m.groups))))
	var count uint64
	for i, g := range m.groups {
		n := binary.BigEndian.Uint64([]byte(g[16:24]))
		if n == 0 || i > 0 && m.groups[i-1][:16] >= g[:16] {
			return false
		}
		count += n
		b = append(b, g...)
	}
	sum := sha256.Sum256(b)
	return string(sum[:]) == m.root && string(be64(count)) == m.count
}

// A refMember is what a record of kind 6 says.
type refMember struct {
	role     byte
	key      []byte
	id       [32]byte
	notAfter uint64
	envs     []string
}

func refReadMember(data []byte) (*refMember, bool) {
	c := &refPieces{b: data}
	if c.take(1)[0] != 1 {
		return nil, false
	}
	p := &refMember{role: c.take(1)[0]}
	p.key = c.field()
	kem := c.field()
	p.notAfter, p.envs = c.u64(), c.list(16)
	c.u64()
	p.id = sha256.Sum256(refLP([]byte("ov/v1/id/principal"), p.key, kem))
	return p, !c.bad && len(c.b) == 0 && len(p.key) == 32 && len(kem) == 1216 && p.role >= 1 && p.role <= 3
}

// refSigner returns the key of whoever signed m, and the member, if it is one.
func (m *refBody) refSigner() (key []byte, member *refMember, ok bool) {
	for _, d := range m.devices {
		if d[:16] == m.signer {
			return []byte(d[16:]), nil, true
		}
	}
	p, ok := refReadMember(m.warrant)
	if !ok || p.role != 3 || string(p.id[:16]) != m.signer {
		return nil, nil, false
	}
	sum := sha256.Sum256(m.warrant)
	return p.key, p, slices.Contains(m.members, string(p.id[:])+string(sum[:]))
}

// refVerify reports whether data is a manifest that its signer signed, and
// whether it follows prevData.
func refVerify(data, prevData []byte) (parses, follows bool) {
	m, ok := refReadManifest(data)
	prev, ok2 := refReadManifest(prevData)
	if !ok || !ok2 {
		return false, false
	}
	key, member, ok := m.refSigner()
	if !ok || !ed25519.Verify(key, m.all, m.signature) {
		return false, false
	}
	chain := sha256.Sum256(refLP([]byte("ov/v1/manifest-hash"), prevData))
	if m.vault != prev.vault || m.seq != prev.seq+1 || m.prev != string(chain[:]) || m.floor < prev.floor {
		return true, false
	}
	if member == nil {
		if slices.Contains(prev.devices, m.signer+string(key)) {
			return true, true
		}
		return true, slices.ContainsFunc(prev.slots, func(s string) bool { return len(m.warrant) == 64 && ed25519.Verify([]byte(s[73:]), m.all, m.warrant) })
	}
	same := m.floor == prev.floor && m.envKeys == prev.envKeys && slices.Equal(m.slots, prev.slots) && slices.Equal(m.members, prev.members) &&
		slices.Equal(m.machines, prev.machines) && slices.Equal(m.devices, prev.devices) && slices.Equal(m.docs, prev.docs)
	if !same || m.reset != 0 || len(m.purged) > 0 || m.time < prev.time || member.notAfter != 0 && m.time >= member.notAfter || len(m.groups) != len(prev.groups) {
		return true, false
	}
	for i, g := range m.groups {
		was := prev.groups[i]
		if g != was && (g[:16] != was[:16] || !slices.Contains(member.envs, g[:16]) || g[16:24] <= was[16:24]) {
			return true, false
		}
	}
	return true, true
}

// A commitVector is two manifests, one after the other.
type commitVector struct {
	comment, expect string // "follows", "refused", "altered"
	prev, next      []byte
}

func (c commitVector) String() string {
	return fmt.Sprintf("comment: %s\nexpect: %s\nprev: %x\nnext: %x\n", c.comment, c.expect, c.prev, c.next)
}

func readCommitVector(t *testing.T, path string) commitVector {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		f[k] = v
	}
	prev, err1 := hex.DecodeString(f["prev"])
	next, err2 := hex.DecodeString(f["next"])
	if err := errors.Join(err1, err2); err != nil || len(f) != 4 {
		t.Fatalf("%s: %v", path, err)
	}
	return commitVector{f["comment"], f["expect"], prev, next}
}

// Both implementations say the same of every pair of manifests.
func TestCommitVectors(t *testing.T) {
	if *update {
		writeCommitVectors(t)
	}
	files, err := filepath.Glob("testdata/commits/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	for _, path := range files {
		c := readCommitVector(t, path)
		prev, err := ParseManifest(c.prev)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got := "altered"
		if m, err := ParseManifest(c.next); err == nil {
			got = map[bool]string{true: "follows", false: "refused"}[m.Follows(c.next, prev, c.prev)]
		}
		ref := "altered"
		if parses, follows := refVerify(c.next, c.prev); parses {
			ref = map[bool]string{true: "follows", false: "refused"}[follows]
		}
		if got != c.expect || ref != c.expect {
			t.Errorf("%s (%s): %s, the reference says %s, want %s", path, c.comment, got, ref, c.expect)
		}
	}
}

// A vault with a device, and a member who writes env 23 until 1000.
type commitRig struct {
	device, member ed25519.PrivateKey
	master         *Master
	record         manifest.Principal
	prev           *Manifest
	prevData       []byte
}

func newCommitRig(t *testing.T) *commitRig {
	t.Helper()
	m, device := newManifest()
	h, err := NewHolder(NewKey(HolderSeed))
	if err != nil {
		t.Fatal(err)
	}
	r := &commitRig{device: device, member: h.Sign, record: h.Principal()}
	if r.master, err = Derive(text("password"), NewKey(16), m.Vault, Suite1); err != nil {
		t.Fatal(err)
	}
	m.Slots[0].Auth = [32]byte(r.master.AuthKey())
	r.record.Role, r.record.NotAfter, r.record.Envs, r.record.Created = manifest.RoleWriter, 1000, []EnvID{{23}}, 20
	m.Members = append(m.Members, Entity{ID: r.record.ID(), Sum: Sum(r.record.Encode())})
	m.Groups = append(m.Groups, manifest.Group{Env: EnvID{24}, Count: 2, Root: Hash{25}})
	sound(m)
	r.prev, r.prevData = m, SignManifest(m, device, nil)
	return r
}

// next is what comes after r.prev, changed by edit.
func (r *commitRig) next(edit func(*Manifest)) *Manifest {
	m := r.prev.Next()
	m.Seq, m.Prev, m.Time, m.Signer = r.prev.Seq+1, ManifestHash(r.prevData), r.prev.Time+1, r.record.DeviceID()
	m.Groups[1] = manifest.Group{Env: EnvID{23}, Count: 4, Root: Hash{99}}
	if edit != nil {
		edit(&m)
	}
	sound(&m)
	return &m
}

func (r *commitRig) byMember(edit func(*Manifest)) []byte {
	return SignManifestAs(r.next(edit), r.member, r.record.Encode())
}

// writeCommitVectors makes them, once.
func writeCommitVectors(t *testing.T) {
	t.Helper()
	r := newCommitRig(t)
	put := func(name, expect, comment string, next []byte) {
		t.Helper()
		if err := os.MkdirAll("testdata/commits", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata/commits", name+".txt"), []byte(commitVector{comment, expect, r.prevData, next}.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	device := func(m *Manifest) { m.Signer = DeviceID{14} }
	put("device", "follows", "a device, which may change everything", SignManifest(r.next(func(m *Manifest) {
		device(m)
		m.Blobs, m.Machines, m.Purged, m.Time = nil, nil, []Purged{{Kind: 4, ID: ID{1}, Version: 1}}, 1
	}), r.device, nil))
	put("device-floor", "refused", "a device that lowers the floor", SignManifest(r.next(func(m *Manifest) { device(m); m.Floor = 0 }), r.device, nil))
	_, stranger, _ := ed25519.GenerateKey(nil)
	enrol := func(m *Manifest) {
		m.Devices = append(m.Devices, Device{ID: DeviceID{66}, Key: [32]byte(stranger.Public().(ed25519.PublicKey))})
		m.Signer = DeviceID{66}
	}
	put("device-new", "follows", "a new device, with the password", SignManifest(r.next(enrol), stranger, r.master))
	put("device-stranger", "refused", "a new device, without", SignManifest(r.next(enrol), stranger, nil))
	put("device-strangers-record", "refused", "a new device, with a member's record", SignManifestAs(r.next(enrol), stranger, r.record.Encode()))

	put("member", "follows", "a member adds to his environment", r.byMember(nil))
	put("member-nothing", "follows", "a member adds nothing", r.byMember(func(m *Manifest) { m.Groups[1] = r.prev.Groups[1] }))
	for name, edit := range map[string]func(*Manifest){
		"slots":           func(m *Manifest) { m.Slots[0].Version++ },
		"members":         func(m *Manifest) { m.Members = m.Members[1:] },
		"machines":        func(m *Manifest) { m.Machines = nil },
		"env-keys":        func(m *Manifest) { m.EnvKeys[0] ^= 1 },
		"devices":         func(m *Manifest) { m.Devices = m.Devices[:1] },
		"documents":       func(m *Manifest) { m.Blobs[0].Version++ },
		"floor":           func(m *Manifest) { m.Floor = 2 },
		"reset":           func(m *Manifest) { m.Reset = true },
		"purged":          func(m *Manifest) { m.Purged = []Purged{{Kind: 4, ID: ID{1}, Version: 1}} },
		"early":           func(m *Manifest) { m.Time = r.prev.Time - 1 },
		"late":            func(m *Manifest) { m.Time = 1000 },
		"other-group":     func(m *Manifest) { m.Groups[2].Count++ },
		"fewer":           func(m *Manifest) { m.Groups[1].Count = 2 },
		"as-many":         func(m *Manifest) { m.Groups[1].Count = 3 },
		"new-group":       func(m *Manifest) { m.Groups = append(m.Groups, manifest.Group{Env: EnvID{25}, Count: 1}) },
		"group-gone":      func(m *Manifest) { m.Groups = m.Groups[:2] },
		"seq":             func(m *Manifest) { m.Seq++ },
		"chain":           func(m *Manifest) { m.Prev[0] ^= 1 },
		"vault":           func(m *Manifest) { m.Vault[0] ^= 1 },
		"readers-members": func(m *Manifest) { m.Members = append(m.Members, Entity{ID: ID{1}}) },
	} {
		put("member-"+name, "refused", "a member changes "+name, r.byMember(edit))
	}
	claim := func(edit func(*manifest.Principal)) []byte {
		p := r.record
		edit(&p)
		return SignManifestAs(r.next(nil), r.member, p.Encode())
	}
	put("record-end", "altered", "a member gives himself more time", claim(func(p *manifest.Principal) { p.NotAfter = 0 }))
	put("record-envs", "altered", "a member gives himself an environment", claim(func(p *manifest.Principal) { p.Envs = append(p.Envs, EnvID{24}) }))
	put("record-none", "altered", "a member without his record", SignManifestAs(r.next(nil), r.member, nil))
	put("record-signer", "altered", "a member under another id", r.byMember(func(m *Manifest) { m.Signer[0] ^= 1 }))
	put("record-device", "altered", "a member under a device's id", r.byMember(device))
	put("record-key", "altered", "another key signs for a member", SignManifestAs(r.next(nil), stranger, r.record.Encode()))
	put("record-unlisted", "altered", "a member who is not listed", r.byMember(func(m *Manifest) { m.Members = m.Members[:1] }))
	long := r.record.Encode()
	put("record-longer", "altered", "a byte after the record", SignManifestAs(r.next(nil), r.member, append(bytes.Clone(long), 0)))

	r.record.Role = manifest.RoleReader // and so listed
	r.prev.Members[len(r.prev.Members)-1].Sum = Sum(r.record.Encode())
	r.prevData = SignManifest(r.prev, r.device, nil)
	put("reader", "altered", "a member who only reads", r.byMember(nil))
}
