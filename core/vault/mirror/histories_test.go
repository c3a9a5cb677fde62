package mirror

import (
	"errors"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// Attack: a member signs two histories, and the server shows one to some and the
// other to others. Whoever has seen one is never brought to the other, also not by
// what a device commits on that.
func TestAttackTwoHistories(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	_, bobs := a.admitKey("bob", &evil{Store: s.store})
	_, carols := a.share("carol")
	bob := newTraitor(t, bobs, s.store)
	other := s.copy()
	bob.commit(s.store, treason{put: []blob.Record{bob.version("TOKEN", "here", 2)}})
	bob.commit(other, treason{put: []blob.Record{bob.version("TOKEN", "there", 2)}})
	wire := &evil{Store: other}
	carol, err := openMachine(carols, wire)
	a.must(err)
	a.sees("TOKEN", "here")
	if got, err := read(carol, "TOKEN"); err != nil || got != "there" {
		t.Fatalf("%q, %v", got, err)
	}
	kept, more := carol.Seen()
	if !more {
		t.Fatal("nothing was seen")
	}
	bob.commit(other, treason{put: []blob.Record{bob.version("MORE", "x", 1)}})
	a.wire.Store = other
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrFork) {
		t.Errorf("a device that saw the one, shown the other: %v", err)
	}
	a.wire.Store = s.store
	a.must(a.put("TOKEN", "a device's")) // on the one
	for what, try := range map[string]func() (string, error){
		"reads on":     func() (string, error) { wire.Store = s.store; return read(carol, "TOKEN") },
		"begins again": func() (string, error) { return begin(kept, s.store) },
	} {
		if got, err := try(); !errors.Is(err, vault.ErrFork) || got != "" {
			t.Errorf("a member who saw the other, and %s: %q, %v", what, got, err)
		}
	}
	if got, err := begin(carols, s.store); err != nil || got != "a device's" {
		t.Errorf("one who has seen neither: %q, %v", got, err)
	}
	survived(t, 5, "a member who signs two histories: each who has seen one refuses the other")
}

// Attack: what a member signed before is shown again: his own older commit as the
// newest, or as the next one.
func TestAttackReplayedCommit(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	bob := a.admit("bob", &evil{Store: s.store})
	a.must(store(bob, "TOKEN", "two"))
	old, err := s.store.Head(t.Context())
	a.must(err)
	older := s.copy()
	a.must(store(bob, "TOKEN", "three"))
	a.sees("TOKEN", "three")
	kept, _ := bob.Seen()
	shown := map[string]*evil{
		"the older vault": {Store: older},
		"the older head":  {Store: s.store, head: func(blob.Head) blob.Head { return old }},
		"the older one as the newest": {Store: s.store, head: func(h blob.Head) blob.Head {
			return blob.Head{Seq: h.Seq + 1, Manifest: old.Manifest}
		}},
		"the older one again, as what is between": {Store: s.store, proof: func(uint64, []byte) []byte { return old.Manifest },
			head: func(h blob.Head) blob.Head { return blob.Head{Seq: h.Seq + 2, Manifest: h.Manifest} }},
	}
	for what, e := range shown {
		a.wire.Store = e
		if got, err := a.get("TOKEN"); !refusedAs(err) || got != "" {
			t.Errorf("%s, to a device: %q, %v", what, got, err)
		}
		if got, err := begin(kept, e); !refusedAs(err) || got != "" {
			t.Errorf("%s, to a member who begins again: %q, %v", what, got, err)
		}
	}
	a.wire.Store = s.store
	a.sees("TOKEN", "three")
}

