package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/evil"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// The attacks of the design's list on passwords and their parameters, by a
// server: the real handler with a lying depot, HTTP, the mirror, the agent.

// slots returns the password slots of an image, the oldest first.
func slots(t *testing.T, img *depot.Image) []blob.Record {
	t.Helper()
	var out []blob.Record
	for _, r := range img.Records {
		if r.Kind == manifest.KindSlot {
			out = append(out, r.Record)
		}
	}
	if len(out) == 0 {
		t.Fatal("no slots")
	}
	return out
}

// tryJoin is joinOn for who may be refused.
func (r *rig) tryJoin(t *testing.T, kit, url string) error {
	t.Helper()
	f, err := os.Open(kit)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = r.client(t).Join(t.Context(), agent.Server{URL: url, Name: "late"}, f)
	return err
}

// unlockAnew opens the rig's vault as an agent does that was just started and
// finds no copy.
func (r *rig) unlockAnew(t *testing.T) error {
	t.Helper()
	r.removeCopy()
	s := New(Config{Home: r.home, Now: r.clock.now, OneShot: true, Store: r.server.c.Store, Audit: r.server.c.Audit})
	defer s.Close()
	o, err := s.openVault(t.Context(), secret.New([]byte(testPassword)), &s.mem)
	if err == nil {
		o.close(true)
	}
	return translate(err)
}

func (r *rig) removeCopy() {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(r.home, "vault.db"+suffix))
	}
}

func (r *rig) left(name string) bool {
	_, err := os.Lstat(filepath.Join(r.home, name))
	return err == nil
}

