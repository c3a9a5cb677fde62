package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// store puts a value as it is written by hand: whatever was there before.
func store(v *vault.Vault, name, value string) error {
	_, err := v.Put(context.Background(), ref(name), text(value), vault.PutOptions{Before: yes})
	return err
}

// Two members who write and two devices, at once: what differs is merged, and of
// what is the same one wins and the others are told who.
func TestWritersAtOnce(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "0"))
	b := a.join(s, "second")
	all := map[string]*vault.Vault{"first": a.vault, "second": b.vault, "bob": a.admit("bob", &evil{Store: s.store}), "carol": a.admit("carol", &evil{Store: s.store})}
	var wg sync.WaitGroup
	for who, v := range all {
		wg.Go(func() {
			for i := range 6 {
				if err := store(v, fmt.Sprintf("OF_%s_%d", who, i), who); err != nil {
					t.Errorf("%s: %v", who, err)
				}
			}
		})
	}
	wg.Wait()
	for who, v := range all {
		heads, err := v.Names(ctx, "shop", "development")
		if err != nil || len(heads) != 1+6*len(all) {
			t.Errorf("%s sees %d names, %v", who, len(heads), err)
		}
	}
	// The same secret: each knows of the same version, and one is the first.
	for round := range 5 {
		a.must(a.put("TOKEN", fmt.Sprint(round)))
		var seen uint64
		for who, v := range all {
			if _, err := read(v, "TOKEN"); err != nil {
				t.Fatalf("%s: %v", who, err)
			}
			seen = v.Known(ref("TOKEN"))
		}
		var mu sync.Mutex
		won, told := []string{}, []*vault.Conflict{}
		for who, v := range all {
			wg.Go(func() {
				_, err := v.Put(ctx, ref("TOKEN"), text(who), vault.PutOptions{Before: yes, Seen: &seen})
				mu.Lock()
				defer mu.Unlock()
				var c *vault.Conflict
				switch {
				case err == nil:
					won = append(won, who)
				case errors.As(err, &c):
					told = append(told, c)
				default:
					t.Errorf("%s: %v", who, err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 || len(told) != len(all)-1 {
			t.Fatalf("%v won, %d were told", won, len(told))
		}
		for who, v := range all {
			if got, err := read(v, "TOKEN"); err != nil || got != won[0] {
				t.Errorf("%s sees %q, %v: %s won", who, got, err, won[0])
			}
		}
		for _, c := range told { // devices know all names; a member knows her own
			names := []string{won[0], won[0] + " (member)", "a member", ""}
			if !slices.Contains(names, c.Other.Name) || c.Other.Version != seen+1 {
				t.Errorf("told that it was %+v: %s won", c.Other, won[0])
			}
		}
	}
	log, err := a.vault.Commits(ctx, 0)
	if err != nil || uint64(len(log)) != a.vault.Seq() {
		t.Fatalf("%d commits of %d, %v", len(log), a.vault.Seq(), err)
	}
	by := map[string]int{}
	for i, c := range log {
		if c.Seq != uint64(i+1) || i > 0 && c.Time.Before(log[i-1].Time) || (c.Role == manifest.RoleWriter) != (c.Name == "bob" || c.Name == "carol") {
			t.Errorf("%+v", c)
		}
		by[c.Name]++
	}
	if by["bob"] < 6 || by["carol"] < 6 || by["second"] < 6 || len(by) != 4 {
		t.Errorf("%v", by)
	}
	if last, err := a.vault.Commits(ctx, a.vault.Seq()-2); err != nil || !slices.Equal(last, log[len(log)-2:]) {
		t.Errorf("%+v, %v", last, err)
	}
}

// A device that writes over a member's version is told whose it was.
func TestConflictNamesMember(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	bob := a.admit("bob", &evil{Store: s.store})
	seen := a.vault.Known(ref("TOKEN"))
	a.must(store(bob, "TOKEN", "two"))
	var c *vault.Conflict
	_, err := a.vault.Put(t.Context(), ref("TOKEN"), text("three"), vault.PutOptions{Before: yes, Seen: &seen})
	if !errors.As(err, &c) || c.Other.Name != "bob (member)" || c.Other.Version != 2 || c.Mine.Name != "first" || c.Other.Device != bob.Device() {
		t.Fatalf("%+v, %v", c, err)
	}
	// And she, of a device's: its name is not hers to know.
	a.must(a.put("TOKEN", "four"))
	seen = 2
	_, err = bob.Put(t.Context(), ref("TOKEN"), text("five"), vault.PutOptions{Before: yes, Seen: &seen})
	if !errors.As(err, &c) || c.Other.Name != "" || c.Mine.Name != "bob (member)" || c.Other.Device != a.vault.Device() {
		t.Fatalf("%+v, %v", c, err)
	}
}

// All that a member who writes may do, and what she may not.
func TestWriterVerbs(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	prod := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := a.vault.Put(ctx, prod, text("p"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	v := a.admit("bob", &evil{Store: s.store})
	must := func(_ vault.Info, err error) { t.Helper(); a.must(err) }
	must(v.Put(ctx, ref("NEW"), text("new"), vault.PutOptions{Mode: vault.CreateOnly, Tags: []string{"x"}}))
	must(v.Rename(ctx, ref("NEW"), ref("NEWER"), yes))
	must(v.Tag(ctx, ref("NEWER"), []string{"y"}, yes))
	a.must(store(v, "TOKEN", "two"))
	must(v.Rollback(ctx, ref("TOKEN"), 1, yes))
	a.sees("TOKEN", "one")
	a.must(v.Delete(ctx, ref("TOKEN")))
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("deleted by a member: %v", err)
	}
	must(v.Restore(ctx, ref("TOKEN"), yes))
	a.sees("TOKEN", "one")
	a.sees("NEWER", "new")
	if info, err := a.vault.Info(ctx, ref("NEWER"), yes); err != nil || !slices.Equal(info.Tags, []string{"y"}) || info.Device != v.Device() {
		t.Errorf("%+v, %v", info, err)
	}
	two := []vault.Write{{Ref: ref("A"), Value: text("a")}, {Ref: prod, Value: text("b")}}
	for what, err := range map[string]error{
		"another environment's": func() error { _, err := v.Put(ctx, prod, text("x"), vault.PutOptions{}); return err }(),
		"a new environment": func() error {
			_, err := v.Put(ctx, secret.Ref{App: "shop", Env: "new", Name: "X"}, text("x"), vault.PutOptions{})
			return err
		}(),
		"one of several elsewhere": func() error { _, err := v.PutAll(ctx, two); return err }(),
		"renamed away":             func() error { _, err := v.Rename(ctx, ref("NEWER"), prod, yes); return err }(),
		"renamed here":             func() error { _, err := v.Rename(ctx, prod, ref("X"), yes); return err }(),
		"deleted elsewhere":        v.Delete(ctx, prod),
		"an environment":           v.CreateSpace(ctx, "shop", "x"),
		"an environment away":      v.DeleteSpace(ctx, "shop", "development", nil),
		"the policy":               v.PutSealed(ctx, vault.Policy, nil),
		"a machine key": func() error {
			_, _, err := v.NewMachine(ctx, vault.MachineOrder{Name: "x", App: "shop", Env: "development"})
			return err
		}(),
		"a member":                 v.RevokeMember(ctx, "x", yes),
		"a device":                 v.RevokeDevice(ctx, a.vault.Device()),
		"her name":                 v.Announce(ctx, "x"),
		"an empty commit":          func() error { _, err := v.Countersign(ctx); return err }(),
		"what is old":              func() error { _, err := v.Expire(ctx); return err }(),
		"who is in the vault":      func() error { _, err := v.Members(ctx); return err }(),
		"the vault somewhere else": v.Push(ctx, newServer(t).store),
		"a backup":                 v.Backup(ctx, &bytes.Buffer{}, seal.Lock{}),
	} {
		if !errors.Is(err, vault.ErrScope) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := v.Info(ctx, ref("A"), yes); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("half of a write: %v", err)
	}
	if log, err := v.Commits(ctx, 0); err != nil || log[len(log)-1].Name != "bob" || log[0].Name != "" {
		t.Errorf("%+v, %v", log, err)
	}
}

// The same keys are let in once, and never again when they were revoked; what was
// kept between request and invitation opens the invitation.
func TestShareKeys(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	m, err := vault.NewMember([16]byte{}, "bob")
	a.must(err)
	seed := m.Seed()
	order := vault.MachineOrder{Name: "bob", App: "shop", Env: "development", Role: manifest.RoleWriter}
	invitation, made, err := a.vault.Share(ctx, m.Request(), order)
	a.must(err)
	m.Wipe()
	if _, _, err := a.vault.Share(ctx, m.Request(), vault.MachineOrder{Name: "robert", App: "shop", Env: "development"}); !errors.Is(err, vault.ErrTaken) || !bytes.Contains([]byte(err.Error()), []byte(`"bob"`)) {
		t.Errorf("the same keys under another name: %v", err)
	}
	n, err := vault.NewMember([16]byte{}, "bob")
	a.must(err)
	if _, _, err := a.vault.Share(ctx, n.Request(), vault.MachineOrder{Name: "bob", App: "shop", Env: "development"}); !errors.Is(err, vault.ErrTaken) {
		t.Errorf("another one's keys under the name of a writer: %v", err)
	}
	if _, _, err := a.vault.Share(ctx, n.Request(), vault.MachineOrder{Name: "x", App: "shop", Env: "development", Role: manifest.RoleMachine}); !errors.Is(err, vault.ErrValue) {
		t.Errorf("a machine's role for a person: %v", err)
	}
	if _, err := vault.MemberFrom(text("short"), [16]byte{}, "bob"); !errors.Is(err, vault.ErrValue) {
		t.Errorf("a short seed: %v", err)
	}
	later, err := vault.MemberFrom(seed, [16]byte{}, "bob")
	a.must(err)
	key, err := later.Accept(invitation)
	a.must(err)
	bob, err := openMachine(key, s.store)
	a.must(err)
	a.must(store(bob, "TOKEN", "two"))
	if other, err := vault.MemberFrom(seed, [16]byte{}, "robert"); err != nil {
		t.Error(err)
	} else if _, err := other.Accept(invitation); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("another request of the same keys: %v", err)
	}
	list, err := a.vault.Members(ctx)
	if err != nil || len(list) != 1 || list[0].Role != manifest.RoleWriter || list[0].ID != made.ID {
		t.Fatalf("%+v, %v", list, err)
	}
	a.must(a.vault.RevokeMember(ctx, made.ID, yes))
	if _, _, err := a.vault.Share(ctx, later.Request(), order); !errors.Is(err, vault.ErrTaken) {
		t.Errorf("revoked keys: %v", err)
	}
	if log, err := a.vault.Commits(ctx, 0); err != nil || log[len(log)-2].Name != "" || log[len(log)-2].Role != manifest.RoleWriter {
		t.Errorf("what a revoked member signed stays hers: %+v, %v", log, err)
	}
}

// What members did last is no obstacle to what is done with a whole vault.
func TestSettled(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	bob, bobs := a.admitKey("bob", &evil{Store: s.store})
	ci := a.machine("ci", time.Time{})
	a.must(store(bob, "TOKEN", "two"))
	// A key opens the copy of the vault on the owner's own machine.
	a.sees("TOKEN", "two")
	local := a.local()
	defer local.Close()
	if got, err := begin(ci, local); err != nil || got != "two" {
		t.Errorf("a key on the owner's machine: %q, %v", got, err)
	}
	// To another server.
	to := newServer(t)
	a.must(a.vault.Push(ctx, to.store))
	for what, key := range map[string]secret.Value{"a machine": ci, "a member": bobs} {
		if got, err := begin(key, to.store); err != nil || got != "two" {
			t.Errorf("%s at the new server: %q, %v", what, got, err)
		}
	}
	// New keys for all.
	a.must(store(bob, "TOKEN", "three"))
	a.sees("TOKEN", "three")
	a.must(a.vault.Rotate(ctx, text(password), yes))
	a.sees("TOKEN", "three")
	if err := store(bob, "TOKEN", "late"); !errors.Is(err, vault.ErrRevoked) && !errors.Is(err, vault.ErrTampered) {
		t.Errorf("after Rotate: %v", err)
	}
}

// A device signs after many commits of members, and when one's time is over.
func TestCountersign(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	bob := a.admit("bob", &evil{Store: s.store})
	ci := a.machine("ci", time.Time{})
	due := func(want bool) {
		t.Helper()
		before := a.vault.Seq()
		if done, err := a.vault.Countersign(ctx); err != nil || done != want {
			t.Errorf("%v, %v", done, err)
		}
		if grown := a.vault.Seq() - before; (grown == 1) != want {
			t.Errorf("%d commits", grown)
		}
	}
	due(false)
	for i := range 127 {
		a.must(store(bob, fmt.Sprintf("N%d", i%7), "x"))
	}
	a.sees("N1", "x")
	due(false)
	a.must(store(bob, "TOKEN", "two"))
	a.sees("TOKEN", "two")
	wire := &evil{Store: s.store}
	if v, err := openMachine(ci, wire); err != nil || wire.calls < 128 {
		t.Errorf("%d calls, %v", wire.calls, err)
	} else {
		v.Close()
	}
	due(true)
	due(false)
	wire.calls = 0
	if got, err := begin(ci, wire); err != nil || got != "two" || wire.calls > 40 {
		t.Errorf("%q, %d calls, %v", got, wire.calls, err)
	}
	m, err := vault.NewMember([16]byte{}, "late")
	a.must(err)
	_, _, err = a.vault.Share(ctx, m.Request(), vault.MachineOrder{Name: "late", App: "shop", Env: "development", Role: manifest.RoleWriter, NotAfter: time.Now().Add(100 * time.Millisecond)})
	a.must(err)
	for end := time.Now().Add(150 * time.Millisecond); time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	due(true)
	due(false)
}

// Two devices that take each other out at once: one of them is the first, and
// the other is told that it is out.
func TestRevokeEachOther(t *testing.T) {
	ctx := t.Context()
	for range 3 {
		s := newServer(t)
		a := s.create()
		a.must(a.put("TOKEN", "one"))
		b := a.join(s, "second")
		a.sees("TOKEN", "one")
		start := make(chan struct{})
		errs := map[*device]error{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for by, of := range map[*device]*device{a: b, b: a} {
			wg.Go(func() {
				<-start
				err := by.vault.RevokeDevice(ctx, of.vault.Device())
				mu.Lock()
				defer mu.Unlock()
				errs[by] = err
			})
		}
		close(start)
		wg.Wait()
		won, lost := a, b
		if errs[a] != nil {
			won, lost = b, a
		}
		if errs[won] != nil || !errors.Is(errs[lost], vault.ErrRevoked) {
			t.Fatalf("%v; %v", errs[won], errs[lost])
		}
		won.must(won.put("TOKEN", "two"))
		won.sees("TOKEN", "two")
		if _, err := lost.get("TOKEN"); !errors.Is(err, vault.ErrRevoked) {
			t.Errorf("the one that was taken out: %v", err)
		}
		if list, err := won.vault.Devices(ctx); err != nil || len(list) != 1 || !list[0].This {
			t.Errorf("%+v, %v", list, err)
		}
	}
}
