package serve

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/evil"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

// takenOut reports whether err says that a device was taken out of the vault.
func takenOut(err error) bool {
	return errors.Is(err, agent.ErrDenied) && (strings.Contains(err.Error(), "revoked") || strings.Contains(err.Error(), "took this one out"))
}

// Two devices take each other out of the vault at once. One of them was first: it
// goes on; the other one is told, and gets nothing more.
func TestRevokeEachOther(t *testing.T) {
	rounds := 5
	if os.Getenv("ATTACK") != "" {
		rounds = 30
	}
	wins := map[int]int{}
	for range rounds {
		srv := servertest.Start(t, server.Config{})
		rigs := []*rig{newRig(t), newRig(t)}
		clients := []*agent.Client{rigs[0].initOn(t, srv.HTTP.URL), nil}
		if err := rigs[0].put(t, clients[0], "TOKEN", "value-of-token"); err != nil {
			t.Fatal(err)
		}
		clients[1] = rigs[1].joinOn(t, rigs[0], srv.HTTP.URL)
		errs := make([]error, 2)
		fresh := []*agent.Client{rigs[0].client(t), rigs[1].client(t)}
		var wg sync.WaitGroup
		for i, name := range []string{"second", "first"} {
			wg.Go(func() { _, errs[i] = fresh[i].RevokeDevice(t.Context(), name) })
		}
		wg.Wait()
		won := 0
		if errs[0] != nil {
			won = 1
		}
		wins[won]++
		lost := 1 - won
		if errs[won] != nil || !takenOut(errs[lost]) {
			t.Fatalf("first: %v; second: %v", errs[0], errs[1])
		}
		if err := rigs[won].put(t, clients[won], "TOKEN", "value-of-later"); err != nil {
			t.Errorf("who was first: %v", err)
		}
		if list, err := clients[won].Devices(t.Context()); err != nil || len(list) != 1 || !list[0].This {
			t.Errorf("%+v, %v", list, err)
		}
		for what, err := range map[string]error{
			"reads":  func() error { _, err := rigs[lost].get(t, clients[lost], "TOKEN"); return err }(),
			"writes": rigs[lost].put(t, clients[lost], "TOKEN", "never"),
			"again":  func() error { _, err := rigs[lost].client(t).RevokeDevice(t.Context(), "first"); return err }(),
		} {
			if !takenOut(err) {
				t.Errorf("who was second %s: %v", what, err)
			}
		}
		if got, err := rigs[won].get(t, clients[won], "TOKEN"); err != nil || got != "value-of-later" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if !t.Failed() {
		fmt.Printf("attack 05, whole stack: two devices revoke each other at once, %d times: one was first and goes on (%d and %d times), the other is told and gets nothing\n", rounds, wins[0], wins[1])
	}
}

// A server that tells each of two devices that it was first cannot have them go
// on together: whichever of the histories the other one is shown, it has seen
// another.
func TestAttackServerRevokesBoth(t *testing.T) {
	srv := evil.Start(t, server.Config{})
	a, b := newRig(t), newRig(t)
	ca := a.initOn(t, srv.HTTP.URL)
	if err := a.put(t, ca, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	cb := b.joinOn(t, a, srv.HTTP.URL)
	if _, err := a.get(t, ca, "TOKEN"); err != nil { // a has seen b join
		t.Fatal(err)
	}
	before := srv.Save(t, vaultOf(t, a))
	if _, err := a.client(t).RevokeDevice(t.Context(), "second"); err != nil {
		t.Fatal(err)
	}
	if err := a.put(t, ca, "TOKEN", "of-a"); err != nil {
		t.Fatal(err)
	}
	ofA := srv.Save(t, vaultOf(t, a))
	srv.Restore(t, before)
	if _, err := b.client(t).RevokeDevice(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	ofB := srv.Save(t, vaultOf(t, a))
	_, err := a.get(t, ca, "TOKEN") // is refused as revoked, by a server that it cannot believe
	if err == nil {
		t.Error("a goes on with b's history")
	}
	for what, c := range map[string]struct {
		r *rig
		c *agent.Client
		h func()
	}{
		"a, shown b's": {a, ca, func() { srv.Restore(t, ofB) }},
		"b, shown a's": {b, cb, func() { srv.Restore(t, ofA) }},
	} {
		c.h()
		if got, err := c.r.get(t, c.c, "TOKEN"); err == nil || got != "" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if err := c.r.put(t, c.c, "TOKEN", "never"); err == nil {
			t.Errorf("%s: written", what)
		}
	}
	for what, c := range map[string]struct {
		r *rig
		c *agent.Client
		h func()
	}{
		"a": {a, ca, func() { srv.Restore(t, ofA) }},
		"b": {b, cb, func() { srv.Restore(t, ofB) }},
	} {
		c.h()
		if _, err := c.r.get(t, c.c, "TOKEN"); err != nil {
			t.Errorf("%s in its own history: %v", what, err)
		}
	}
	if !t.Failed() {
		fmt.Println("attack 05, whole stack: a server that lets two devices revoke each other in two histories: each stays in its own and takes nothing of the other")
	}
}
