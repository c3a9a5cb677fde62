package server_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// A member is one of a vault, let into environment 1, until an hour from now.
type member struct {
	*servertest.Key
	v      *vault
	record *manifest.Principal
	clock  *clock
}

var memberEnv, otherEnv = manifest.EnvID{1}, manifest.EnvID{2}

func stored(kind uint8, id byte, version uint64, env manifest.EnvID, data string) blob.Record {
	return blob.Record{Key: blob.Key{Kind: kind, ID: manifest.ID{id}, Version: version}, Group: env, Sum: manifest.Sum([]byte(data)), Data: []byte(data)}
}

// newMember lets one into v, and puts recs.
func newMember(t *testing.T, v *vault, role manifest.Role, c *clock, recs ...blob.Record) *member {
	t.Helper()
	pub, private, _ := ed25519.GenerateKey(nil)
	p := &manifest.Principal{Role: role, Sign: [32]byte(pub), Envs: []manifest.EnvID{memberEnv}, NotAfter: uint64(c.now().Add(time.Hour).UnixMilli())}
	data := p.Encode()
	recs = append(recs, blob.Record{Key: blob.Key{Kind: manifest.KindPrincipal, ID: p.ID(), Version: 1}, Sum: manifest.Sum(data), Data: data})
	m := &member{Key: &servertest.Key{ID: channel.KeyID{Role: channel.RolePrincipal, ID: p.ID()}, Private: private}, v: v, record: p, clock: c}
	list := func(next *manifest.Manifest) {
		next.Members = append(next.Members, manifest.Entity{ID: p.ID(), Sum: manifest.Sum(data)})
	}
	if a := m.post(t, v.dev, deviceCommit(t, v, c, list, recs...)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return m
}

// shop is a little in two environments.
func shop() []blob.Record {
	return []blob.Record{
		stored(manifest.KindEnvKey, 21, 1, memberEnv, "key"), stored(manifest.KindSecret, 31, 1, memberEnv, "one"), stored(manifest.KindSecret, 31, 2, memberEnv, "two"),
		stored(manifest.KindEnvKey, 22, 1, otherEnv, "key"), stored(manifest.KindSecret, 32, 1, otherEnv, "other"),
		stored(manifest.KindSecret, 34, 2, otherEnv, "whose first version is gone"),
	}
}

// build is the next manifest of v, with the roots of what is stored and put: other
// tests' have none.
func build(t *testing.T, v *vault, at *clock, put ...blob.Record) *manifest.Manifest {
	t.Helper()
	h, err := v.rig.Depot.Head(t.Context(), v.id)
	if err != nil {
		t.Fatal(err)
	}
	data, err := v.rig.Depot.Manifest(t.Context(), v.id, h.Seq)
	if err != nil {
		t.Fatal(err)
	}
	prev, err := manifest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := v.rig.Depot.Changes(t.Context(), v.id, 0)
	if err != nil {
		t.Fatal(err)
	}
	leaves := manifest.Leaves{}
	for _, e := range entries {
		leaves.Add(e.Group, manifest.Leaf(e.Kind, e.Group, e.ID, e.Version, e.Sum))
	}
	for i := range put {
		leaves.Add(put[i].Group, manifest.Leaf(put[i].Kind, put[i].Group, put[i].ID, put[i].Version, put[i].Sum))
	}
	forest, ok := manifest.NewForest(leaves)
	if !ok {
		t.Fatal("a record twice")
	}
	next := prev.Next()
	next.Seq, next.Prev, next.Time, next.Signer = h.Seq+1, manifest.Chain(data), max(prev.Time, uint64(at.now().UnixMilli())), v.dev.ID
	next.Groups = forest.Groups()
	return &next
}

// signed is the commit of a manifest.
func signed(m *manifest.Manifest, key ed25519.PrivateKey, warrant []byte, put ...blob.Record) *wire.Commit {
	m.Root, m.Count = manifest.RootOf(m.Groups)
	return &wire.Commit{Commit: blob.Commit{Base: m.Seq - 1, Seq: m.Seq, Put: put, Manifest: m.Encode(ed25519.Sign(key, m.Body()), warrant)}}
}

// commit is the member's next commit, changed by edit.
func (m *member) commit(t *testing.T, edit func(*manifest.Manifest), put ...blob.Record) *wire.Commit {
	t.Helper()
	next := build(t, m.v, m.clock, put...)
	if next.Signer = m.record.DeviceID(); edit != nil {
		edit(next)
	}
	return signed(next, m.Private, m.record.Encode(), put...)
}

// deviceCommit is one of the vault's device.
func deviceCommit(t *testing.T, v *vault, at *clock, edit func(*manifest.Manifest), put ...blob.Record) *wire.Commit {
	t.Helper()
	next := build(t, v, at, put...)
	if edit != nil {
		edit(next)
	}
	return signed(next, v.dev.Private, nil, put...)
}

func (m *member) post(t *testing.T, by channel.Signer, c *wire.Commit) answer {
	t.Helper()
	return send(t, m.v.rig, request{method: "POST", path: m.v.path("commits"), signer: by, at: m.clock.now(), header: idempotency(rand.Text()), body: c.Encode()})
}

// A member's commit is stored when every client will follow it, and nothing else of
// his is.
func TestMemberCommit(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		at := newClock()
		c.Now = at.now
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		m := newMember(t, v, manifest.RoleWriter, at, shop()...)
		next := stored(manifest.KindSecret, 31, 3, memberEnv, "three")
		if a := m.post(t, m.Key, m.commit(t, nil, next, stored(manifest.KindSecret, 33, 1, memberEnv, "new"))); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		next.Version = 4
		before, err := rig.Depot.Head(t.Context(), v.id)
		if err != nil {
			t.Fatal(err)
		}
		ahead := func(d time.Duration) func(*manifest.Manifest) {
			return func(m *manifest.Manifest) { m.Time = uint64(at.now().Add(d).UnixMilli()) }
		}
		for what, c := range map[string]*wire.Commit{
			"a version left out":             m.commit(t, nil, stored(manifest.KindSecret, 31, 5, memberEnv, "x")),
			"an environment's key":           m.commit(t, nil, stored(manifest.KindEnvKey, 21, 2, memberEnv, "x")),
			"a wrap":                         m.commit(t, nil, stored(manifest.KindWrap, 40, 1, memberEnv, "x")),
			"a policy":                       m.commit(t, nil, stored(manifest.KindEnvPolicy, 41, 1, memberEnv, "x")),
			"another environment's":          m.commit(t, nil, stored(manifest.KindSecret, 32, 2, otherEnv, "x")),
			"under the id of one of another": m.commit(t, nil, stored(manifest.KindSecret, 32, 2, memberEnv, "x")),
			"in place of one of another":     m.commit(t, nil, stored(manifest.KindSecret, 34, 1, memberEnv, "x")),
			"dated ahead":                    m.commit(t, ahead(channel.Skew+time.Second), next),
			"dated behind":                   m.commit(t, func(m *manifest.Manifest) { m.Time = 1 }, next),
			"roots that are not over it":     m.commit(t, func(m *manifest.Manifest) { m.Groups[1].Root[0] ^= 1 }, next),
			"with a locator":                 func() *wire.Commit { c := m.commit(t, nil, next); c.Locator[0] = 1; return c }(),
			"a record that the manifest lacks": func() *wire.Commit {
				c := m.commit(t, nil, next)
				c.Put = append(c.Put, stored(4, 50, 1, memberEnv, "x"))
				return c
			}(),
			"a manifest that the records lack": func() *wire.Commit { c := m.commit(t, nil, next); c.Put = nil; return c }(),
			"a purge": func() *wire.Commit {
				c := m.commit(t, nil, next)
				c.Purge = []blob.Key{stored(4, 31, 1, memberEnv, "").Key}
				return c
			}(),
			"a reset":                             func() *wire.Commit { c := m.commit(t, nil, next); c.Reset = true; return c }(),
			"a record without data":               m.commit(t, nil, stored(manifest.KindSecret, 31, 4, memberEnv, "")),
			"of a vault that is not there, begun": func() *wire.Commit { c := m.commit(t, nil, next); c.Base = 0; return c }(),
		} {
			if a := m.post(t, m.Key, c); a.status != 403 && a.status != 400 && (a.status != 409 || c.Base != 0) {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		good := m.commit(t, ahead(channel.Skew-time.Second), next)
		for who, key := range map[string]channel.Signer{"a device": v.dev, "another member": newMember(t, v, manifest.RoleReader, at).Key} {
			good = m.commit(t, ahead(channel.Skew-time.Second), next)
			wantProblem(t, "sent by "+who, m.post(t, key, good), 403, wire.CodeForbidden)
		}
		wantProblem(t, "a device's commit, sent by him", m.post(t, m.Key, deviceCommit(t, v, at, nil)), 403, wire.CodeForbidden)
		if a := m.post(t, m.Key, good); a.status != 200 {
			t.Errorf("what he may: %d %s", a.status, a.body)
		}
		if h, err := rig.Depot.Head(t.Context(), v.id); err != nil || h.Records != before.Records+2 { // and the other member's record
			t.Errorf("%d records, were %d, %v", h.Records, before.Records, err)
		}
		at.add(time.Hour)
		wantProblem(t, "after his end", m.post(t, m.Key, m.commit(t, nil)), 401, wire.CodeExpired)
	})
	fmt.Println("attack 16: a member who writes: new versions of secrets of one environment are stored, and nothing else of his")
}

// Members make so many commits, and then a device has to look at them: also where
// the server has forgotten how many there were.
func TestMembersRun(t *testing.T) {
	at := newClock()
	c := server.Config{Now: at.now, Depot: servertest.NewDepot(t)}
	rig := servertest.Start(t, c)
	v := newVault(t, rig)
	m := newMember(t, v, manifest.RoleWriter, at, shop()...)
	other := *m
	other.v = &vault{Signed: v.Signed, rig: servertest.Start(t, c), id: v.id, dev: v.dev}
	for i := range 500 {
		if a := m.post(t, m.Key, m.commit(t, nil)); a.status != 200 {
			t.Fatalf("commit %d: %d %s", i, a.status, a.body)
		}
	}
	wantProblem(t, "one more", m.post(t, m.Key, m.commit(t, nil)), 403, wire.CodeForbidden)
	wantProblem(t, "one more, elsewhere", other.post(t, m.Key, m.commit(t, nil)), 403, wire.CodeForbidden)
	if a := m.post(t, v.dev, deviceCommit(t, v, at, nil)); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for range 3 {
		if a := other.post(t, m.Key, m.commit(t, nil)); a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}

// After three conflicts of devices members wait, at every replica, until a device
// has committed or its turn is over.
func TestDevicesTurn(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		at := newClock()
		c.Now = at.now
		if c.Depot == nil {
			c.Depot = servertest.NewDepot(t)
		}
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		m := newMember(t, v, manifest.RoleWriter, at, shop()...)
		other := *m
		other.v = &vault{Signed: v.Signed, rig: servertest.Start(t, c), id: v.id, dev: v.dev}
		post := func(m *member, want int) {
			t.Helper()
			if a := m.post(t, m.Key, m.commit(t, nil)); a.status != want {
				t.Errorf("%d %s, want %d", a.status, strings.TrimSpace(string(a.body)), want)
			}
		}
		late := deviceCommit(t, v, at, nil)
		lose := func() { wantProblem(t, "a device that comes too late", m.post(t, v.dev, late), 409, wire.CodeConflict) }
		post(m, 200)
		lose()
		lose()
		post(m, 200)
		lose()
		post(m, 409)
		post(&other, 409)
		if a := m.post(t, v.dev, deviceCommit(t, v, at, nil)); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		post(m, 200)
		lose()
		lose()
		post(m, 200) // it is counted anew
		lose()
		post(m, 409)
		at.add(16 * time.Second)
		post(m, 200)
	})
}
