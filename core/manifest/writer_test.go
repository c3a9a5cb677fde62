package manifest

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

// The environments of a test's vault, and of its member.
var (
	envMine  = EnvID{23}
	envOther = EnvID{24}
)

// A shared is a vault with a member who writes envMine: the manifest of a device,
// and what the member needs to sign the next one.
type shared struct {
	device, member ed25519.PrivateKey
	writer         *Principal
	prev           *Manifest
	prevData       []byte
}

func newShared(edit func(*Principal)) *shared {
	m, device := newManifest()
	s := &shared{device: device, member: newKey()}
	s.writer = &Principal{Role: RoleWriter, Sign: [32]byte(public(s.member)), Seal: [XWingSize]byte{9}, NotAfter: 1000, Envs: []EnvID{envMine}, Created: 20}
	if edit != nil {
		edit(s.writer)
	}
	m.Members = append(m.Members, Entity{ID: s.writer.ID(), Sum: Sum(s.writer.Encode())})
	m.Groups = append(m.Groups, Group{Env: envOther, Count: 2, Root: Hash{25}})
	m.Root, m.Count = RootOf(m.Groups)
	s.prev, s.prevData = m, sign(m, device, nil)
	return s
}

// next is the manifest of a commit that the member may make, changed by edit.
func (s *shared) next(edit func(*Manifest)) *Manifest {
	m := s.prev.Next()
	m.Seq, m.Prev, m.Time, m.Signer = s.prev.Seq+1, Chain(s.prevData), s.prev.Time+1, s.writer.DeviceID()
	m.Groups[1] = Group{Env: envMine, Count: m.Groups[1].Count + 1, Root: Hash{99}}
	if edit != nil {
		edit(&m)
	}
	m.Root, m.Count = RootOf(m.Groups)
	return &m
}

// follows reports whether the member's manifest parses, and follows.
func (s *shared) follows(m *Manifest) (parses, follows bool) {
	data := m.Encode(ed25519.Sign(s.member, m.Body()), s.writer.Encode())
	got, err := Parse(data)
	if err != nil {
		return false, false
	}
	return true, got.Follows(data, s.prev, s.prevData)
}

