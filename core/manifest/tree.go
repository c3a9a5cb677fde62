package manifest

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/opaquevault/ov/core/lp"
)

// Sum is the hash of what is stored of one thing.
func Sum(data []byte) Hash { return sha256.Sum256(data) }

// Leaf is what the root covers of one thing: its labels as well as its sum, so
// that a store cannot offer it under another kind, id, version or environment.
func Leaf(kind uint8, env EnvID, id ID, version uint64, sum Hash) Hash {
	return sha256.Sum256(lp.Join([]byte("ov/v1/leaf"), []byte{kind}, env[:], id[:], lp.U64(version), sum[:]))
}

// A Tree is the set of leaves that a store must hold of a group, and the root over it: the
// leaves in 256 buckets by their first byte, each sorted and hashed, and a hash
// over the 256. A change costs one bucket, not the vault.
type Tree struct {
	buckets [256][]Hash
	hashes  [256]Hash
	n       uint64
}

// NewTree returns the tree of leaves. It reports false if one occurs twice.
func NewTree(leaves []Hash) (*Tree, bool) {
	t := &Tree{n: uint64(len(leaves))}
	for _, s := range leaves {
		t.buckets[s[0]] = append(t.buckets[s[0]], s)
	}
	for i := range t.buckets {
		slices.SortFunc(t.buckets[i], compareHash)
		if len(slices.Compact(slices.Clone(t.buckets[i]))) != len(t.buckets[i]) {
			return nil, false
		}
		t.hashes[i] = hashBucket(t.buckets[i])
	}
	return t, true
}

// Change returns a tree with leaves added and removed; t stays as it is. It
// reports false when one to add is there, or one to remove is not.
func (t *Tree) Change(add, remove []Hash) (*Tree, bool) {
	next := *t
	touched := map[byte]bool{}
	for _, s := range remove {
		i, ok := slices.BinarySearchFunc(next.buckets[s[0]], s, compareHash)
		if !ok {
			return nil, false
		}
		next.own(s[0], touched)
		next.buckets[s[0]] = slices.Delete(next.buckets[s[0]], i, i+1)
		next.n--
	}
	for _, s := range add {
		i, ok := slices.BinarySearchFunc(next.buckets[s[0]], s, compareHash)
		if ok {
			return nil, false
		}
		next.own(s[0], touched)
		next.buckets[s[0]] = slices.Insert(next.buckets[s[0]], i, s)
		next.n++
	}
	for b := range touched {
		next.hashes[b] = hashBucket(next.buckets[b])
	}
	return &next, true
}

// own gives the tree its own copy of a bucket before it is changed.
func (t *Tree) own(b byte, touched map[byte]bool) {
	if !touched[b] {
		touched[b] = true
		t.buckets[b] = slices.Clone(t.buckets[b])
	}
}

// Count returns the number of leaves.
func (t *Tree) Count() uint64 { return t.n }

// Root is SHA-256 over LP("ov/v1/root", count[8]) and the 256 bucket hashes.
func (t *Tree) Root() (root Hash) {
	h := sha256.New()
	h.Write(lp.Join([]byte("ov/v1/root"), lp.U64(t.n)))
	for i := range t.hashes {
		h.Write(t.hashes[i][:])
	}
	h.Sum(root[:0])
	return root
}

// hashBucket is SHA-256 over the sorted leaves one after another.
func hashBucket(leaves []Hash) (out Hash) {
	h := sha256.New()
	for i := range leaves {
		h.Write(leaves[i][:])
	}
	h.Sum(out[:0])
	return out
}

func compareHash(a, b Hash) int { return bytes.Compare(a[:], b[:]) }
