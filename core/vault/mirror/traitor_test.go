package mirror

import (
	"context"
	"crypto/ed25519"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A traitor is a member who writes, and who has the server on his side: he signs
// what he likes, and it stores what he likes.
type traitor struct {
	t      *testing.T
	key    *seal.MachineKey
	holder *seal.Holder
	record []byte // by which the vault lists him
	env    *seal.EnvKey
}

// newTraitor makes one of a member's key, as of what st holds.
func newTraitor(t *testing.T, text secret.Value, st blob.Store) *traitor {
	t.Helper()
	b := &traitor{t: t}
	var err error
	if b.key, err = seal.ParseMachineKey(text); err != nil {
		t.Fatal(err)
	}
	if b.holder, err = seal.NewHolder(b.key.Seed); err != nil {
		t.Fatal(err)
	}
	p := b.holder.Principal()
	b.record = b.get(st, blob.Key{Kind: seal.KindPrincipal, ID: p.ID(), Version: 1})
	var epoch uint64
	for _, e := range b.entries(st) {
		if e.Kind == seal.KindEnvKey && e.Group == b.key.Env {
			epoch = max(epoch, e.Version)
		}
	}
	wrap := b.get(st, blob.Key{Kind: seal.KindWrap, ID: seal.WrapID(b.key.Vault, b.key.Env, p.ID()), Version: epoch})
	if b.env, err = b.holder.OpenWrap(b.key.Vault, b.key.Env, uint32(epoch), wrap); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *traitor) get(st blob.Store, k blob.Key) []byte {
	b.t.Helper()
	recs, err := st.Get(context.Background(), []blob.Key{k})
	if err != nil {
		b.t.Fatal(err)
	}
	return recs[0].Data
}

func (b *traitor) entries(st blob.Store) []blob.Entry {
	b.t.Helper()
	list, err := st.Changes(context.Background(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// version seals a version of NAME as the traitor may.
func (b *traitor) version(name, value string, n uint64) blob.Record {
	id := b.env.RecordID(name)
	m := seal.Meta{Ref: secret.Ref{App: b.key.App, Env: b.key.EnvName, Name: name}, Created: 1, Time: 1, Size: uint32(len(value))}
	return b.record4(id, n, seal.SealRecord(b.env, b.env.Place(id, n), m, []byte(value)))
}

func (b *traitor) record4(id seal.ID, n uint64, data []byte) blob.Record {
	return blob.Record{Key: blob.Key{Kind: seal.KindSecret, ID: id, Version: n}, Group: b.key.Env, Sum: seal.Sum(data), Data: data}
}

// put is what the traitor puts, of any kind, in his environment.
func (b *traitor) put(kind uint8, id seal.ID, version uint64, data []byte) blob.Record {
	return blob.Record{Key: blob.Key{Kind: kind, ID: id, Version: version}, Group: b.key.Env, Sum: seal.Sum(data), Data: data}
}

// A treason is one commit of his.
type treason struct {
	put     []blob.Record
	purge   func(blob.Entry) bool    // what the server drops with it
	edit    func(*manifest.Manifest) // of the manifest, before he signs it
	warrant []byte                   // nil: his record
}

// commit makes it on top of what st holds.
func (b *traitor) commit(st blob.Store, tr treason) {
	b.t.Helper()
	if err := st.Commit(context.Background(), b.signed(st, tr)); err != nil {
		b.t.Fatal(err)
	}
}

// signed is the commit, with the roots of what st then holds.
func (b *traitor) signed(st blob.Store, tr treason) blob.Commit {
	b.t.Helper()
	ctx := context.Background()
	head, err := st.Head(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	prev, err := manifest.Parse(head.Manifest)
	if err != nil {
		b.t.Fatal(err)
	}
	c := blob.Commit{Base: head.Seq, Seq: head.Seq + 1, Put: tr.put}
	leaves := manifest.Leaves{}
	add := func(k blob.Key, group [16]byte, sum [32]byte) {
		leaves.Add(group, manifest.Leaf(k.Kind, group, k.ID, k.Version, sum))
	}
	for _, e := range b.entries(st) {
		if tr.purge != nil && tr.purge(e) {
			c.Purge = append(c.Purge, e.Key)
			continue
		}
		add(e.Key, e.Group, e.Sum)
	}
	for _, r := range tr.put {
		add(r.Key, r.Group, r.Sum)
	}
	forest, ok := manifest.NewForest(leaves)
	if !ok {
		b.t.Fatal("a record twice")
	}
	m := prev.Next()
	m.Seq, m.Prev, m.Time = head.Seq+1, manifest.Chain(head.Manifest), max(uint64(time.Now().UnixMilli()), prev.Time)
	p := b.holder.Principal()
	m.Signer, m.Groups = p.DeviceID(), forest.Groups()
	m.Root, m.Count = manifest.RootOf(m.Groups)
	if tr.edit != nil {
		tr.edit(&m)
		m.Root, m.Count = manifest.RootOf(m.Groups)
	}
	warrant := tr.warrant
	if warrant == nil {
		warrant = b.record
	}
	c.Manifest = m.Encode(ed25519.Sign(b.holder.Sign, m.Body()), warrant)
	return c
}

// treasons are all that he can try in one commit, by name.
func (b *traitor) treasons(st blob.Store, carol seal.ID, otherEnv seal.EnvID, otherID seal.ID) map[string]treason {
	k := b.env
	wrapped := func(epoch uint32, key []byte) []byte {
		other := *k
		other.Epoch, other.Key = epoch, key
		p, err := manifest.ParsePrincipal(b.get(st, blob.Key{Kind: seal.KindPrincipal, ID: carol, Version: 1}))
		if err != nil {
			b.t.Fatal(err)
		}
		data, err := seal.SealWrap(p, &other)
		if err != nil {
			b.t.Fatal(err)
		}
		return data
	}
	policyID, keyID := seal.EnvPolicyID(b.key.Vault, k.Env), seal.EnvKeyID(b.key.Vault, k.Env)
	wrapID := seal.WrapID(b.key.Vault, k.Env, carol)
	newest := func(e blob.Entry) bool { return e.Kind == seal.KindSecret && e.Version == 2 && e.Group == k.Env }
	of := func(kind uint8) func(blob.Entry) bool {
		return func(e blob.Entry) bool { return e.Kind == kind && e.Group == k.Env }
	}
	mine := b.version("TOKEN", "his", 3)
	claim := func(edit func(*manifest.Principal)) []byte {
		p, err := manifest.ParsePrincipal(b.record)
		if err != nil {
			b.t.Fatal(err)
		}
		edit(p)
		return p.Encode()
	}
	elsewhere := b.version("NEW", "x", 1)
	elsewhere.Group = otherEnv
	out := map[string]treason{
		"drops the newest version": {purge: newest},
		"drops it and adds two":    {purge: newest, put: []blob.Record{b.version("NEW", "x", 1), b.version("NEW", "y", 2)}},
		"drops it and lists it": {purge: newest, put: []blob.Record{b.version("NEW", "x", 1), b.version("NEW", "y", 2)}, edit: func(m *manifest.Manifest) {
			m.Purged = []manifest.Purged{{Kind: 4, ID: k.RecordID("TOKEN"), Version: 2}}
		}},
		"replaces the newest version":      {purge: newest, put: []blob.Record{b.version("TOKEN", "his", 2)}},
		"drops the policy":                 {purge: of(seal.KindEnvPolicy), put: []blob.Record{mine, b.version("NEW", "x", 1)}},
		"drops the wraps":                  {purge: of(seal.KindWrap), put: []blob.Record{mine, b.version("A", "x", 1), b.version("B", "x", 1), b.version("C", "x", 1), b.version("D", "x", 1)}},
		"drops the key":                    {purge: of(seal.KindEnvKey), put: []blob.Record{mine, b.version("NEW", "x", 1)}},
		"adds a policy":                    {put: []blob.Record{mine, b.put(seal.KindEnvPolicy, policyID, 9, seal.SealEnvPolicy(k, 9, []byte("# all is allowed")))}},
		"puts a policy in its place":       {purge: of(seal.KindEnvPolicy), put: []blob.Record{mine, b.put(seal.KindEnvPolicy, policyID, 9, seal.SealEnvPolicy(k, 9, []byte("# all is allowed")))}},
		"adds an epoch":                    {put: []blob.Record{b.put(seal.KindEnvKey, keyID, 9, []byte("x"))}},
		"adds an epoch, with a wrap":       {put: []blob.Record{b.put(seal.KindEnvKey, keyID, 9, []byte("x")), b.put(seal.KindWrap, wrapID, 9, wrapped(9, seal.NewKey(32)))}},
		"wraps another key":                {purge: func(e blob.Entry) bool { return e.ID == wrapID }, put: []blob.Record{mine, b.put(seal.KindWrap, wrapID, uint64(k.Epoch), wrapped(k.Epoch, seal.NewKey(32)))}},
		"wraps the key for nobody":         {put: []blob.Record{b.put(seal.KindWrap, seal.ID{9}, 1, wrapped(1, k.Key))}},
		"adds a slot":                      {put: []blob.Record{b.put(seal.KindSlot, seal.ID{9}, 1, []byte("x"))}},
		"adds a list":                      {put: []blob.Record{b.put(seal.KindList, seal.ListID(b.key.Vault), 99, []byte("x"))}},
		"adds a document":                  {put: []blob.Record{b.put(seal.KindBlob, seal.BlobID(b.key.Vault, "policy"), 99, []byte("x"))}},
		"adds a principal":                 {put: []blob.Record{b.put(seal.KindPrincipal, seal.ID{9}, 1, b.record)}},
		"leaves versions out":              {put: []blob.Record{b.version("TOKEN", "his", 1<<62)}},
		"writes in another environment":    {put: []blob.Record{elsewhere}},
		"writes beside all environments":   {put: []blob.Record{{Key: elsewhere.Key, Sum: elsewhere.Sum, Data: elsewhere.Data}}},
		"drops of another environment":     {purge: func(e blob.Entry) bool { return e.Group == otherEnv && e.Kind == seal.KindSecret }},
		"under the id of another's secret": {put: []blob.Record{b.record4(otherID, 2, mine.Data)}},
		"dated in the past":                {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Time = 1 }},
		"dated two days ahead":             {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Time += uint64((48 * time.Hour).Milliseconds()) }},
		"dated for ever":                   {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Time = 1 << 62 }},
		"without an end":                   {put: []blob.Record{mine}, warrant: claim(func(p *manifest.Principal) { p.NotAfter = 0 })},
		"with more environments":           {put: []blob.Record{elsewhere}, warrant: claim(func(p *manifest.Principal) { p.Envs = append(p.Envs, otherEnv) })},
		"resets":                           {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Reset = true }},
		"lists a device of his": {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) {
			m.Devices = append(m.Devices, manifest.Device{ID: m.Signer, Key: [32]byte(b.holder.Sign.Public().(ed25519.PublicKey))})
		}},
		"lists a record of his": {put: []blob.Record{mine}, warrant: claim(func(p *manifest.Principal) { p.NotAfter = 0 }), edit: func(m *manifest.Manifest) {
			p := b.holder.Principal()
			for i := range m.Members {
				if m.Members[i].ID == p.ID() {
					m.Members[i].Sum = manifest.Sum(claim(func(p *manifest.Principal) { p.NotAfter = 0 }))
				}
			}
		}},
		"puts carol out": {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) {
			m.Members = slices.DeleteFunc(m.Members, func(e manifest.Entity) bool { return e.ID == carol })
		}},
		"lowers the floor":  {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Floor = 0 }},
		"changes a slot":    {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Slots[0].Auth[0] ^= 1 }},
		"changes a key sum": {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.EnvKeys[0] ^= 1 }},
		"another document":  {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Blobs[0].Sum[0] ^= 1 }},
		"hides what he put": {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Groups = slices.Clone(b.groups(st)) }},
	}
	return out
}