// 6: a suite, a salt or anything else about a password that a server sends is
// taken for an alteration; the keys come from the constants of the program.
func TestAttackServerSlots(t *testing.T) {
	srv := evil.Start(t, server.Config{})
	a := newRig(t)
	ca := a.initOn(t, srv.HTTP.URL)
	if err := a.put(t, ca, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	kit := filepath.Join(a.home, "kit")
	honest := slots(t, srv.Save(t, vaultOf(t, a)))[0].Data
	lies := 0
	for what, change := range map[string]func([]byte) []byte{
		"suite 0":      func(b []byte) []byte { b[0] = 0; return b },
		"suite 2":      func(b []byte) []byte { b[0]++; return b },
		"suite 255":    func(b []byte) []byte { b[0] = 255; return b },
		"second byte":  func(b []byte) []byte { b[1] ^= 1; return b },
		"a salt added": func(b []byte) []byte { return append(b, "0123456789abcdef"...) },
		"cut":          func(b []byte) []byte { return b[:len(b)/2] },
	} {
		srv.Lie(evil.Lies{Record: func(r *blob.Record) {
			if r.Kind == manifest.KindSlot {
				r.Data = change(bytes.Clone(r.Data))
			}
		}})
		b := newRig(t)
		// That the slot was asked for at all says that the password's keys were right.
		if err := b.tryJoin(t, kit, srv.HTTP.URL); !errors.Is(err, agent.ErrTampered) && !errors.Is(err, agent.ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
		if b.left("device") || b.left(remoteName) {
			t.Errorf("%s: a device was made of it", what)
		}
		lies++
	}
	srv.Lie(evil.Lies{})
	if now := slots(t, srv.Save(t, vaultOf(t, a)))[0].Data; !bytes.Equal(now, honest) {
		t.Error("the lies changed what is stored")
	}
	b := newRig(t)
	if err := b.tryJoin(t, kit, srv.HTTP.URL); err != nil {
		t.Fatal(err)
	}
	if got, err := b.get(t, b.client(t, noPassword), "TOKEN"); err != nil || got != "value-of-token" {
		t.Errorf("%q, %v", got, err)
	}
	if !t.Failed() {
		fmt.Printf("attack 06, whole stack: %d slots with other parameters from the server: refused, no device made\n", lies)
	}
}

// 7: after the vault asked for suite 2, a slot of suite 1 is refused, in place of
// the new one and with all of the vault as it was then, by who joins and by a
// device that starts anew without its copy.
func TestAttackServerOldSuite(t *testing.T) {
	srv := evil.Start(t, server.Config{})
	a, b := newRig(t), newRig(t)
	ca := a.initOn(t, srv.HTTP.URL)
	if err := a.put(t, ca, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	cb := b.joinOn(t, a, srv.HTTP.URL)
	old := srv.Save(t, vaultOf(t, a))
	password := secret.New([]byte(testPassword))
	err := a.server.withVault(t.Context(), password, func(o *opened) error {
		return o.vault.Upgrade(t.Context(), password, seal.Suite2)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.get(t, cb, "TOKEN"); err != nil || got != "value-of-token" {
		t.Fatalf("%q, %v", got, err)
	}
	newest := srv.Save(t, vaultOf(t, a))
	weak := slots(t, old)[0].Data
	if slot, err := seal.ParseSlot(weak); err != nil || slot.Suite != seal.Suite1 {
		t.Fatalf("%+v, %v", slot, err)
	}
	if err := cb.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, agent.ErrTampered) && !errors.Is(err, agent.ErrRollback) {
			t.Errorf("%s: %v", what, err)
		}
	}
	srv.Lie(evil.Lies{Record: func(r *blob.Record) {
		if r.Kind == manifest.KindSlot {
			r.Data = bytes.Clone(weak)
		}
	}})
	refused("the old slot, to a device that starts anew", b.unlockAnew(t))
	refused("the old slot, to a device that joins", newRig(t).tryJoin(t, filepath.Join(a.home, "kit"), srv.HTTP.URL))
	srv.Lie(evil.Lies{})
	srv.Restore(t, old)
	refused("the old vault, to a device that starts anew", b.unlockAnew(t))
	srv.Restore(t, newest)
	if err := b.unlockAnew(t); err != nil {
		t.Errorf("the truth: %v", err)
	}
	if !t.Failed() {
		fmt.Println("attack 07, whole stack: a slot of suite 1 after suite 2, alone and with its whole vault, also after a restart without the copy: refused")
	}
}

// generous says of every locator that it is this vault's.
type generous struct {
	depot.Depot
	vault depot.Vault
}

func (g *generous) Locate(ctx context.Context, l [16]byte) (depot.Vault, error) {
	if g.vault != (depot.Vault{}) {
		return g.vault, nil
	}
	return g.Depot.Locate(ctx, l)
}

// 11: who has all that the server stores, and the right password, has nothing
// without the Secret Key.
func TestAttackServerStolen(t *testing.T) {
	d := &generous{Depot: servertest.NewDepot(t)}
	srv := servertest.Start(t, server.Config{Depot: d})
	a := newRig(t)
	ca := a.initOn(t, srv.HTTP.URL)
	if err := a.put(t, ca, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	id := vaultOf(t, a)
	img, err := d.Export(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	kit, err := os.ReadFile(filepath.Join(a.home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	right, err := seal.ParseSecretKey(secretKeyIn(secret.New(kit)), seal.VaultID(id))
	if err != nil {
		t.Fatal(err)
	}
	// By hand, over everything that is stored.
	opens := func(sk []byte) (n int) {
		for suite := seal.Suite1; suite <= seal.NewestSuite; suite++ {
			m, err := seal.Derive(secret.New([]byte(testPassword)), sk, seal.VaultID(id), suite)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range slots(t, img) {
				slot, err := seal.ParseSlot(r.Data)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := slot.Open(m, seal.VaultID(id), seal.ID(r.ID), r.Version); err == nil {
					n++
				}
			}
		}
		return n
	}
	wrong := seal.NewKey(seal.SecretKeySize)
	for what, sk := range map[string][]byte{"none": make([]byte, seal.SecretKeySize), "another": wrong, "the vault's id": id[:]} {
		if n := opens(sk); n != 0 {
			t.Errorf("Secret Key %s: %d slots open", what, n)
		}
	}
	if n := opens(right); n != 1 {
		t.Errorf("the right Secret Key: %d slots open, want 1", n)
	}
	for _, r := range img.Records {
		if bytes.Contains(r.Data, right) || bytes.Contains(r.Data, []byte("value-of-token")) || bytes.Contains(r.Data, []byte("TOKEN")) {
			t.Errorf("a record of kind %d holds what it must not", r.Kind)
		}
	}
	// And with the real client, which the server helps as it can.
	d.vault = id
	thief := newRig(t)
	forged := filepath.Join(thief.home, "forged")
	if err := os.WriteFile(forged, seal.FormatSecretKey(wrong, seal.VaultID(id)).Reveal(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := thief.tryJoin(t, forged, srv.HTTP.URL); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("join without the Secret Key: %v", err)
	}
	if thief.left("device") || thief.left("vault.db") {
		t.Error("the thief has a device, or a copy")
	}
	if !t.Failed() {
		fmt.Printf("attack 11, whole stack: %d records of a stolen server and the right password, without the Secret Key: nothing opens, nobody joins\n", len(img.Records))
	}
}

// A copy that lost the file which names its server is no vault of this machine:
// it says what is missing, and meets the server anew when told which.
func TestServerForgotten(t *testing.T) {
	srv := servertest.Start(t, server.Config{})
	r := newRig(t)
	c := r.initOn(t, srv.HTTP.URL)
	if err := r.put(t, c, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{remoteName, syncedName} { // the first alone, then both
		if err := os.Remove(filepath.Join(r.home, name)); err != nil {
			t.Fatal(err)
		}
		wantError(t, "unlock", r.client(t).Unlock(t.Context(), agent.TTLs{}), agent.ErrCorrupt, remoteName, "ov vault push")
		if o, err := r.server.openVault(t.Context(), secret.New([]byte(testPassword)), &r.server.freshMem); !errors.Is(err, errNoRemote) {
			t.Errorf("open for one command: %v, %v", o, err)
		}
		if name == syncedName {
			break // a vault that is locked cannot tell
		}
		if st, err := c.Status(t.Context()); err != nil || st.Remote == nil || st.Remote.State != agent.RemoteRefused || st.Remote.Problem == "" {
			t.Errorf("status: %+v, %v", st.Remote, err)
		}
	}
	if st, err := r.client(t).Push(t.Context(), agent.Server{URL: srv.HTTP.URL}); err != nil || st.URL != srv.HTTP.URL {
		t.Fatalf("%+v, %v", st, err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-token" {
		t.Errorf("met anew: %q, %v", got, err)
	}
}

// What a vault that was removed by hand left behind does not make a new one look
// like a copy.
func TestNewVaultAmongLeftovers(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{remoteName, syncedName} {
		if err := os.WriteFile(filepath.Join(r.home, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.init(t, "TOKEN")
	if r.left(remoteName) || r.left(syncedName) {
		t.Error("the leftovers are still there")
	}
	c := r.client(t)
	if err := c.Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-TOKEN" {
		t.Errorf("%q, %v", got, err)
	}
}
