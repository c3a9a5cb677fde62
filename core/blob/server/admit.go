package server

import (
	"cmp"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/manifest"
)

// A server cannot see whether the root fits what it stores without reading all
// of it, nor what a secret is. What it can see, it checks: a client that is
// broken, or stolen, is stopped here and not at the next honest client. A member is
// trusted less than a device: for his commits all of it is read.

// admit holds a commit against its manifest and the one before, which is nil for
// the first. data and prevData are their stored forms.
func admit(c *wire.Commit, vault manifest.VaultID, next *manifest.Manifest, prev *manifest.Manifest, prevData []byte) error {
	switch {
	case next.Vault != vault:
		return invalid("the manifest is of another vault")
	case prev == nil && next.Writer != nil:
		return forbidden("a member begins no vault")
	case next.Seq != c.Seq:
		return invalid("the manifest bears another number")
	case prev != nil && !next.Follows(c.Manifest, prev, prevData):
		return forbidden("the manifest does not follow the head: its signer, its chain or its floor")
	case next.Reset != c.Reset:
		return invalid("the manifest says otherwise about a reset")
	}
	if prev == nil && len(c.Purge) == 0 {
		// A vault that lived elsewhere before: what its last commit there purged is not here.
	} else if err := admitPurge(c, next); err != nil {
		return err
	}
	count := uint64(len(c.Put))
	if prev != nil && !c.Reset {
		count += prev.Count - uint64(len(c.Purge))
	}
	if next.Count != count {
		return invalid("the manifest counts %d records, the commit leads to %d", next.Count, count)
	}
	return admitPut(c, next)
}

// admitPurge checks that what is purged is what the manifest lists.
func admitPurge(c *wire.Commit, next *manifest.Manifest) error {
	listed := make([]blob.Key, 0, len(next.Purged))
	for _, p := range next.Purged {
		listed = append(listed, blob.Key{Kind: p.Kind, ID: p.ID, Version: p.Version})
	}
	asked := slices.Clone(c.Purge)
	slices.SortFunc(listed, compareKeys)
	slices.SortFunc(asked, compareKeys)
	if !slices.Equal(listed, asked) {
		return invalid("the commit purges what its manifest does not list")
	}
	if c.Reset && len(asked) > 0 {
		return invalid("a reset purges nothing by name")
	}
	return nil
}

func compareKeys(a, b blob.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), slices.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Version, b.Version))
}

// admitPut checks each record's sum, and that those which a manifest lists by
// name are the ones it lists.
func admitPut(c *wire.Commit, next *manifest.Manifest) error {
	for i := range c.Put {
		r := &c.Put[i]
		switch {
		case len(r.Data) == 0:
			return invalid("a record without data")
		case len(r.Data) > wire.MaxRecord:
			return tooLarge(wire.MaxRecord)
		case !manifest.Stored(r.Kind):
			return invalid("a record of kind %d: made by a newer version of ov", r.Kind)
		case manifest.Sum(r.Data) != manifest.Hash(r.Sum):
			return invalid("a record's sum is not that of its data")
		case !listed(r, next):
			return invalid("a record of kind %d is not the one that the manifest lists", r.Kind)
		}
	}
	return nil
}

// listed reports whether the manifest lists r, if r is of a kind that it lists.
func listed(r *blob.Record, m *manifest.Manifest) bool {
	switch r.Kind {
	case manifest.KindSlot:
		return slices.ContainsFunc(m.Slots, func(s manifest.SlotRef) bool {
			return s.ID == r.ID && s.Version == r.Version && s.Sum == r.Sum
		})
	case manifest.KindBlob:
		return slices.ContainsFunc(m.Blobs, func(b manifest.BlobRef) bool {
			return manifest.BlobID(m.Vault, b.Name) == r.ID && b.Version == r.Version && b.Sum == r.Sum
		})
	case manifest.KindPrincipal:
		if p, err := manifest.ParsePrincipal(r.Data); err != nil || p.ID() != r.ID || r.Version != 1 {
			return false
		}
		entity := manifest.Entity{ID: r.ID, Sum: r.Sum}
		return slices.Contains(m.Machines, entity) || slices.Contains(m.Members, entity)
	}
	return true
}
