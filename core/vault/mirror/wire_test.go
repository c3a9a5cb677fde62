package mirror

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/httpblob"
	real "github.com/opaquevault/ov/core/blob/server"
	liar "github.com/opaquevault/ov/core/blob/server/evil"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// signer signs requests to a real server as the vault's package does.
type signer struct{ vault.Signer }

func (s signer) Key() channel.KeyID {
	k := channel.KeyID{Role: map[vault.SignerKind]channel.Role{
		vault.SignDevice: channel.RoleDevice, vault.SignAuth: channel.RoleAuth, vault.SignMachine: channel.RolePrincipal, vault.SignNew: channel.RoleNew,
	}[s.Kind]}
	if copy(k.ID[:], s.ID) == 0 {
		copy(k.ID[:], s.Public)
	}
	return k
}

// A rig is a vault on a real server, with its first device.
type rig struct {
	*servertest.Rig
	t     *testing.T
	first *device
	id    [16]byte
}

// newRig makes a vault in a file and takes it to a new server.
func newRig(t *testing.T, c real.Config) *rig {
	t.Helper()
	return rigOf(t, servertest.Start(t, c))
}

func rigOf(t *testing.T, s *servertest.Rig) *rig {
	t.Helper()
	r := &rig{Rig: s, t: t, first: newServer(t).create()}
	r.id = r.first.vaultID()
	r.first.must(r.first.put("TOKEN", "one"))
	r.first.must(r.first.put("TOKEN", "two"))
	st := r.store(r.first.vault.Signer())
	r.first.must(r.first.vault.Push(t.Context(), st))
	r.first.wire.Store = st
	return r
}

func (r *rig) store(s vault.Signer) *httpblob.Store { return r.Store(r.t, r.id, signer{s}) }

// open opens the vault on the server with a key.
func (r *rig) open(key secret.Value) (*vault.Vault, *httpblob.Store, error) {
	k, err := vault.ReadMachineKey(key)
	if err != nil {
		return nil, nil, err
	}
	st := r.store(k.Signer())
	v, err := k.Open(context.Background(), st, vault.Options{})
	if err == nil {
		r.t.Cleanup(func() { v.Close() })
	}
	return v, st, err
}

// admit lets a new member write shop/development until end.
func (r *rig) admit(name string, role manifest.Role, end time.Time) secret.Value {
	r.t.Helper()
	m, err := vault.NewMember([16]byte{}, name)
	r.first.must(err)
	invitation, _, err := r.first.vault.Share(context.Background(), m.Request(), vault.MachineOrder{Name: name, App: "shop", Env: "development", NotAfter: end, Role: role, URL: r.HTTP.URL})
	r.first.must(err)
	key, err := m.Accept(invitation)
	r.first.must(err)
	return key
}

// Over a real server a member writes, in one request and in parts, and the others
// read it; a reader, an expired one and a revoked one are told what they are.
func TestWriterOverHTTP(t *testing.T) {
	ctx := t.Context()
	now := time.Now()
	r := newRig(t, real.Config{Now: func() time.Time { return now }})
	bob, _, err := r.open(r.admit("bob", manifest.RoleWriter, now.Add(time.Minute)))
	r.first.must(err)
	carol, _, err := r.open(r.admit("carol", manifest.RoleReader, time.Time{}))
	r.first.must(err)
	put := func(v *vault.Vault, name, value string) error {
		_, err := v.Put(ctx, ref(name), text(value), vault.PutOptions{Before: yes})
		return err
	}
	r.first.must(put(bob, "TOKEN", "of bob"))
	r.first.sees("TOKEN", "of bob")
	if got, err := read(carol, "TOKEN"); err != nil || got != "of bob" {
		t.Errorf("%q, %v", got, err)
	}
	if err := put(carol, "TOKEN", "x"); !errors.Is(err, vault.ErrReadOnly) {
		t.Errorf("a reader: %v", err)
	}
	many := make([]vault.Write, wire.MaxRecords+5) // more than one request carries
	for i := range many {
		many[i] = vault.Write{Ref: ref("N" + string(rune('A'+i%26)) + string(rune('A'+i/26%26)) + string(rune('A'+i/676))), Value: text("x")}
	}
	if _, err := bob.PutAll(ctx, many); err != nil {
		t.Errorf("%d at once: %v", len(many), err)
	}
	r.first.sees(many[len(many)-1].Ref.Name, "x")

	now = now.Add(time.Minute) // on the server
	var refused *httpblob.RefusedError
	if err := put(bob, "TOKEN", "late"); !errors.As(err, &refused) || refused.Code != wire.CodeExpired {
		t.Errorf("whose time is over: %v", err)
	}
	now = now.Add(-time.Minute)
	r.first.must(put(bob, "TOKEN", "again"))
	list, err := r.first.vault.Members(ctx)
	r.first.must(err)
	r.first.must(r.first.vault.RevokeMember(ctx, list[0].ID, yes))
	if err := put(bob, "TOKEN", "late"); !errors.As(err, &refused) || refused.Code != wire.CodeRevoked {
		t.Errorf("a revoked one: %v", err)
	}
	r.first.sees("TOKEN", "again")
	if got, err := read(carol, "TOKEN"); err != nil || got != "again" {
		t.Errorf("%q, %v", got, err)
	}
}

