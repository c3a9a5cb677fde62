package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/manifest"
)

// The second implementation, continued: what a whole vault is made of.

func be32(n int) []byte    { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// refRoot is FORMAT.md, "Sums, leaves, roots": the root of one group.
func refRoot(leaves [][]byte) []byte {
	h := sha256.New()
	h.Write(refLP([]byte("ov/v1/root"), be64(uint64(len(leaves)))))
	for i := range 256 {
		var bucket [][]byte
		for _, l := range leaves {
			if l[0] == byte(i) {
				bucket = append(bucket, l)
			}
		}
		slices.SortFunc(bucket, bytes.Compare)
		sum := sha256.Sum256(bytes.Join(bucket, nil))
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

func refLeaf(kind byte, group, id []byte, version uint64, data []byte) []byte {
	sum := sha256.Sum256(data)
	leaf := sha256.Sum256(refLP([]byte("ov/v1/leaf"), []byte{kind}, group, id, be64(version), sum[:]))
	return leaf[:]
}

// refManifest builds the stored form of m from FORMAT.md, "Manifest".
func refManifest(m *Manifest, device, auth ed25519.PrivateKey) []byte {
	var b bytes.Buffer
	b.Write(refLP([]byte("ov/v1/manifest"), m.Vault[:], be64(m.Seq), m.Prev[:], m.Root[:], be64(m.Count)))
	b.Write(be32(len(m.Slots)))
	for _, s := range m.Slots {
		b.Write(s.ID[:])
		b.Write(be64(s.Version))
		b.WriteByte(byte(s.Suite))
		b.Write(s.Sum[:])
		b.Write(s.Auth[:])
	}
	for _, list := range [][]Entity{m.Members, m.Machines} {
		b.Write(be32(len(list)))
		for _, e := range list {
			b.Write(e.ID[:])
			b.Write(e.Sum[:])
		}
	}
	b.Write(m.EnvKeys[:])
	b.Write(be32(len(m.Groups)))
	for _, g := range m.Groups {
		b.Write(g.Env[:])
		b.Write(be64(g.Count))
		b.Write(g.Root[:])
	}
	b.Write(be32(len(m.Devices)))
	for _, d := range m.Devices {
		b.Write(d.ID[:])
		b.Write(d.Key[:])
	}
	b.Write(be32(len(m.Blobs)))
	for _, d := range m.Blobs {
		b.Write(refLP([]byte(d.Name)))
		b.Write(be64(d.Version))
		b.Write(d.Sum[:])
	}
	b.WriteByte(byte(m.Floor))
	b.WriteByte(map[bool]byte{true: 1}[m.Reset])
	b.Write(be32(len(m.Purged)))
	for _, p := range m.Purged {
		b.WriteByte(p.Kind)
		b.Write(p.ID[:])
		b.Write(be64(p.Version))
	}
	b.Write(be64(m.Time))
	b.Write(m.Signer[:])
	var second []byte
	if auth != nil {
		second = ed25519.Sign(auth, b.Bytes())
	}
	return append([]byte{1}, refLP(b.Bytes(), ed25519.Sign(device, b.Bytes()), second)...)
}

// Ed25519 is deterministic: both implementations give the same bytes.
func TestManifestAgainstReference(t *testing.T) {
	master, err := Derive(text("password"), NewKey(16), VaultID{1}, Suite1)
	if err != nil {
		t.Fatal(err)
	}
	auth := ed25519.NewKeyFromSeed(master.auth)
	for what, edit := range map[string]func(*Manifest){
		"full":    func(*Manifest) {},
		"reset":   func(m *Manifest) { m.Reset = true },
		"empty":   func(m *Manifest) { *m = Manifest{Devices: m.Devices[:1], Signer: m.Signer} },
		"several": func(m *Manifest) { m.Slots = append(m.Slots, m.Slots...); m.Purged = append(m.Purged, m.Purged...) },
		"names":   func(m *Manifest) { m.Blobs = []BlobRef{{Name: ""}, {Name: "catalog", Version: 1 << 60}} },
		"limits":  func(m *Manifest) { m.Seq, m.Groups[0].Count, m.Groups[1].Count, m.Time = 1<<63, 1<<62, 1<<62, 1<<63 },
	} {
		m, key := newManifest()
		edit(m)
		sound(m)
		for _, second := range []bool{false, true} {
			ours, theirs := SignManifest(m, key, nil), refManifest(m, key, nil)
			if second {
				ours, theirs = SignManifest(m, key, master), refManifest(m, key, auth)
			}
			if !bytes.Equal(ours, theirs) {
				t.Errorf("%s: the stored forms differ", what)
			}
			got, err := ParseManifest(theirs)
			if err != nil || fmt.Sprint(got) != fmt.Sprint(m) && what != "empty" {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
	}
	h := sha256.Sum256(refLP([]byte("ov/v1/manifest-hash"), []byte("stored")))
	if ManifestHash([]byte("stored")) != h {
		t.Error("ManifestHash")
	}
	refs := []EnvKeyRef{{Env: EnvID{1}, Epoch: 1, Sum: Hash{2}}, {Env: EnvID{1}, Epoch: 2, Sum: Hash{3}}}
	var all []byte
	for _, e := range refs {
		all = append(append(append(all, e.Env[:]...), be32(int(e.Epoch))...), e.Sum[:]...)
	}
	if EnvKeysHash(refs) != sha256.Sum256(refLP([]byte("ov/v1/eks"), all)) {
		t.Error("EnvKeysHash")
	}
}

func TestRootAgainstReference(t *testing.T) {
	for _, n := range []int{0, 1, 2, 255, 1000} {
		var ours []Hash
		var theirs [][]byte
		for i := range n {
			data := fmt.Appendf(nil, "data %d", i)
			id, env := ID{byte(i), byte(i >> 8)}, EnvID{byte(i % 3)}
			ours = append(ours, Leaf(KindSecret, env, id, uint64(i), Sum(data)))
			theirs = append(theirs, refLeaf(4, env[:], id[:], uint64(i), data))
		}
		tree, ok := NewTree(ours)
		if root := tree.Root(); !ok || !bytes.Equal(root[:], refRoot(theirs)) {
			t.Errorf("%d leaves: roots differ", n)
		}
	}
}

func TestListAgainstReference(t *testing.T) {
	vk, vault := NewKey(32), VaultID(NewKey(16))
	id := sha256.Sum256(refLP([]byte("ov/v1/id/list"), vault[:]))
	p := refPlace{vault[:], make([]byte, 16), 0, id[:], 9}
	env := EnvID(NewKey(16))
	plain := append(be32(1), env[:]...)
	plain = append(append(plain, be32(3)...), be64(1700000000000)...)
	plain = append(plain, refLP([]byte("shop"), []byte("production"))...)

	theirs := append([]byte{1}, refSealBox(refSub(vk, "list"), p.aad(1, "list"), refPad(plain, 256))...)
	want := []Env{{ID: env, Epoch: 3, App: "shop", Name: "production", Created: 1700000000000}}
	if got, err := OpenList(vk, vault, 9, theirs); err != nil || !slices.Equal(got, want) {
		t.Errorf("sealed by the reference: %+v, %v", got, err)
	}
	padded, err := refBox(refSub(vk, "list"), p.aad(1, "list"), SealList(vk, vault, 9, want)[1:])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := refUnpad(padded); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("sealed by us: %x, %v", got, err)
	}
	// What the list holds is bounded by what is there.
	for what, bad := range map[string][]byte{
		"a count too high": append(be32(1<<30), plain[4:]...), "a count too low": append(be32(0), plain[4:]...),
		"nothing": {}, "cut": plain[:len(plain)-1], "more": append(bytes.Clone(plain), 0),
	} {
		sealed := append([]byte{1}, refSealBox(refSub(vk, "list"), p.aad(1, "list"), refPad(bad, 256))...)
		if _, err := OpenList(vk, vault, 9, sealed); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBlobAgainstReference(t *testing.T) {
	vk, vault := NewKey(32), VaultID(NewKey(16))
	id := sha256.Sum256(refLP([]byte("ov/v1/id/blob"), vault[:], []byte("policy")))
	p := refPlace{vault[:], make([]byte, 16), 0, id[:], 2}
	for _, n := range []int{0, 1, 252, 253, 5000} {
		plain := bytes.Repeat([]byte("p"), n)
		theirs := append([]byte{1}, refSealBox(refSub(vk, "blob"), p.aad(1, "blob"), refPad(plain, 256))...)
		if got, err := OpenBlob(vk, vault, "policy", 2, theirs); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", n, err)
		}
		ours := SealBlob(vk, vault, "policy", 2, plain)
		if len(ours) != len(theirs) {
			t.Errorf("%d bytes: sizes %d, %d", n, len(ours), len(theirs))
		}
		padded, err := refBox(refSub(vk, "blob"), p.aad(1, "blob"), ours[1:])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := refUnpad(padded); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// refKit writes the recovery kit's Secret Key bit by bit.
func refKit(sk, vault []byte) string {
	check := sha256.Sum256(refLP([]byte("ov/v1/kit"), vault, sk))
	var bits strings.Builder
	for _, b := range sk {
		fmt.Fprintf(&bits, "%08b", b)
	}
	fmt.Fprintf(&bits, "%08b%08b%08b", check[0], check[1], check[2])
	out := "OV1"
	for i := range 30 {
		if i%5 == 0 {
			out += "-"
		}
		var n int
		fmt.Sscanf(bits.String()[5*i:5*i+5], "%b", &n)
		out += "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[n : n+1]
	}
	return out
}

func TestKitAgainstReference(t *testing.T) {
	for range 50 {
		sk, vault := NewKey(16), VaultID(NewKey(16))
		theirs := refKit(sk, vault[:])
		if got := string(FormatSecretKey(sk, vault).Reveal()); got != theirs {
			t.Errorf("kit %s, reference %s", got, theirs)
		}
		if got, err := ParseSecretKey(text(theirs), vault); err != nil || !bytes.Equal(got, sk) {
			t.Errorf("%s: %v", theirs, err)
		}
	}
}

// newManifest returns a manifest with one of everything, and its signer's key.
func newManifest() (*Manifest, ed25519.PrivateKey) {
	pub, key, _ := ed25519.GenerateKey(nil)
	groups := []manifest.Group{{Count: 1, Root: Hash{22}}, {Env: EnvID{23}, Count: 3, Root: Hash{24}}}
	m := &Manifest{
		Vault: VaultID{1}, Seq: 5, Prev: Hash{2}, Groups: groups,
		Slots:   []SlotRef{{ID: ID{5}, Version: 6, Suite: 1, Sum: Hash{7}, Auth: [32]byte{8}}},
		Members: []Entity{{ID: ID{9}, Sum: Hash{10}}}, Machines: []Entity{{ID: ID{11}, Sum: Hash{12}}},
		EnvKeys: Hash{13}, Devices: []Device{{ID: DeviceID{14}, Key: [32]byte(pub)}, {ID: DeviceID{15}, Key: [32]byte{16}}},
		Blobs: []BlobRef{{Name: "policy", Version: 17, Sum: Hash{18}}}, Floor: 1,
		Purged: []Purged{{Kind: 4, ID: ID{19}, Version: 20}}, Time: 21, Signer: DeviceID{14},
	}
	sound(m)
	return m, key
}

// sound sets the root to that of the groups.
func sound(m *Manifest) {
	m.Root, m.Count = Hash(refRoots(m.Groups)), 0
	for _, g := range m.Groups {
		m.Count += g.Count
	}
}

// refRoots is FORMAT.md, "Sums, leaves, roots": the root over all groups.
func refRoots(groups []manifest.Group) []byte {
	b := refLP([]byte("ov/v1/roots"), be64(uint64(len(groups))))
	for _, g := range groups {
		b = append(append(append(b, g.Env[:]...), be64(g.Count)...), g.Root[:]...)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}
