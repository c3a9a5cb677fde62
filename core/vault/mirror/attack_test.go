package mirror

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/vault"
)

// The attacks of the design's list with a server in the loop, by number. Each
// prints a line, which `make attack` shows.

func survived(t *testing.T, n int, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		fmt.Printf("attack %02d, server: %s\n", n, fmt.Sprintf(format, args...))
	}
}

// ahead returns a device that has seen less than the server holds.
func ahead(t *testing.T) (s *server, a, b *device) {
	t.Helper()
	s = newServer(t)
	a = s.create()
	a.must(a.put("TOKEN", "one"))
	b = a.join(s, "second")
	a.must(a.put("TOKEN", "two"))
	a.must(a.put("OTHER", "three"))
	a.must(a.vault.Delete(t.Context(), ref("OTHER")))
	return s, a, b
}

// still fails the test unless b's copy is what it was, and takes the truth over
// once the server tells it.
func still(t *testing.T, b *device, before blob.Head) {
	t.Helper()
	*b.wire = evil{Store: b.wire.Store}
	local := b.local()
	defer local.Close()
	if now, err := local.Head(t.Context()); err != nil || now.Seq != before.Seq || !bytes.Equal(now.Manifest, before.Manifest) {
		t.Errorf("the copy moved to commit %d, %v", now.Seq, err)
	}
	b.sees("TOKEN", "two")
}

func (d *device) localHead() blob.Head {
	local := d.local()
	defer local.Close()
	h, err := local.Head(context.Background())
	d.must(err)
	return h
}

func TestAttack01To04ServerLies(t *testing.T) {
	lies := 0
	for what, lie := range map[string]func(*evil){
		"01 a bit of a record": func(e *evil) {
			e.got = func(r []blob.Record) []blob.Record { r[0].Data[len(r[0].Data)/2] ^= 1; return r }
		},
		"01 a bit of a label":   func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { l[0].Group[3] ^= 1; return l } },
		"01 a bit of the head":  func(e *evil) { e.head = func(h blob.Head) blob.Head { h.Manifest = flip(h.Manifest); return h } },
		"01 a bit of the chain": func(e *evil) { e.proof = func(_ uint64, d []byte) []byte { return flip(d) } },
		"02 two records swapped": func(e *evil) {
			e.got = func(r []blob.Record) []blob.Record { r[0].Data, r[1].Data = r[1].Data, r[0].Data; return r }
		},
		"02 under another name": func(e *evil) {
			e.list = func(l []blob.Entry) []blob.Entry { l[0].ID, l[1].ID = l[1].ID, l[0].ID; return l }
		},
		"03 an old version":       func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { l[0].Version--; return l } },
		"03 an old number":        func(e *evil) { e.head = func(h blob.Head) blob.Head { h.Seq--; return h } },
		"04 a record dropped":     func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { return l[1:] } },
		"04 the last one dropped": func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { return l[:len(l)-1] } },
		"04 a record twice":       func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { return append(l, l[0]) } },
		"04 one invented": func(e *evil) {
			e.list = func(l []blob.Entry) []blob.Entry { one := l[0]; one.ID[0]++; return append(l, one) }
		},
		"04 everything dropped": func(e *evil) { e.list = func([]blob.Entry) []blob.Entry { return nil } },
	} {
		_, _, b := ahead(t)
		before := b.localHead()
		lie(b.wire)
		got, err := b.get("TOKEN")
		if !errors.Is(err, vault.ErrTampered) && !errors.Is(err, vault.ErrFork) && !errors.Is(err, vault.ErrRollback) || got != "" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if st := b.mirror.State(); st.Online || st.Problem == nil {
			t.Errorf("%s: %+v", what, st)
		}
		if err := b.put("NEW", "secret"); err == nil {
			t.Errorf("%s: a secret was sent to it", what)
		}
		still(t, b, before)
		lies++
	}
	survived(t, 1, "%d lies about records, labels, versions and the manifest: none taken over, nothing sent, the copy whole", lies)
}

func flip(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 1
	return b
}