// A member's manifest follows, and says who signed it.
func TestWriterFollows(t *testing.T) {
	s := newShared(nil)
	m := s.next(nil)
	data := m.Encode(ed25519.Sign(s.member, m.Body()), s.writer.Encode())
	got, err := Parse(data)
	if err != nil || !got.Follows(data, s.prev, s.prevData) {
		t.Fatalf("%v", err)
	}
	if !reflect.DeepEqual(got.Writer, s.writer) || got.Signer != s.writer.DeviceID() {
		t.Errorf("%+v", got.Writer)
	}
	// A device goes on from there, and so does the member.
	after := got.Next()
	after.Seq, after.Prev, after.Signer = got.Seq+1, Chain(data), DeviceID{14}
	afterData := sign(&after, s.device, nil)
	if p, err := Parse(afterData); err != nil || p.Writer != nil || !p.Follows(afterData, got, data) {
		t.Errorf("a device's after it: %v", err)
	}
	if got.Next().Writer != nil {
		t.Error("the next manifest has a writer before it is signed")
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
}

// manifestAttacks are changes to a member's manifest, by the field that they are
// of: everything that he may not do with one.
func manifestAttacks() map[string][]func(*Manifest) {
	return map[string][]func(*Manifest){
		"Vault":  {func(m *Manifest) { m.Vault[0] ^= 1 }},
		"Seq":    {func(m *Manifest) { m.Seq++ }, func(m *Manifest) { m.Seq-- }},
		"Prev":   {func(m *Manifest) { m.Prev[0] ^= 1 }, func(m *Manifest) { m.Prev = Hash{} }},
		"Slots":  {func(m *Manifest) { m.Slots = nil }, func(m *Manifest) { m.Slots[0].Auth[0] ^= 1 }, func(m *Manifest) { m.Slots[0].Version++ }, func(m *Manifest) { m.Slots = append(m.Slots, m.Slots[0]) }},
		"Floor":  {func(m *Manifest) { m.Floor-- }, func(m *Manifest) { m.Floor++ }},
		"Reset":  {func(m *Manifest) { m.Reset = true }},
		"Purged": {func(m *Manifest) { m.Purged = []Purged{{Kind: KindSecret, ID: ID{19}, Version: 20}} }},
		"Members": {
			func(m *Manifest) { m.Members = append(m.Members, Entity{ID: ID{66}, Sum: Hash{66}}) },
			func(m *Manifest) { m.Members = m.Members[1:] },
			func(m *Manifest) { m.Members[0].Sum[0] ^= 1 },
			func(m *Manifest) { slices.Reverse(m.Members) },
		},
		"Machines": {func(m *Manifest) { m.Machines = nil }, func(m *Manifest) { m.Machines = append(m.Machines, m.Members[1]) }},
		"EnvKeys":  {func(m *Manifest) { m.EnvKeys[0] ^= 1 }},
		"Devices": {
			func(m *Manifest) { m.Devices = m.Devices[:1] },
			func(m *Manifest) { m.Devices[1].Key[0] ^= 1 },
			func(m *Manifest) { m.Devices = append(m.Devices, Device{ID: DeviceID{77}, Key: m.Devices[0].Key}) },
		},
		"Blobs": {func(m *Manifest) { m.Blobs[0].Sum[0] ^= 1 }, func(m *Manifest) { m.Blobs = nil }, func(m *Manifest) { m.Blobs = append(m.Blobs, BlobRef{Name: "pin"}) }},
		"Time":  {func(m *Manifest) { m.Time = 0 }, func(m *Manifest) { m.Time -= 2 }, func(m *Manifest) { m.Time = 1000 }, func(m *Manifest) { m.Time = 1 << 62 }},
		"Groups": {
			func(m *Manifest) { m.Groups[2].Root[0] ^= 1 },
			func(m *Manifest) { m.Groups[2].Count++ },
			func(m *Manifest) { m.Groups[0].Count++ },
			func(m *Manifest) { m.Groups[1].Count-- },    // as many as before, and others
			func(m *Manifest) { m.Groups[1].Count -= 2 }, // fewer
			func(m *Manifest) { m.Groups = m.Groups[:2] },
			func(m *Manifest) { m.Groups = slices.Delete(m.Groups, 1, 2) },
			func(m *Manifest) { m.Groups = append(m.Groups, Group{Env: EnvID{25}, Count: 1}) },
			func(m *Manifest) { m.Groups[1].Env = EnvID{22} },
			func(m *Manifest) { m.Groups = append(m.Groups[:1:1], Group{Env: EnvID{22}, Count: 9}, m.Groups[2]) },
		},
		"Signer": {func(m *Manifest) { m.Signer[0] ^= 1 }, func(m *Manifest) { m.Signer = DeviceID{14} }, func(m *Manifest) { m.Signer = DeviceID{} }},
	}
}

// Attack: whatever a member changes of the manifest but what he may, no one
// follows it. Root and Count are over Groups; every other field has its attacks.
func TestAttackWriterManifest(t *testing.T) {
	attacks, n := manifestAttacks(), 0
	for f := range reflect.TypeFor[Manifest]().Fields() {
		if f.Name == "Root" || f.Name == "Count" || f.Name == "Writer" {
			continue
		}
		if len(attacks[f.Name]) == 0 {
			t.Errorf("nothing alters %s", f.Name)
		}
		for i, edit := range attacks[f.Name] {
			s := newShared(nil)
			if _, follows := s.follows(s.next(edit)); follows {
				t.Errorf("%s, attack %d: it follows", f.Name, i)
			}
			n++
		}
	}
	// The same commit that leaves the groups as they were adds nothing, and may.
	s := newShared(nil)
	if parses, follows := s.follows(s.next(func(m *Manifest) { m.Groups[1] = s.prev.Groups[1] })); !parses || !follows {
		t.Error("an empty commit of a member")
	}
	t.Logf("%d alterations of a member's manifest: none follows", n)
}

// Attack: one who may not write signs: a reader, a machine, a stranger, one whose
// record says more than the listed one, one who is not listed any more.
func TestAttackNotAWriter(t *testing.T) {
	edited := func(edit func(*Principal)) func(*shared) {
		return func(s *shared) { edit(s.writer) }
	}
	for what, c := range map[string]struct {
		as     func(*Principal) // how the vault lists the member
		before func(*shared)    // what the member does to what he holds
	}{
		"a reader":                {func(p *Principal) { p.Role = RoleReader }, nil},
		"a machine":               {func(p *Principal) { p.Role = RoleMachine }, nil},
		"a reader made writer":    {func(p *Principal) { p.Role = RoleReader }, edited(func(p *Principal) { p.Role = RoleWriter })},
		"a later end":             {nil, edited(func(p *Principal) { p.NotAfter = 0 })},
		"more environments":       {nil, edited(func(p *Principal) { p.Envs = append(p.Envs, envOther) })},
		"another's signature":     {nil, func(s *shared) { s.member = newKey() }},
		"no environment":          {func(p *Principal) { p.Envs = nil }, nil},
		"another environment":     {func(p *Principal) { p.Envs = []EnvID{envOther} }, nil},
		"its time was over":       {func(p *Principal) { p.NotAfter = 22 }, nil},
		"its time was long over":  {func(p *Principal) { p.NotAfter = 1 }, nil},
		"a device's key and name": {nil, func(s *shared) { s.member = s.device }},
	} {
		s := newShared(c.as)
		if c.before != nil {
			c.before(s)
		}
		if _, follows := s.follows(s.next(nil)); follows {
			t.Errorf("%s: it follows", what)
		}
	}
	// Machines are not members, whatever their record says.
	s := newShared(nil)
	s.prev.Machines = append(s.prev.Machines, s.prev.Members[1])
	s.prev.Members = s.prev.Members[:1]
	s.prevData = sign(s.prev, s.device, nil)
	if parses, _ := s.follows(s.next(nil)); parses {
		t.Error("a machine with a writer's record")
	}
	// A revoked one lists himself again.
	s = newShared(nil)
	members := s.prev.Members
	s.prev.Members = members[:1]
	s.prevData = sign(s.prev, s.device, nil)
	if parses, follows := s.follows(s.next(func(m *Manifest) { m.Members = members })); !parses || follows {
		t.Errorf("a revoked member who lists himself: parses %v, follows %v", parses, follows)
	}
	// A password's signature is none of a member's, nor the other way round.
	s = newShared(nil)
	m := s.next(nil)
	for what, warrant := range map[string][]byte{"nothing": nil, "a signature": ed25519.Sign(s.member, m.Body()), "a cut record": s.writer.Encode()[:100], "a longer record": append(s.writer.Encode(), 0)} {
		if _, err := Parse(m.Encode(ed25519.Sign(s.member, m.Body()), warrant)); !errors.Is(err, ErrAltered) {
			t.Errorf("%s as the warrant: %v", what, err)
		}
	}
}

// An entry of the test's store.
func rec(kind uint8, env EnvID, id, version byte, seq uint64) Entry {
	return Entry{Kind: kind, Env: env, ID: ID{id}, Version: uint64(version), Sum: Hash{kind, id, version}, Seq: seq}
}

// stored gives m the roots over entries, as of commit seq.
func (s *shared) stored(m *Manifest, entries []Entry) *Manifest {
	leaves := Leaves{}
	for _, e := range entries {
		leaves.Add(e.Env, Leaf(e.Kind, e.Env, e.ID, e.Version, e.Sum))
	}
	forest, ok := NewForest(leaves)
	if !ok {
		panic("twice")
	}
	out := m.Next()
	out.Seq, out.Writer, out.Groups = m.Seq, m.Writer, forest.Groups()
	out.Root, out.Count = RootOf(out.Groups)
	return &out
}

// What a member's commit put is held against its roots: the next versions of
// secrets of his environments, and all that was there before.
func TestAddAll(t *testing.T) {
	s := newShared(nil)
	old := []Entry{
		rec(KindList, EnvID{}, 1, 1, 1), rec(KindEnvKey, envMine, 2, 1, 1), rec(KindSecret, envMine, 3, 1, 1), rec(KindSecret, envMine, 3, 2, 2),
		rec(KindEnvKey, envOther, 4, 1, 1), rec(KindSecret, envOther, 5, 7, 2), rec(KindEnvPolicy, envMine, 6, 1, 2), rec(KindWrap, envMine, 7, 1, 2),
	}
	base := s.stored(&Manifest{Seq: 2}, old)
	commit := func(seq uint64, put ...Entry) ([]*Manifest, []Entry) {
		all := append(slices.Clone(old), put...)
		return []*Manifest{base, s.stored(&Manifest{Seq: seq, Writer: s.writer}, all)}, all
	}
	for _, put := range [][]Entry{
		{},
		{rec(KindSecret, envMine, 3, 3, 3)},
		{rec(KindSecret, envMine, 8, 1, 3)},
		{rec(KindSecret, envMine, 8, 2, 3), rec(KindSecret, envMine, 3, 3, 3), rec(KindSecret, envMine, 8, 1, 3)},
	} {
		chain, all := commit(3, put...)
		if !AddAll(chain, all, nil) {
			t.Errorf("refused: %+v", put)
		}
		mine := slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return e.Env != envMine })
		if !AddAll(chain, mine, []EnvID{envMine}) {
			t.Errorf("refused by a reader of the environment: %+v", put)
		}
	}
	for what, put := range map[string][]Entry{
		"an environment's key":               {rec(KindEnvKey, envMine, 2, 2, 3)},
		"a wrap for another":                 {rec(KindWrap, envMine, 9, 1, 3)},
		"a policy":                           {rec(KindEnvPolicy, envMine, 6, 2, 3)},
		"a document":                         {rec(KindBlob, envMine, 9, 1, 3)},
		"a slot":                             {rec(KindSlot, envMine, 9, 1, 3)},
		"a principal":                        {rec(KindPrincipal, envMine, 9, 1, 3)},
		"another environment's secret":       {rec(KindSecret, envOther, 9, 1, 3)},
		"no environment's secret":            {rec(KindSecret, EnvID{}, 9, 1, 3)},
		"a version left out":                 {rec(KindSecret, envMine, 3, 4, 3)},
		"an old version":                     {rec(KindSecret, envMine, 3, 0, 3)},
		"a first version that is not":        {rec(KindSecret, envMine, 9, 2, 3)},
		"the last version there is":          {rec(KindSecret, envMine, 3, 255, 3)},
		"the id of another environment's":    {rec(KindSecret, envMine, 5, 8, 3)},
		"one of these beside what he may":    {rec(KindSecret, envMine, 3, 3, 3), rec(KindWrap, envMine, 9, 1, 3)},
		"said to be of an earlier commit":    {rec(KindEnvPolicy, envMine, 6, 2, 2)},
		"said to be of a commit to come":     {rec(KindSecret, envMine, 3, 3, 4)},
		"what he may, of an earlier commit":  {rec(KindSecret, envMine, 3, 3, 2)},
		"a version twice, under another sum": {rec(KindSecret, envMine, 3, 3, 3), {Kind: KindSecret, Env: envMine, ID: ID{3}, Version: 3, Sum: Hash{66}, Seq: 3}},
	} {
		if chain, all := commit(3, put...); AddAll(chain, all, nil) {
			t.Errorf("%s: accepted", what)
		}
	}
	if chain, all := commit(3); AddAll(chain, append(all, rec(KindSecret, envMine, 9, 1, 9)), nil) {
		t.Error("more than the newest manifest says: accepted")
	}
	// What was there is gone: the signed roots lack it, and so does the store.
	for i, gone := range old {
		all := slices.Delete(slices.Clone(old), i, i+1)
		all = append(all, rec(KindSecret, envMine, 30, 1, 3), rec(KindSecret, envMine, 31, 1, 3))
		if AddAll([]*Manifest{base, s.stored(&Manifest{Seq: 3, Writer: s.writer}, all)}, all, nil) {
			t.Errorf("without %+v: accepted", gone)
		}
	}
	// A device's commit after it is the device's word for all before.
	chain, all := commit(3, rec(KindEnvPolicy, envMine, 6, 2, 3))
	if after := s.stored(&Manifest{Seq: 4}, all); !AddAll(append(chain, after), all, nil) {
		t.Error("what a device took over")
	}
	// Two members, one after the other; the second drops what the first put.
	first := rec(KindSecret, envMine, 3, 3, 3)
	chain, all = commit(3, first)
	second := rec(KindSecret, envMine, 3, 4, 4)
	both := append(slices.Clone(all), second)
	if !AddAll(append(slices.Clone(chain), s.stored(&Manifest{Seq: 4, Writer: s.writer}, both)), both, nil) {
		t.Error("two commits of members: refused")
	}
	other := append(slices.Clone(old), rec(KindSecret, envMine, 3, 3, 4))
	if AddAll(append(slices.Clone(chain), s.stored(&Manifest{Seq: 4, Writer: s.writer}, other)), other, nil) {
		t.Error("the second dropped what the first put: accepted")
	}
}