// Attack: a member who writes and an honest server: it takes none of his
// treasons, in none of the ways to send one, and the vault goes on.
func TestAttackTraitorHonestServer(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, real.Config{})
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := r.first.vault.Put(ctx, other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	bobs := r.admit("bob", manifest.RoleWriter, time.Now().Add(100*time.Hour))
	carols := r.admit("carol", manifest.RoleReader, time.Time{})
	_, carolStore, err := r.open(carols)
	r.first.must(err)
	bobVault, bobStore, err := r.open(bobs)
	r.first.must(err)
	device := r.first.wire.Store
	bob := newTraitor(t, bobs, device)
	c, err := seal.ParseMachineKey(carols)
	r.first.must(err)
	h, err := seal.NewHolder(c.Seed)
	r.first.must(err)
	p := h.Principal()
	var otherEnv seal.EnvID
	var otherID seal.ID
	for _, e := range bob.entries(device) {
		if e.Kind == seal.KindSecret && e.Group != bob.key.Env {
			otherEnv, otherID = e.Group, e.ID
		}
	}
	before, err := device.Head(ctx)
	r.first.must(err)
	treasons := bob.treasons(device, p.ID(), otherEnv, otherID)
	for _, what := range slices.Sorted(maps.Keys(treasons)) {
		commit := bob.signed(device, treasons[what])
		silent := commit
		silent.Purge = nil
		for how, try := range map[string]func() error{
			"as it is":         func() error { return bobStore.Commit(ctx, commit) },
			"purging silently": func() error { return bobStore.Commit(ctx, silent) },
			"by a device":      func() error { return device.Commit(ctx, silent) },
			"by a reader":      func() error { return carolStore.Commit(ctx, silent) },
		} {
			if err := try(); err == nil || errors.Is(err, blob.ErrConflict) {
				t.Errorf("%s, sent %s: %v", what, how, err)
			}
		}
	}
	// What he may do is not for others to send, and comes once.
	mine := bob.signed(device, treason{put: []blob.Record{bob.version("TOKEN", "his", 3)}})
	for who, st := range map[string]blob.Store{"a device": device, "a reader": carolStore} {
		if err := st.Commit(ctx, mine); !errors.Is(err, httpblob.ErrRefused) {
			t.Errorf("his commit, sent by %s: %v", who, err)
		}
	}
	if after, err := device.Head(ctx); err != nil || after.Seq != before.Seq {
		t.Fatalf("the vault is at %d, was at %d: %v", after.Seq, before.Seq, err)
	}
	r.first.must(bobStore.Commit(ctx, mine))
	if err := bobStore.Commit(ctx, mine); err != nil { // as if the answer had been lost
		t.Errorf("sent again: %v", err)
	}
	if after, err := device.Head(ctx); err != nil || after.Seq != before.Seq+1 {
		t.Errorf("the vault is at %d, was at %d: %v", after.Seq, before.Seq, err)
	}
	r.first.sees("TOKEN", "his")
	if got, err := read(bobVault, "TOKEN"); err != nil || got != "his" {
		t.Errorf("%q, %v", got, err)
	}
	r.first.must(r.first.put("TOKEN", "after"))
	survived(t, 12, "a member who writes, and an honest server: %d treasons, sent in four ways: none stored", len(treasons))
}