// A server that was restored from an old backup, and one that tells two devices
// two stories.
func TestAttack03And05RollbackAndFork(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	b := a.join(s, "second")
	old := s.copy()
	b.must(b.put("TOKEN", "two"))
	a.sees("TOKEN", "two")

	a.wire.Store = old
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("an older server: %v", err)
	}
	if err := a.put("TOKEN", "three"); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("written to an older server: %v", err)
	}
	a.must(a.vault.Close())
	a.must(a.unlock()) // the copy opens; what the server says does not get in
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("after a restart: %v", err)
	}
	// Forked: b writes to the old one, which is as long as the other then.
	fork := s.copy()
	a.wire.Store, b.wire.Store = s.store, fork
	a.must(a.put("TOKEN", "a's"))
	b.must(b.put("TOKEN", "b's"))
	a.wire.Store, b.wire.Store = fork, s.store
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrFork) {
		t.Errorf("a fork of the same length: %v", err)
	}
	a.wire.Store = s.store
	a.must(a.put("MORE", "x"))
	if _, err := b.get("TOKEN"); !errors.Is(err, vault.ErrFork) {
		t.Errorf("a longer fork: %v", err)
	}
	// A gap in the chain hides what happened in it.
	_, _, b2 := ahead(t)
	b2.wire.Store = missing{b2.wire.Store}
	if _, err := b2.get("TOKEN"); !errors.Is(err, vault.ErrFork) {
		t.Errorf("commits that are not shown: %v", err)
	}
	survived(t, 5, "a server set back, forked twice, and with a gap in its history: ErrRollback, ErrFork; nothing written to it")
}

// missing has no manifests but the newest.
type missing struct{ blob.Store }

func (missing) Manifest(context.Context, uint64) ([]byte, error) { return nil, blob.ErrNotFound }

