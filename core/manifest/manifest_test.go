package manifest

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

func newKey() ed25519.PrivateKey {
	_, key, _ := ed25519.GenerateKey(nil)
	return key
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// sign returns the stored form of m, signed by a device and, unless it is nil, by a password.
func sign(m *Manifest, device, password ed25519.PrivateKey) []byte {
	var auth []byte
	if password != nil {
		auth = ed25519.Sign(password, m.Body())
	}
	return m.Encode(ed25519.Sign(device, m.Body()), auth)
}

func newManifest() (*Manifest, ed25519.PrivateKey) {
	pub, key, _ := ed25519.GenerateKey(nil)
	groups := []Group{{Count: 1, Root: Hash{22}}, {Env: EnvID{23}, Count: 3, Root: Hash{24}}}
	root, count := RootOf(groups)
	return &Manifest{
		Vault: VaultID{1}, Seq: 5, Prev: Hash{2}, Root: root, Count: count, Groups: groups,
		Slots:   []SlotRef{{ID: ID{5}, Version: 6, Suite: 1, Sum: Hash{7}, Auth: [32]byte{8}}},
		Members: []Entity{{ID: ID{9}, Sum: Hash{10}}}, Machines: []Entity{{ID: ID{11}, Sum: Hash{12}}},
		EnvKeys: Hash{13}, Devices: []Device{{ID: DeviceID{14}, Key: [32]byte(pub)}, {ID: DeviceID{15}, Key: [32]byte{16}}},
		Blobs: []BlobRef{{Name: "policy", Version: 17, Sum: Hash{18}}}, Floor: 1,
		Purged: []Purged{{Kind: 4, ID: ID{19}, Version: 20}}, Time: 21, Signer: DeviceID{14},
	}, key
}

func TestManifestRoundTrip(t *testing.T) {
	m, key := newManifest()
	data := sign(m, key, nil)
	got, err := Parse(data)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(m) {
		t.Fatalf("%v, %v", got, err)
	}
	for i := range data {
		for bit := range 8 {
			d := bytes.Clone(data)
			d[i] ^= 1 << bit
			if _, err := Parse(d); !errors.Is(err, ErrAltered) && !(i == 0 && errors.Is(err, ErrVersion)) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
	for n := range data {
		if _, err := Parse(data[:n]); err == nil {
			t.Fatalf("cut at %d: accepted", n)
		}
	}
}

// 8: a manifest by a stranger, or with a replaced device key or slot.
func TestAttack08Stranger(t *testing.T) {
	first, key := newManifest()
	password := newKey()
	first.Slots[0].Auth = [32]byte(public(password))
	firstData := sign(first, key, nil)
	strangerPub, stranger, _ := ed25519.GenerateKey(nil)
	own := newKey()
	next := func(edit func(*Manifest)) *Manifest {
		m, _ := newManifest()
		m.Devices[0].Key = [32]byte(public(key))
		m.Seq, m.Prev = first.Seq+1, Chain(firstData)
		edit(m)
		return m
	}
	enrol := func(m *Manifest) {
		m.Devices = append(m.Devices, Device{ID: DeviceID{66}, Key: [32]byte(strangerPub)})
		m.Signer = DeviceID{66}
	}
	for _, c := range []struct {
		what          string
		m             *Manifest
		key, password ed25519.PrivateKey
		parses, want  bool
	}{
		{"the same device", next(func(*Manifest) {}), key, nil, true, true},
		{"signed by another", next(func(*Manifest) {}), stranger, nil, false, false},
		{"a signer that is not listed", next(func(m *Manifest) { m.Signer = DeviceID{99} }), key, nil, false, false},
		{"a device that lists itself", next(enrol), stranger, nil, true, false},
		{"a device that lists itself, with the password", next(enrol), stranger, password, true, true},
		{"a known device under another key", next(func(m *Manifest) { m.Devices[0].Key = [32]byte(strangerPub) }), stranger, nil, true, false},
		{"the same, with the password", next(func(m *Manifest) { m.Devices[0].Key = [32]byte(strangerPub) }), stranger, password, true, true},
		{"its own password's slot", next(func(m *Manifest) {
			enrol(m)
			m.Slots[0].Auth = [32]byte(public(own))
		}), stranger, own, true, false},
		{"another vault", next(func(m *Manifest) { m.Vault = VaultID{9} }), key, nil, true, false},
		{"a number left out", next(func(m *Manifest) { m.Seq++ }), key, nil, true, false},
		{"the same number", next(func(m *Manifest) { m.Seq-- }), key, nil, true, false},
		{"another past", next(func(m *Manifest) { m.Prev = Hash{1} }), key, nil, true, false},
		{"a lower floor", next(func(m *Manifest) { m.Floor = 0 }), key, nil, true, false},
		{"a higher floor", next(func(m *Manifest) { m.Floor = 2 }), key, nil, true, true},
	} {
		data := sign(c.m, c.key, c.password)
		m, err := Parse(data)
		if (err == nil) != c.parses {
			t.Errorf("%s: parses: %v", c.what, err)
			continue
		}
		if c.parses && m.Follows(data, first, firstData) != c.want {
			t.Errorf("%s: follows is %v", c.what, !c.want)
		}
	}
}

// The tree gives the same root whatever way it came about, and another one for
// every other set.
func TestTree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	leaf := func() (h Hash) {
		for i := range h {
			h[i] = byte(r.Uint32())
		}
		h[0] %= 4 // crowded buckets
		return h
	}
	tree, _ := NewTree(nil)
	have := map[Hash]bool{}
	roots := map[Hash]bool{tree.Root(): true}
	for range 200 {
		var add, remove []Hash
		for h := range have {
			if r.IntN(8) == 0 {
				remove = append(remove, h)
				delete(have, h)
			}
		}
		for range r.IntN(6) + 1 {
			h := leaf()
			add = append(add, h)
			have[h] = true
		}
		before := tree.Root()
		next, ok := tree.Change(add, remove)
		if !ok || tree.Root() != before {
			t.Fatal("Change failed or changed its receiver")
		}
		tree = next
		var all []Hash
		for h := range have {
			all = append(all, h)
		}
		whole, ok := NewTree(all)
		if !ok || whole.Root() != tree.Root() || whole.Count() != uint64(len(have)) {
			t.Fatal("the same leaves give another root")
		}
		if roots[tree.Root()] {
			t.Fatal("other leaves give the same root")
		}
		roots[tree.Root()] = true
		if _, ok := tree.Change(all[:1], nil); ok {
			t.Fatal("a leaf twice")
		}
		if _, ok := tree.Change(nil, []Hash{leaf()}); ok {
			t.Fatal("removed a leaf that is not there")
		}
		if _, ok := NewTree(append(all, all[0])); ok {
			t.Fatal("a leaf twice in a new tree")
		}
	}
}

// A store cannot offer an entry under other labels.
func TestLeafLabels(t *testing.T) {
	base := Leaf(4, EnvID{1}, ID{2}, 3, Hash{4})
	for what, h := range map[string]Hash{
		"kind": Leaf(5, EnvID{1}, ID{2}, 3, Hash{4}), "group": Leaf(4, EnvID{9}, ID{2}, 3, Hash{4}),
		"id": Leaf(4, EnvID{1}, ID{9}, 3, Hash{4}), "version": Leaf(4, EnvID{1}, ID{2}, 4, Hash{4}), "sum": Leaf(4, EnvID{1}, ID{2}, 3, Hash{9}),
	} {
		if h == base {
			t.Errorf("another %s, the same leaf", what)
		}
	}
}