// Attack: a member who was revoked, and the server: a commit on the vault of
// before, one on that of after, with and without his name in it.
func TestAttackRevokedWriter(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	_, bobs := a.admitKey("bob", &evil{Store: s.store})
	wire := &evil{Store: s.store}
	_, carols := a.share("carol")
	carol, err := openMachine(carols, wire)
	a.must(err)
	bob := newTraitor(t, bobs, s.store)
	before := s.copy()
	beforeHead, err := before.Head(ctx)
	a.must(err)
	was, err := manifest.Parse(beforeHead.Manifest)
	a.must(err)
	late := bob.signed(before, treason{put: []blob.Record{bob.version("TOKEN", "late", 2)}})
	list, err := a.vault.Members(ctx)
	a.must(err)
	a.must(a.vault.RevokeMember(ctx, list[0].ID, yes))
	if got, err := read(carol, "TOKEN"); err != nil || got != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	kept, _ := carol.Seen()
	if err := s.store.Commit(ctx, late); !errors.Is(err, blob.ErrConflict) {
		t.Errorf("a commit on the vault of before: %v", err)
	}
	a.must(before.Commit(ctx, late))
	onBefore := func() blob.Store { return before }
	onAfter := func(edit func(*manifest.Manifest)) func() blob.Store {
		return func() blob.Store {
			st := s.copy()
			bob.commit(st, treason{put: []blob.Record{bob.version("NEW", "late", 1)}, edit: edit})
			return st
		}
	}
	back := func(m *manifest.Manifest) { m.Members = was.Members }
	for what, shown := range map[string]func() blob.Store{
		"on the vault of before": onBefore, "on that of after": onAfter(nil), "who lists himself again": onAfter(back),
		"who lists himself a machine": onAfter(func(m *manifest.Manifest) { m.Machines = append(m.Machines, was.Members[0]) }),
		"who lists himself a device": onAfter(func(m *manifest.Manifest) {
			m.Devices = append(m.Devices, manifest.Device{ID: m.Signer, Key: [32]byte(bob.holder.Principal().Sign)})
		}),
	} {
		st := shown()
		a.wire.Store, wire.Store = st, st
		if got, err := a.get("TOKEN"); !refusedAs(err) || got != "" {
			t.Errorf("%s, to a device: %q, %v", what, got, err)
		}
		if got, err := read(carol, "TOKEN"); !refusedAs(err) || got != "" {
			t.Errorf("%s, to a member who reads on: %q, %v", what, got, err)
		}
		if got, err := begin(kept, st); !refusedAs(err) || got != "" {
			t.Errorf("%s, to a member who begins: %q, %v", what, got, err)
		}
	}
	a.wire.Store, wire.Store = s.store, s.store
	a.must(a.put("TOKEN", "two"))
	if got, err := read(carol, "TOKEN"); err != nil || got != "two" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := openMachine(bobs, s.store); !errors.Is(err, vault.ErrRevoked) {
		t.Errorf("bob: %v", err)
	}
	survived(t, 12, "a revoked member who writes, and the server: nothing of his follows")
}

// Attack: a member puts what nobody can open: in the way of his revocation, of a
// list, of a secret that is there. Revoked, he leaves nothing behind.
func TestAttackGarbage(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	a.must(a.put("TOKEN", "two"))
	a.must(a.put("OTHER", "three"))
	_, bobs := a.admitKey("bob", &evil{Store: s.store})
	bob := newTraitor(t, bobs, s.store)
	id := bob.env.RecordID("TOKEN")
	foreign := bob.version("OTHER", "x", 2).Data // opens, but not here
	broken := bob.version("TOKEN", "x", 4)
	broken.Data[len(broken.Data)-1] ^= 1
	broken.Sum = seal.Sum(broken.Data)
	bob.commit(s.store, treason{put: []blob.Record{
		bob.record4(seal.ID{66}, 1, []byte("not a record")), bob.record4(seal.ID{67}, 1, nil),
		bob.record4(id, 3, foreign), broken, bob.record4(id, 5, []byte{1}),
	}})
	a.sees("OTHER", "three")
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("a secret that he spoilt: %v", err)
	}
	if r, err := a.vault.Verify(ctx, yes); err != nil || len(r.Problems) != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	list, err := a.vault.Members(ctx)
	a.must(err)
	a.must(a.vault.RevokeMember(ctx, list[0].ID, yes))
	a.sees("TOKEN", "two")
	a.sees("OTHER", "three")
	if r, err := a.vault.Verify(ctx, yes); err != nil || len(r.Problems) != 0 || r.Records != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if heads, err := a.vault.Names(ctx, "shop", "development"); err != nil || len(heads) != 2 {
		t.Errorf("%+v, %v", heads, err)
	}
	a.must(a.put("TOKEN", "after"))
}

