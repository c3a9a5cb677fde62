package manifest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/opaquevault/ov/core/lp"
)

// A Group is the root over what belongs to one environment; zeros stand for
// what belongs to none. With it a reader of one environment can tell that
// nothing of it is missing, and a writer of one can change no other.
type Group struct {
	Env   EnvID
	Count uint64
	Root  Hash
}

// RootOf is the root over everything: SHA-256 over LP("ov/v1/roots", n[8]) and,
// for each group, sorted by environment, env[16] count[8] root[32].
func RootOf(groups []Group) (root Hash, count uint64) {
	h := sha256.New()
	h.Write(lp.Join([]byte("ov/v1/roots"), lp.U64(uint64(len(groups)))))
	for _, g := range groups {
		h.Write(appendGroup(nil, g))
		count += g.Count
	}
	h.Sum(root[:0])
	return root, count
}

const groupSize = 16 + 8 + 32

func appendGroup(b []byte, g Group) []byte {
	b = append(b, g.Env[:]...)
	b = binary.BigEndian.AppendUint64(b, g.Count)
	return append(b, g.Root[:]...)
}

// Group returns the root of env, which is empty where nothing belongs to it.
func (m *Manifest) Group(env EnvID) (Group, bool) {
	i, ok := slices.BinarySearchFunc(m.Groups, env, func(g Group, env EnvID) int { return bytes.Compare(g.Env[:], env[:]) })
	if !ok {
		return Group{}, false
	}
	return m.Groups[i], true
}

// sound reports whether the groups are sorted, none empty, and give the root.
func (m *Manifest) sound() bool {
	for i, g := range m.Groups {
		if g.Count == 0 || i > 0 && bytes.Compare(m.Groups[i-1].Env[:], g.Env[:]) >= 0 {
			return false
		}
	}
	root, count := RootOf(m.Groups)
	return root == m.Root && count == m.Count
}

// Leaves are what is added to, or removed from, each group.
type Leaves map[EnvID][]Hash

// Add puts a leaf into its group.
func (l Leaves) Add(env EnvID, leaf Hash) { l[env] = append(l[env], leaf) }

// A Forest is one Tree for each group.
type Forest struct{ trees map[EnvID]*Tree }

// NewForest returns the forest of leaves. It reports false if one occurs twice.
func NewForest(leaves Leaves) (*Forest, bool) { return (&Forest{}).Change(leaves, nil) }

// Change returns a forest with leaves added and removed; f stays as it is. It
// reports false when one to add is there, or one to remove is not.
func (f *Forest) Change(add, remove Leaves) (*Forest, bool) {
	next := &Forest{trees: make(map[EnvID]*Tree, len(f.trees)+1)}
	maps.Copy(next.trees, f.trees)
	touched := maps.Clone(add)
	if touched == nil {
		touched = Leaves{}
	}
	maps.Copy(touched, remove)
	for env := range touched {
		tree, ok := next.trees[env], true
		switch {
		case tree == nil && len(remove[env]) == 0:
			tree, ok = NewTree(add[env])
		case tree == nil:
			return nil, false
		default:
			tree, ok = tree.Change(add[env], remove[env])
		}
		if !ok {
			return nil, false
		}
		if next.trees[env] = tree; tree.Count() == 0 {
			delete(next.trees, env)
		}
	}
	return next, true
}

// Groups returns the root of every group that is not empty, sorted.
func (f *Forest) Groups() []Group {
	out := make([]Group, 0, len(f.trees))
	for env, tree := range f.trees {
		out = append(out, Group{Env: env, Count: tree.Count(), Root: tree.Root()})
	}
	slices.SortFunc(out, func(a, b Group) int { return bytes.Compare(a.Env[:], b.Env[:]) })
	return out
}

// Is reports whether the forest is what m says is stored.
func (f *Forest) Is(m *Manifest) bool { return slices.Equal(f.Groups(), m.Groups) }
