package manifest

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// A member who writes signs commits, and may do one thing with them: add the
// next versions of secrets, in the environments that his record names. Two checks
// see to it. Follows holds his manifest against the one before: all but the roots
// of those environments is as it was. Holding.Add holds what the commit put
// against those roots: nothing is gone, and what is new are versions of secrets.

// DeviceID is how p signs: the beginning of its id.
func (p *Principal) DeviceID() DeviceID {
	id := p.ID()
	return DeviceID(id[:len(DeviceID{})])
}

// writer returns the member whose record warrant is, if m lists it, it may
// write, and m says that it signed.
func (m *Manifest) writer(warrant []byte) (*Principal, bool) {
	p, err := ParsePrincipal(warrant)
	if err != nil || p.Role != RoleWriter || p.DeviceID() != m.Signer {
		return nil, false
	}
	return p, slices.Contains(m.Members, Entity{ID: p.ID(), Sum: Sum(warrant)})
}

// Next returns what the manifest after m begins as: all that m says of the
// vault, and nothing of what it says of its own commit.
func (m *Manifest) Next() Manifest {
	next := *m
	next.Groups = slices.Clone(m.Groups)
	next.Slots, next.Devices, next.Blobs = slices.Clone(m.Slots), slices.Clone(m.Devices), slices.Clone(m.Blobs)
	next.Members, next.Machines = slices.Clone(m.Members), slices.Clone(m.Machines)
	next.Purged, next.Reset, next.Writer = nil, false, nil
	return next
}

// onlyAdds reports whether m, signed by a member, is prev but for its place in
// the chain and the roots of the member's environments, each of which holds more
// than before or is as it was; and whether the member's time was not over.
func (m *Manifest) onlyAdds(prev *Manifest) bool {
	if m.Time < prev.Time || m.Writer.Expired(m.Time) || len(m.Groups) != len(prev.Groups) {
		return false
	}
	for i, now := range m.Groups {
		was := prev.Groups[i]
		if now != was && (now.Env != was.Env || !m.Writer.Reads(now.Env) || now.Count <= was.Count) {
			return false
		}
	}
	want := prev.Next()
	want.Seq, want.Prev, want.Time, want.Signer = m.Seq, m.Prev, m.Time, m.Signer
	want.Groups, want.Root, want.Count = m.Groups, m.Root, m.Count
	return bytes.Equal(want.Body(), m.Body())
}

// maxAhead is how far ahead of a reader's clock a member's commit may be dated:
// the vault's time never goes back, and old versions go by it.
const maxAhead = 24 * time.Hour

// Ahead reports whether m, signed by a member, is dated later than now can be.
func (m *Manifest) Ahead(now time.Time) bool {
	return m.Writer != nil && m.Time > uint64(now.Add(maxAhead).UnixMilli())
}

// An Entry is one stored thing as a store lists it; Seq is the number of the
// commit that put it there, which the store says.
type Entry struct {
	Kind    uint8
	Env     EnvID
	ID      ID
	Version uint64
	Sum     Hash
	Seq     uint64
}

// A Holding is what is stored of some environments as of one manifest: what is
// needed to check the commits of members that come after it.
type Holding struct {
	forest *Forest
	newest map[ID]Entry // of secrets
}

// NewHolding returns the holding of entries, which must be all that m says is
// stored of the environments envs, or, where that is nil, of all there are.
func NewHolding(m *Manifest, entries []Entry, envs []EnvID) (*Holding, bool) {
	h := &Holding{newest: map[ID]Entry{}}
	leaves := Leaves{}
	for _, e := range entries {
		leaves.Add(e.Env, Leaf(e.Kind, e.Env, e.ID, e.Version, e.Sum))
		if e.Kind == KindSecret && e.Version > h.newest[e.ID].Version {
			h.newest[e.ID] = e
		}
	}
	var ok bool
	if h.forest, ok = NewForest(leaves); !ok {
		return nil, false
	}
	return h, h.is(m, envs)
}

// is reports whether h is what m says is stored of envs.
func (h *Holding) is(m *Manifest, envs []EnvID) bool {
	want := m.Groups
	if envs != nil {
		want = slices.DeleteFunc(slices.Clone(want), func(g Group) bool { return !slices.Contains(envs, g.Env) })
	}
	return slices.Equal(h.forest.Groups(), want)
}

// Add reports whether m, signed by a member, put exactly added into envs, or,
// where that is nil, anywhere: each the next version of a secret of an environment
// that the member writes. If so h is what is stored as of m.
func (h *Holding) Add(m *Manifest, added []Entry, envs []EnvID) bool {
	if m.Writer == nil {
		return false
	}
	added = slices.Clone(added)
	slices.SortFunc(added, func(a, b Entry) int { return bytes.Compare(versionKey(a), versionKey(b)) })
	leaves, newest := Leaves{}, map[ID]Entry{}
	for _, e := range added {
		before, ok := newest[e.ID]
		if !ok {
			before, ok = h.newest[e.ID]
		}
		switch {
		case e.Kind != KindSecret, !m.Writer.Reads(e.Env):
			return false
		case e.Version != before.Version+1, ok && before.Env != e.Env:
			return false
		}
		newest[e.ID] = e
		leaves.Add(e.Env, Leaf(e.Kind, e.Env, e.ID, e.Version, e.Sum))
	}
	forest, ok := h.forest.Change(leaves, nil)
	if !ok {
		return false
	}
	next := &Holding{forest: forest}
	if !next.is(m, envs) {
		return false
	}
	h.forest = forest
	maps.Copy(h.newest, newest)
	return true
}

// versionKey sorts entries by id, then version.
func versionKey(e Entry) []byte {
	return binary.BigEndian.AppendUint64(slices.Clone(e.ID[:]), e.Version)
}

// AddAll reports whether the commits of members since the last one of a device
// put what they may. chain are the manifests from one that is believed, with all
// that it says, to the newest one, each of which follows the one before; entries
// are all that is stored of envs.
//
// What is before the last commit of a device that device has checked. From there
// on nothing was removed, so that each of the states in between can be made again
// from what is there now.
func AddAll(chain []*Manifest, entries []Entry, envs []EnvID) bool {
	last := 0
	for i, m := range chain {
		if m.Writer == nil {
			last = i
		}
	}
	base := chain[last]
	by := map[uint64][]Entry{}
	var held []Entry
	for _, e := range entries {
		if e.Seq <= base.Seq {
			held = append(held, e)
		} else {
			by[e.Seq] = append(by[e.Seq], e)
		}
	}
	h, ok := NewHolding(base, held, envs)
	if !ok {
		return false
	}
	for _, m := range chain[last+1:] {
		if !h.Add(m, by[m.Seq], envs) {
			return false
		}
		delete(by, m.Seq)
	}
	return len(by) == 0
}