// groups are the roots as the head of st has them.
func (b *traitor) groups(st blob.Store) []manifest.Group {
	b.t.Helper()
	h, err := st.Head(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := manifest.Parse(h.Manifest)
	if err != nil {
		b.t.Fatal(err)
	}
	return m.Groups
}

// refusedAs reports whether err says that what the server shows is not taken.
func refusedAs(err error) bool {
	return errors.Is(err, vault.ErrTampered) || errors.Is(err, vault.ErrPassword) || errors.Is(err, vault.ErrRollback) || errors.Is(err, vault.ErrFork)
}

// Attack: a member who writes and the server, together. Whatever he signs and it
// stores, every client refuses it: a device, one that is about to join, a member
// who was reading and one who begins, a machine.
func TestAttackTraitor(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	a.must(a.put("TOKEN", "two"))
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := a.vault.Put(ctx, other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	a.must(a.vault.PutSealed(ctx, vault.Policy, []byte("# strict")))
	_, bobs := a.admitKey("bob", &evil{Store: s.store})
	carolMember, carols := a.share("carol")
	ci := a.machine("ci", time.Time{})
	carol := seal.ID{}
	{
		r := carolMember.Request()
		p := manifest.Principal{Sign: r.Sign, Seal: r.Seal}
		carol = p.ID()
	}
	bob := newTraitor(t, bobs, s.store)
	var otherEnv seal.EnvID
	var otherID seal.ID
	for _, e := range bob.entries(s.store) {
		if e.Kind == seal.KindSecret && e.Group != bob.key.Env {
			otherEnv, otherID = e.Group, e.ID
		}
	}
	j, err := vault.BeginJoin(s.device().home, a.vaultID(), a.kit.Key, text(password), 1)
	a.must(err)
	defer j.Wipe()

	wire := &evil{Store: s.store}
	alive, err := openMachine(carols, wire)
	a.must(err)
	treasons := bob.treasons(s.store, carol, otherEnv, otherID)
	for _, what := range slices.Sorted(maps.Keys(treasons)) {
		for _, after := range []bool{false, true} { // also behind an honest commit of his
			st := s.copy()
			if after {
				bob.commit(st, treason{put: []blob.Record{bob.version("HONEST", "x", 1)}})
			}
			bob.commit(st, treasons[what])
			for client, try := range map[string]func() (string, error){
				"a device": func() (string, error) {
					a.wire.Store = st
					defer func() { a.wire.Store = s.store }()
					return a.get("TOKEN")
				},
				"a member who reads on": func() (string, error) {
					wire.Store = st
					defer func() { wire.Store = s.store }()
					return read(alive, "TOKEN")
				},
				"a member who begins": func() (string, error) { return begin(carols, st) },
				"a machine":           func() (string, error) { return begin(ci, st) },
				"a device that joins": func() (string, error) {
					if what == "lists a device of his" { // the head is a device's: who that is the roster says
						n := s.device()
						n.wire.Store = st
						return "", n.tryJoin(a, "new")
					}
					_, err := j.Enrol(ctx, st, st)
					return "", err
				},
			} {
				if got, err := try(); !refusedAs(err) || got != "" {
					t.Errorf("%s (%v), %s: %q, %v", what, after, client, got, err)
				}
			}
		}
	}
	// The same clients go on with a server that is honest again, and with what bob
	// may do.
	a.sees("TOKEN", "two")
	bob.commit(s.store, treason{put: []blob.Record{bob.version("TOKEN", "his", 3)}})
	a.sees("TOKEN", "his")
	for client, try := range map[string]func() (string, error){
		"a member who reads on": func() (string, error) { return read(alive, "TOKEN") },
		"a member who begins":   func() (string, error) { return begin(carols, s.store) },
		"a machine":             func() (string, error) { return begin(ci, s.store) },
	} {
		if got, err := try(); err != nil || got != "his" {
			t.Errorf("%s: %q, %v", client, got, err)
		}
	}
	b := a.join(s, "second")
	b.sees("TOKEN", "his")
	if policy, err := alive.Sealed(ctx, vault.Policy); err != nil || string(policy) != "# strict" {
		t.Errorf("%q, %v", policy, err)
	}
	survived(t, 12, "a member who writes, and the server: %d treasons, each as his first commit and his second, five kinds of clients: refused", len(treasons))
}

// begin opens st with a key and reads TOKEN.
func begin(key secret.Value, st blob.Store) (string, error) {
	v, err := openMachine(key, st)
	if err != nil {
		return "", err
	}
	defer v.Close()
	return read(v, "TOKEN")
}
