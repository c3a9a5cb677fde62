package mirror

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// machine makes a key of d's vault for shop/development.
func (d *device) machine(name string, end time.Time) secret.Value {
	d.t.Helper()
	key, m, err := d.vault.NewMachine(context.Background(), vault.MachineOrder{Name: name, App: "shop", Env: "development", NotAfter: end, URL: "https://ov.example.com"})
	d.must(err)
	if m.Name != name || m.App != "shop" || m.Env != "development" {
		d.t.Errorf("%+v", m)
	}
	return key
}

// openMachine opens st with a key.
func openMachine(key secret.Value, st blob.Store) (*vault.Vault, error) {
	k, err := vault.ReadMachineKey(key)
	if err != nil {
		return nil, err
	}
	return k.Open(context.Background(), st, vault.Options{})
}

func read(v *vault.Vault, name string) (string, error) {
	return (&device{vault: v}).get(name)
}

// A machine reads its environment, as it changes, and nothing else.
func TestMachine(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := a.vault.Put(ctx, other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	a.must(a.vault.PutSealed(ctx, vault.Policy, []byte("# rules")))
	key := a.machine("ci", time.Time{})
	wire := &evil{Store: s.store}
	m, err := openMachine(key, wire)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got, err := read(m, "TOKEN"); err != nil || got != "one" {
		t.Errorf("%q, %v", got, err)
	}
	if text, err := m.Sealed(ctx, vault.Policy); err != nil || string(text) != "# rules" {
		t.Errorf("policy %q, %v", text, err)
	}
	// What devices change reaches it: values, the policy, a new key of its environment.
	a.must(a.put("TOKEN", "two"))
	a.must(a.put("MORE", "three"))
	a.must(a.vault.PutSealed(ctx, vault.Policy, []byte("# stricter")))
	if got, err := read(m, "TOKEN"); err != nil || got != "two" {
		t.Errorf("%q, %v", got, err)
	}
	if text, err := m.Sealed(ctx, vault.Policy); err != nil || string(text) != "# stricter" {
		t.Errorf("policy %q, %v", text, err)
	}
	gone := a.machine("gone", time.Time{})
	lost, err := openMachine(gone, wire)
	a.must(err)
	list, err := a.vault.Machines(ctx)
	if err != nil || len(list) != 2 || list[1].Name != "gone" {
		t.Fatalf("%+v, %v", list, err)
	}
	a.must(a.vault.RevokeMachine(ctx, list[1].ID, yes))
	if got, err := read(m, "MORE"); err != nil || got != "three" {
		t.Errorf("after a new key of the environment: %q, %v", got, err)
	}
	if _, err := read(lost, "MORE"); !errors.Is(err, vault.ErrRevoked) {
		t.Errorf("the revoked one: %v", err)
	}
	a.sees("TOKEN", "two")
	if r, err := a.vault.Verify(ctx, yes); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if versions, err := a.vault.History(ctx, ref("TOKEN"), yes); err != nil || len(versions) != 2 {
		t.Errorf("history after the new key: %d versions, %v", len(versions), err)
	}
	// Everything that it must not.
	for what, err := range map[string]error{
		"put":    func() error { _, err := m.Put(ctx, ref("NEW"), text("x"), vault.PutOptions{}); return err }(),
		"delete": m.Delete(ctx, ref("TOKEN")),
		"policy": m.PutSealed(ctx, vault.Policy, nil),
		"machine": func() error {
			_, _, err := m.NewMachine(ctx, vault.MachineOrder{Name: "x", App: "shop", Env: "development"})
			return err
		}(),
		"revoke": m.RevokeMachine(ctx, list[0].ID, yes),
		"device": m.RevokeDevice(ctx, a.vault.Device()),
		"name":   m.Announce(ctx, "x"),
	} {
		if !errors.Is(err, vault.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, err := range map[string]error{
		"another environment": func() error { _, err := m.Open(ctx, []secret.Ref{other}, yes); return err }(),
		"its names":           func() error { _, err := m.Names(ctx, "shop", "production"); return err }(),
		"its list":            func() error { _, err := m.List(ctx, "shop", "production", "", yes); return err }(),
		"devices":             func() error { _, err := m.Devices(ctx); return err }(),
	} {
		if !errors.Is(err, vault.ErrScope) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := m.Sealed(ctx, vault.Catalog); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("catalog: %v", err)
	}
	// A name once only, an environment that is there, an end that has passed.
	if _, _, err := a.vault.NewMachine(ctx, vault.MachineOrder{Name: "ci", App: "shop", Env: "development"}); !errors.Is(err, vault.ErrTaken) {
		t.Errorf("the same name: %v", err)
	}
	if _, _, err := a.vault.NewMachine(ctx, vault.MachineOrder{Name: "x", App: "shop", Env: "nowhere"}); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("no such environment: %v", err)
	}
	if _, err := openMachine(a.machine("late", time.Now().Add(-time.Second)), wire); !errors.Is(err, vault.ErrExpired) {
		t.Errorf("its time is over: %v", err)
	}
	// Rotate ends all of them, and all other devices.
	b := a.join(s, "second")
	a.must(a.vault.Rotate(ctx, text(password), yes))
	if _, err := read(m, "TOKEN"); !errors.Is(err, vault.ErrRevoked) && !errors.Is(err, vault.ErrTampered) {
		t.Errorf("after Rotate: %v", err)
	}
	if _, err := b.get("TOKEN"); !errors.Is(err, vault.ErrRotated) && !errors.Is(err, vault.ErrRevoked) {
		t.Errorf("another device after Rotate: %v", err)
	}
	a.sees("TOKEN", "two")
	c := a.join(s, "third") // the roster vouches for the device's new key
	c.sees("TOKEN", "two")
	c.must(c.put("TOKEN", "after"))
	a.sees("TOKEN", "after")
}

// Attack: a hostile server and a machine, which remembers nothing.
func TestAttackMachine(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	older := s.copy()
	key := a.machine("ci", time.Time{})
	a.must(a.put("TOKEN", "two"))
	a.must(a.put("OTHER", "three"))
	a.must(a.put("OTHER", "four"))
	_, strange, _ := ed25519.GenerateKey(nil)
	public := [32]byte(strange.Public().(ed25519.PublicKey))
	me := manifest.DeviceID{66}
	lies := map[string]func(*evil){
		"an older vault":   func(e *evil) { e.Store = older },
		"a record dropped": func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { return dropped(l, manifest.KindSecret) } },
		"the policy dropped": func(e *evil) {
			e.list = func(l []blob.Entry) []blob.Entry { return dropped(l, manifest.KindEnvPolicy) }
		},
		"its wrap dropped":     func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { return dropped(l, manifest.KindWrap) } },
		"an old version alone": func(e *evil) { e.list = func(l []blob.Entry) []blob.Entry { l[len(l)-1].Version--; return l } },
		"a bit of a record":    func(e *evil) { e.got = func(r []blob.Record) []blob.Record { r[0].Data = flip(r[0].Data); return r } },
		"a bit of the head":    func(e *evil) { e.head = func(h blob.Head) blob.Head { h.Manifest = flip(h.Manifest); return h } },
		"a stranger's head": func(e *evil) {
			e.head = func(h blob.Head) blob.Head {
				return forge(t, h, strange, func(m *manifest.Manifest) {
					m.Devices = append(m.Devices, manifest.Device{ID: me, Key: public})
					m.Signer = me
				})
			}
		},
		"a device's key replaced": func(e *evil) {
			e.head = func(h blob.Head) blob.Head {
				return forge(t, h, strange, func(m *manifest.Manifest) { m.Devices[0].Key = public })
			}
		},
	}
	for what, lie := range lies {
		e := &evil{Store: s.store}
		lie(e)
		v, err := openMachine(key, e)
		got := ""
		if err == nil {
			got, err = read(v, "TOKEN")
		}
		if err == nil || got != "" || !errors.Is(err, vault.ErrTampered) && !errors.Is(err, vault.ErrRollback) && !errors.Is(err, vault.ErrFork) && !errors.Is(err, vault.ErrRevoked) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	// A manifest that the machine itself signs is nobody's: the server's own check
	// and each device's are this one.
	k, err := vault.ReadMachineKey(key)
	a.must(err)
	h, err := s.store.Head(t.Context())
	a.must(err)
	m, err := manifest.Parse(h.Manifest)
	a.must(err)
	next := *m
	next.Seq, next.Prev = m.Seq+1, manifest.Chain(h.Manifest)
	copy(next.Signer[:], k.Signer().ID)
	sig, err := k.Signer().Sign(next.Body())
	if !errors.Is(err, vault.ErrValue) || sig != nil {
		t.Errorf("a manifest was signed as a request: %v", err)
	}
	if _, err := manifest.Parse(next.Encode(ed25519.Sign(strange, next.Body()), nil)); err == nil {
		t.Error("a manifest whose signer is a machine parses")
	}
	// Another device enrols: the machine follows the chain to one that it knows.
	b := a.join(s, "second")
	b.must(b.put("TOKEN", "from the second"))
	v, err := openMachine(key, s.store)
	a.must(err)
	if got, err := read(v, "TOKEN"); err != nil || got != "from the second" {
		t.Errorf("%q, %v", got, err)
	}
	survived(t, 8, "%d lies to a machine, which remembers nothing: refused", len(lies))
}

// dropped leaves out the first entry of a kind.
func dropped(l []blob.Entry, kind uint8) []blob.Entry {
	i := slices.IndexFunc(l, func(e blob.Entry) bool { return e.Kind == kind })
	return slices.Delete(l, i, i+1)
}

// A vault that was made on one machine goes to a server as it is.
func TestPush(t *testing.T) {
	ctx := t.Context()
	local := newServer(t) // a store of this machine alone
	a := local.create()
	a.must(a.put("TOKEN", "one"))
	a.must(a.put("TOKEN", "two"))
	s := newServer(t)
	a.must(a.vault.Push(ctx, s.store))
	if err := a.vault.Push(ctx, s.store); !errors.Is(err, vault.ErrConflict) {
		t.Errorf("again: %v", err)
	}
	here, err := local.store.Head(ctx)
	a.must(err)
	there, err := s.store.Head(ctx)
	if err != nil || there.Seq != here.Seq || !bytes.Equal(there.Manifest, here.Manifest) {
		t.Errorf("commit %d, want %d: %v", there.Seq, here.Seq, err)
	}
	a.wire.Store = s.store
	a.sees("TOKEN", "two")
	b := a.join(s, "second")
	b.sees("TOKEN", "two")
	b.must(b.put("TOKEN", "three"))
	a.sees("TOKEN", "three")
	if r, err := b.vault.Verify(ctx, yes); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A device whose copy is gone fetches it again, and believes no older one.
func TestLostCopy(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	old := s.copy()
	a.must(a.put("TOKEN", "two"))
	a.must(a.vault.Close())
	fetch := func(from blob.Store) error {
		a.mirror.Close()
		for _, suffix := range []string{"", "-wal", "-shm"} {
			os.Remove(a.home + "/vault.db" + suffix)
		}
		j, err := vault.Resume(a.home, text(password), 1)
		if err != nil {
			return err
		}
		defer j.Wipe()
		seq, err := j.OpenKey(t.Context(), from)
		if err != nil {
			return err
		}
		if j.Device().Public == nil {
			return fmt.Errorf("no key to sign with")
		}
		local := a.local()
		defer local.Close()
		return Seed(t.Context(), local, from, seq)
	}
	if err := fetch(old); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("an older server: %v", err)
	}
	a.must(fetch(s.store))
	a.must(a.unlock())
	a.sees("TOKEN", "two")
	if _, err := vault.Resume(a.home, text("wrong"), 1); err != nil {
		t.Fatal(err)
	}
	j, _ := vault.Resume(a.home, text("wrong"), 1)
	if _, err := j.OpenKey(t.Context(), s.store); !errors.Is(err, vault.ErrPassword) {
		t.Errorf("with a wrong password: %v", err)
	}
}