// A refused commit leaves the holding as it was.
func TestHoldingStays(t *testing.T) {
	s := newShared(nil)
	old := []Entry{rec(KindEnvKey, envMine, 2, 1, 1), rec(KindSecret, envMine, 3, 1, 1)}
	base := s.stored(&Manifest{Seq: 1}, old)
	h, ok := NewHolding(base, old, nil)
	if !ok {
		t.Fatal("refused")
	}
	if _, ok := NewHolding(base, old[:1], nil); ok {
		t.Error("less than the manifest says")
	}
	if _, ok := NewHolding(base, append(old, old[1]), nil); ok {
		t.Error("one twice")
	}
	put := rec(KindSecret, envMine, 3, 2, 2)
	good := s.stored(&Manifest{Seq: 2, Writer: s.writer}, append(slices.Clone(old), put))
	if h.Add(good, []Entry{put, rec(KindSecret, envMine, 9, 1, 2)}, nil) || h.Add(good, nil, nil) || h.Add(base, nil, nil) {
		t.Error("accepted")
	}
	if !h.Add(good, []Entry{put}, nil) {
		t.Error("a refused commit changed it")
	}
}

func TestAhead(t *testing.T) {
	now := time.UnixMilli(1_000_000_000_000)
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{{0, false}, {-time.Hour, false}, {23 * time.Hour, false}, {25 * time.Hour, true}} {
		m := &Manifest{Time: uint64(now.Add(c.at).UnixMilli()), Writer: &Principal{}}
		if m.Ahead(now) != c.want {
			t.Errorf("%s ahead: %v", c.at, !c.want)
		}
		if m.Writer = nil; m.Ahead(now) {
			t.Errorf("a device's, %s ahead", c.at)
		}
	}
}