// Attack: a member of two environments, one to read and one to write, puts a
// version of a secret of the first into the second. It is no version of that.
func TestAttackOtherEnvironmentsID(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	prod := func(name string) secret.Ref { return secret.Ref{App: "shop", Env: "production", Name: name} }
	if _, err := a.vault.Put(ctx, prod("TOKEN"), text("real"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	m, err := vault.NewMember([16]byte{}, "bob reads")
	a.must(err)
	invitation, _, err := a.vault.Share(ctx, m.Request(), vault.MachineOrder{Name: "bob reads", App: "shop", Env: "production"})
	a.must(err)
	reads, err := m.Accept(invitation)
	a.must(err)
	_, bobs := a.admitKey("bob", &evil{Store: s.store})
	bob, knows := newTraitor(t, bobs, s.store), newTraitor(t, reads, s.store)
	put := func(name string, version uint64) blob.Record {
		r := knows.version(name, "bob's", version) // sealed under production's key
		r.Group = bob.key.Env
		return r
	}
	// Of one that is there: no client takes it, no server stores it.
	st := s.copy()
	bob.commit(st, treason{put: []blob.Record{put("TOKEN", 2)}})
	a.wire.Store = st
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("%v", err)
	}
	a.wire.Store = s.store
	// Of one that is to come: it is in nobody's way.
	bob.commit(s.store, treason{put: []blob.Record{put("LATER", 1)}})
	if _, err := a.vault.Info(ctx, prod("LATER"), yes); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("what bob put: %v", err)
	}
	info, err := a.vault.Put(ctx, prod("LATER"), text("real"), vault.PutOptions{Mode: vault.CreateOnly})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.vault.Open(ctx, []secret.Ref{prod("LATER")}, yes)
	if err != nil || string(out[0].Value.Reveal()) != "real" || out[0].Version != info.Version {
		t.Errorf("%+v, %v", out, err)
	}
	if h, err := a.vault.History(ctx, prod("LATER"), yes); err != nil || len(h) != 1 {
		t.Errorf("%d versions, %v", len(h), err)
	}
}

// Attack: a member says that his versions are old, so that the owner's next write
// takes the ones before away; that he deleted it long ago, so that all of it goes.
func TestAttackOldVersions(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	for i := range 3 {
		a.must(a.put("TOKEN", string(rune('a'+i))))
		a.must(a.put("GONE", string(rune('a'+i))))
	}
	_, bobs := a.admitKey("bob", &evil{Store: s.store})
	bob := newTraitor(t, bobs, s.store)
	bob.commit(s.store, treason{put: []blob.Record{bob.version("TOKEN", "his, of 1970", 4), bob.tombstone("GONE", 4)}})
	a.must(a.put("TOKEN", "the owner's"))
	if h, err := a.vault.History(ctx, ref("TOKEN"), yes); err != nil || len(h) != 5 || h[1].Updated.Year() != 1970 {
		t.Errorf("%+v, %v", h, err)
	}
	if n, err := a.vault.Expire(ctx); err != nil || n != 0 {
		t.Errorf("%d secrets went, %v", n, err)
	}
	if _, err := a.vault.Restore(ctx, ref("GONE"), yes); err != nil {
		t.Error(err)
	}
	a.sees("GONE", "c")
}

// tombstone is a deletion of 1970.
func (b *traitor) tombstone(name string, n uint64) blob.Record {
	id := b.env.RecordID(name)
	m := seal.Meta{Ref: secret.Ref{App: b.key.App, Env: b.key.EnvName, Name: name}, Created: 1, Time: 1, Flags: seal.FlagDeleted}
	return b.record4(id, n, seal.SealRecord(b.env, b.env.Place(id, n), m, nil))
}

// A member whose time runs out while she writes is told so, and what others store
// goes on.
func TestTimeRunsOut(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	m, err := vault.NewMember([16]byte{}, "bob")
	a.must(err)
	end := time.Now().Add(2 * time.Second)
	invitation, _, err := a.vault.Share(t.Context(), m.Request(), vault.MachineOrder{Name: "bob", App: "shop", Env: "development", Role: manifest.RoleWriter, NotAfter: end})
	a.must(err)
	key, err := m.Accept(invitation)
	a.must(err)
	bob, err := openMachine(key, s.store)
	a.must(err)
	for last := error(nil); last == nil; {
		time.Sleep(20 * time.Millisecond) // a store keeps so many manifests, and the device looks after it
		if last = store(bob, "TOKEN", "x"); last != nil && !errors.Is(last, vault.ErrExpired) {
			t.Fatal(last)
		}
	}
	if time.Now().Before(end) {
		t.Error("before her time was over")
	}
	if _, err := read(bob, "TOKEN"); !errors.Is(err, vault.ErrExpired) {
		t.Errorf("%v", err)
	}
	a.must(a.put("TOKEN", "two"))
	// With the server's help: a clock that is put back shows in what follows.
	b := newTraitor(t, key, s.store)
	st := s.copy()
	b.commit(st, treason{put: []blob.Record{b.version("NEW", "x", 1)}, edit: func(m *manifest.Manifest) { m.Time = uint64(end.UnixMilli()) - 1 }})
	a.wire.Store = st
	if _, err := a.get("TOKEN"); !refusedAs(err) {
		t.Errorf("%v", err)
	}
}
