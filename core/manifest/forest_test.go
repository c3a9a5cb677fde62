package manifest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// A forest that was changed step by step is the one that is made at once, and
// each group's root is that of a tree of its leaves alone.
func TestForest(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	have := map[Hash]EnvID{}
	forest, ok := NewForest(nil)
	if !ok || len(forest.Groups()) != 0 {
		t.Fatal("an empty forest has groups")
	}
	for range 300 {
		add, remove := Leaves{}, Leaves{}
		for range rng.IntN(4) {
			leaf, env := Hash{byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))}, EnvID{byte(rng.IntN(4))}
			if _, there := have[leaf]; !there {
				have[leaf] = env
				add.Add(env, leaf)
			}
		}
		for leaf, env := range have {
			if rng.IntN(8) == 0 && !slices.Contains(add[env], leaf) {
				remove.Add(env, leaf)
				delete(have, leaf)
			}
		}
		before := forest.Groups()
		next, ok := forest.Change(add, remove)
		if !ok || !slices.Equal(forest.Groups(), before) {
			t.Fatal("refused, or changed in place")
		}
		forest = next
		whole := Leaves{}
		for leaf, env := range have {
			whole.Add(env, leaf)
		}
		once, ok := NewForest(whole)
		if !ok || !slices.Equal(once.Groups(), forest.Groups()) {
			t.Fatal("two ways, two forests")
		}
		for _, g := range forest.Groups() {
			tree, _ := NewTree(whole[g.Env])
			if g.Root != tree.Root() || g.Count != tree.Count() || g.Count == 0 {
				t.Fatalf("group %x", g.Env)
			}
		}
	}
	for what, l := range map[string]Leaves{"removed, not there": {EnvID{9}: {{1}}}} {
		if _, ok := forest.Change(nil, l); ok {
			t.Errorf("%s: accepted", what)
		}
	}
	for leaf, env := range have {
		if _, ok := forest.Change(Leaves{env: {leaf}}, nil); ok {
			t.Error("added twice: accepted")
		}
	}
}

// Attack: a signer whose groups do not add up to the root that it signs could
// show one state to who reads all and another to who reads one environment.
func TestAttackGroupsUnsound(t *testing.T) {
	for what, edit := range map[string]func(*Manifest){
		"another root":    func(m *Manifest) { m.Root[0] ^= 1 },
		"another count":   func(m *Manifest) { m.Count++ },
		"a group's root":  func(m *Manifest) { m.Groups[1].Root[0] ^= 1 },
		"a group's count": func(m *Manifest) { m.Groups[1].Count++; m.Count++ },
		"unsorted": func(m *Manifest) {
			slices.Reverse(m.Groups)
			m.Root, _ = RootOf(m.Groups)
		},
		"twice": func(m *Manifest) {
			m.Groups = append(m.Groups, m.Groups[1])
			m.Root, m.Count = RootOf(m.Groups)
		},
		"empty group": func(m *Manifest) {
			m.Groups = append(m.Groups, Group{Env: EnvID{200}})
			m.Root, m.Count = RootOf(m.Groups)
		},
	} {
		m, key := newManifest()
		edit(m)
		if _, err := Parse(sign(m, key, nil)); !errors.Is(err, ErrAltered) {
			t.Errorf("%s: %v", what, err)
		}
	}
	m, _ := newManifest()
	if g, ok := m.Group(EnvID{23}); !ok || g.Count != 3 {
		t.Errorf("group: %+v, %v", g, ok)
	}
	if _, ok := m.Group(EnvID{24}); ok {
		t.Error("a group that is not there")
	}
	if root, count := RootOf(nil); count != 0 || bytes.Equal(root[:], make([]byte, 32)) {
		t.Error("the root of nothing")
	}
}