// Attack: the same treasons with a server that stores them, through all that lies
// between a client and a server: a device, a member and a machine refuse each.
func TestAttackTraitorOverHTTP(t *testing.T) {
	lies := liar.Start(t, real.Config{})
	r := rigOf(t, lies.Rig)
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := r.first.vault.Put(t.Context(), other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	bobs := r.admit("bob", manifest.RoleWriter, time.Now().Add(100*time.Hour))
	carols := r.admit("carol", manifest.RoleReader, time.Time{})
	ci, _, err := r.first.vault.NewMachine(t.Context(), vault.MachineOrder{Name: "ci", App: "shop", Env: "development", URL: r.HTTP.URL})
	r.first.must(err)
	device := r.first.wire.Store
	bob := newTraitor(t, bobs, device)
	c, err := seal.ParseMachineKey(carols)
	r.first.must(err)
	h, err := seal.NewHolder(c.Seed)
	r.first.must(err)
	p := h.Principal()
	var otherEnv seal.EnvID
	var otherID seal.ID
	for _, e := range bob.entries(device) {
		if e.Kind == seal.KindSecret && e.Group != bob.key.Env {
			otherEnv, otherID = e.Group, e.ID
		}
	}
	honest := lies.Save(t, r.id)
	treasons := bob.treasons(device, p.ID(), otherEnv, otherID)
	for _, what := range slices.Sorted(maps.Keys(treasons)) {
		lies.Side(t, r.id, bob.signed(device, treasons[what]))
		if got, err := r.first.get("TOKEN"); err == nil || got != "" {
			t.Errorf("%s, to a device: %q, %v", what, got, err)
		}
		for who, key := range map[string]secret.Value{"a member": carols, "a machine": ci} {
			v, _, err := r.open(key)
			if err == nil {
				_, err = read(v, "TOKEN")
			}
			if err == nil {
				t.Errorf("%s, to %s: taken", what, who)
			}
		}
		lies.Restore(t, honest)
	}
	r.first.sees("TOKEN", "two")
	r.first.must(r.first.put("TOKEN", "three"))
	survived(t, 12, "a member who writes, and a server that helps him, over HTTP: %d treasons: refused", len(treasons))
}

// A member who writes without a pause is revoked all the same: what was stored
// before is kept, what comes after is refused, and nothing is in between. One does
// it by the rules, reading what is new before each write; the other knows that
// nobody else writes, and reads nothing.
func TestAttackBusyMember(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, real.Config{})
	for i := range 300 { // it is not done in a moment
		r.first.must(r.first.put(fmt.Sprintf("OLD_%d", i), "x"))
	}
	bobs := r.admit("bob", manifest.RoleWriter, time.Time{})
	bob, bobStore, err := r.open(bobs)
	r.first.must(err)

	revoke := func() {
		list, err := r.first.vault.Members(ctx)
		r.first.must(err)
		r.first.must(r.first.vault.RevokeMember(ctx, list[0].ID, yes))
	}
	loop := func(write func(i int) error) (n int, last error) {
		started, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for ; ; n++ {
				last = write(n)
				var refused *httpblob.RefusedError
				tooMany := errors.As(last, &refused) && refused.Code == wire.CodeForbidden
				if last != nil && !tooMany && !errors.Is(last, blob.ErrConflict) && !errors.Is(last, vault.ErrConflict) {
					return
				}
				if n == 5 {
					close(started)
				}
			}
		}()
		<-started
		revoke()
		<-done
		return n, last
	}
	var kept []string
	n, last := loop(func(i int) error {
		name := fmt.Sprintf("BOB_%d", i)
		_, err := bob.Put(ctx, ref(name), text("x"), vault.PutOptions{Before: yes})
		if err == nil {
			kept = append(kept, name)
		}
		return err
	})
	var refused *httpblob.RefusedError
	if !errors.As(last, &refused) || refused.Code != wire.CodeRevoked {
		t.Errorf("his last write: %v", last)
	}
	for _, name := range kept {
		r.first.sees(name, "x")
	}
	heads, err := r.first.vault.Names(ctx, "shop", "development")
	if err != nil || len(heads) != 301+len(kept) {
		t.Errorf("%d secrets, want %d, %v", len(heads), 301+len(kept), err)
	}
	bobStore.Close()

	daves := r.admit("dave", manifest.RoleWriter, time.Time{})
	_, daveStore, err := r.open(daves)
	r.first.must(err)
	signs := newTraitor(t, daves, r.first.wire.Store)
	head, err := r.first.wire.Store.Head(ctx)
	r.first.must(err)
	m, last := loop(func(i int) error {
		// He makes the next one on his own, and looks when that was none.
		next := signs.empty(head)
		err := daveStore.Commit(ctx, blob.Commit{Base: head.Seq, Seq: next.Seq, Manifest: next.Manifest})
		if err == nil {
			head = next
		} else if h, herr := daveStore.Head(ctx); herr == nil {
			head = h
		}
		return err
	})
	if !errors.As(last, &refused) || refused.Code != wire.CodeRevoked {
		t.Errorf("his last commit: %v", last)
	}
	survived(t, 12, "two members who write without a pause, %d and %d times: revoked", n, m)
}

// empty is the next commit, of nothing.
func (b *traitor) empty(head blob.Head) blob.Head {
	b.t.Helper()
	prev, err := manifest.Parse(head.Manifest)
	if err != nil {
		b.t.Error(err)
		return head
	}
	m := prev.Next()
	p := b.holder.Principal()
	m.Seq, m.Prev, m.Signer = prev.Seq+1, manifest.Chain(head.Manifest), p.DeviceID()
	m.Time = max(uint64(time.Now().UnixMilli()), prev.Time)
	return blob.Head{Seq: m.Seq, Manifest: m.Encode(ed25519.Sign(b.holder.Sign, m.Body()), b.record)}
}