// forge signs a head of the attacker's own making.
func forge(t *testing.T, h blob.Head, key ed25519.PrivateKey, edit func(*manifest.Manifest)) blob.Head {
	t.Helper()
	m, err := manifest.Parse(h.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	m.Seq, m.Prev = m.Seq+1, manifest.Chain(h.Manifest)
	edit(m)
	return blob.Head{Seq: m.Seq, Manifest: m.Encode(ed25519.Sign(key, m.Body()), nil)}
}

func TestAttack08ReplacedKeys(t *testing.T) {
	_, strange, _ := ed25519.GenerateKey(nil)
	public := [32]byte(strange.Public().(ed25519.PublicKey))
	me := manifest.DeviceID{66}
	forgeries := map[string]func(*manifest.Manifest){
		"a device added": func(m *manifest.Manifest) {
			m.Devices = append(m.Devices, manifest.Device{ID: me, Key: public})
			m.Signer = me
		},
		"a device's key": func(m *manifest.Manifest) { m.Devices[0].Key = public; m.Signer = m.Devices[0].ID },
		"all devices":    func(m *manifest.Manifest) { m.Devices = []manifest.Device{{ID: me, Key: public}}; m.Signer = me },
		"a slot's auth key": func(m *manifest.Manifest) {
			m.Slots[0].Auth = public
			m.Devices[0].Key = public
			m.Signer = m.Devices[0].ID
		},
	}
	for what, edit := range forgeries {
		_, _, b := ahead(t)
		b.sees("TOKEN", "two")
		before := b.localHead()
		b.wire.head = func(h blob.Head) blob.Head { return forge(t, h, strange, edit) }
		if _, err := b.get("TOKEN"); !errors.Is(err, vault.ErrFork) {
			t.Errorf("%s, to a device: %v", what, err)
		}
		if err := b.put("NEW", "secret"); err == nil {
			t.Errorf("%s: a secret was sent", what)
		}
		still(t, b, before)
	}
	// To one that joins, and has nothing to hold it against but what is sealed.
	for what, edit := range forgeries {
		s, a, _ := ahead(t)
		h, err := s.store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f := forge(t, h, strange, edit)
		if err := s.store.Commit(t.Context(), blob.Commit{Base: h.Seq, Seq: f.Seq, Manifest: f.Manifest}); err != nil {
			t.Fatal(err)
		}
		n := s.device()
		if err := n.tryJoin(a, "new"); !errors.Is(err, vault.ErrTampered) && !errors.Is(err, vault.ErrPassword) {
			t.Errorf("%s, to one that joins: %v", what, err)
		}
	}
	survived(t, 8, "devices and slots replaced, for who has seen the vault and for who joins it: refused, no secret sent")
}

// The answer to a commit is lost, again and again: what was written is there once.
func TestAttack19LostAnswers(t *testing.T) {
	s := newServer(t)
	a := s.create()
	lost := 0
	for i := range 100 {
		a.wire.deaf = i%2 == 0
		err := a.put("COUNT", fmt.Sprint(i))
		a.wire.deaf = false
		if i%2 == 0 {
			lost++
			if !errors.Is(err, errOffline) {
				t.Fatalf("a lost answer: %v", err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		a.sees("COUNT", fmt.Sprint(i))
	}
	versions, err := a.vault.History(t.Context(), ref("COUNT"), yes)
	if err != nil || len(versions) != 20 || versions[0].Version != 100 {
		t.Errorf("%d versions, the newest %d, %v", len(versions), versions[0].Version, err)
	}
	// A commit that is answered with a conflict because it is there already.
	calls := 0
	a.wire.commits = func(c blob.Commit) error {
		if calls++; calls == 1 {
			if err := s.store.Commit(t.Context(), c); err != nil {
				return err
			}
		}
		return nil
	}
	a.must(a.put("COUNT", "last"))
	versions, err = a.vault.History(t.Context(), ref("COUNT"), yes)
	if err != nil || versions[0].Version != 101 || calls != 1 {
		t.Errorf("version %d after %d calls, %v", versions[0].Version, calls, err)
	}
	survived(t, 19, "%d answers to commits lost: each there once", lost+1)
}

func TestAttack25ServerDown(t *testing.T) {
	_, _, b := ahead(t)
	b.sees("TOKEN", "two")
	b.wire.down = true
	for range 20 {
		b.sees("TOKEN", "two")
	}
	names, err := b.vault.Names(t.Context(), "shop", "development")
	if err != nil || !slices.ContainsFunc(names, func(h vault.Head) bool { return h.Ref == ref("TOKEN") }) {
		t.Errorf("%v, %v", names, err)
	}
	survived(t, 25, "the server down: the copy is read, nothing is written")
}

// Attack: who owns the server, and has a device's signing key but not the vault
// key, adds a machine of its own to the manifest. A device that joins refuses
// it, no device gives it a key, and it can be thrown out.
func TestAttack08MachineSlippedIn(t *testing.T) {
	s, a, b := ahead(t)
	b.sees("TOKEN", "two")
	_, stolen, _ := ed25519.GenerateKey(nil)
	me := manifest.DeviceID{66}
	_, public, err := seal.NewRequestKey()
	a.must(err)
	_, err = a.vault.Approve(t.Context(), text(password), &seal.Request{Vault: a.vaultID(), Device: me, Sign: [32]byte(stolen.Public().(ed25519.PublicKey)), Seal: public, Name: "stolen"})
	a.must(err)
	a.machine("honest", time.Time{})

	h, err := s.store.Head(t.Context())
	a.must(err)
	entries, err := s.store.Changes(t.Context(), 0)
	a.must(err)
	leaves := manifest.Leaves{}
	for _, e := range entries {
		leaves.Add(e.Group, manifest.Leaf(e.Kind, e.Group, e.ID, e.Version, e.Sum))
	}
	m, err := manifest.Parse(h.Manifest)
	a.must(err)
	stranger := manifest.Principal{Role: manifest.RoleMachine, Envs: []manifest.EnvID{m.Groups[len(m.Groups)-1].Env}, Created: 1}
	data := stranger.Encode()
	rec := blob.Record{Key: blob.Key{Kind: manifest.KindPrincipal, ID: stranger.ID(), Version: 1}, Sum: manifest.Sum(data), Data: data}
	leaves.Add(rec.Group, manifest.Leaf(rec.Kind, rec.Group, rec.ID, rec.Version, rec.Sum))
	forest, ok := manifest.NewForest(leaves)
	if !ok {
		t.Fatal("forest")
	}
	forged := forge(t, h, stolen, func(m *manifest.Manifest) {
		m.Groups, m.Purged = forest.Groups(), nil
		m.Root, m.Count = manifest.RootOf(m.Groups)
		m.Machines = append(m.Machines, manifest.Entity{ID: rec.ID, Sum: rec.Sum})
		m.Signer = me
	})
	a.must(s.store.Commit(t.Context(), blob.Commit{Base: h.Seq, Seq: forged.Seq, Manifest: forged.Manifest, Put: []blob.Record{rec}}))

	if err := s.device().tryJoin(a, "new"); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("joined a vault with a stranger's machine: %v", err)
	}
	list, err := a.vault.Machines(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "" || list[1].Name != "honest" {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := a.vault.RevokeMachine(t.Context(), list[1].ID, yes); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("a new key of the environment was wrapped for a stranger: %v", err)
	}
	a.sees("TOKEN", "two")
	a.must(a.vault.RevokeMachine(t.Context(), list[0].ID, yes))
	a.must(a.vault.RevokeMachine(t.Context(), list[1].ID, yes))
	a.sees("TOKEN", "two")
	survived(t, 8, "a machine slipped into the manifest with a stolen device key: gets no key, no device joins, and is thrown out")
}
