package mirror

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// share lets a new member read shop/development and returns what opens it.
func (d *device) share(name string) (*vault.Member, secret.Value) {
	d.t.Helper()
	m, err := vault.NewMember(d.vaultID(), name)
	d.must(err)
	invitation, made, err := d.vault.Share(d.t.Context(), m.Request(), vault.MachineOrder{Name: name, App: "shop", Env: "development", URL: "https://ov.example.com"})
	d.must(err)
	if made.Name != name {
		d.t.Errorf("%+v", made)
	}
	key, err := m.Accept(invitation)
	d.must(err)
	return m, key
}

// A member reads one environment of somebody else's vault as it changes, writes
// nothing, and after the revocation reads no later version.
func TestMember(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := a.vault.Put(ctx, other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	_, bobs := a.share("bob")
	_, carols := a.share("carol")
	wire := &evil{Store: s.store}
	bob, err := openMachine(bobs, wire)
	a.must(err)
	carol, err := openMachine(carols, wire)
	a.must(err)
	a.must(a.put("TOKEN", "two"))
	for name, v := range map[string]*vault.Vault{"bob": bob, "carol": carol} {
		if got, err := read(v, "TOKEN"); err != nil || got != "two" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := v.Open(ctx, []secret.Ref{other}, yes); !errors.Is(err, vault.ErrScope) {
			t.Errorf("%s, another environment: %v", name, err)
		}
		if _, err := v.Put(ctx, ref("NEW"), text("x"), vault.PutOptions{}); !errors.Is(err, vault.ErrReadOnly) {
			t.Errorf("%s writes: %v", name, err)
		}
	}
	list, err := a.vault.Members(ctx)
	if err != nil || len(list) != 2 || list[0].Name != "bob" || list[1].Name != "carol" {
		t.Fatalf("%+v, %v", list, err)
	}
	// What carol has seen she keeps: a server that goes back is found out, also
	// by one that hides her revocation.
	kept, more := carol.Seen()
	if !more {
		t.Fatal("nothing new was seen")
	}
	hidden := s.copy()
	a.must(a.vault.RevokeMember(ctx, list[1].ID, yes))
	a.must(a.put("TOKEN", "three"))
	if got, err := read(bob, "TOKEN"); err != nil || got != "three" {
		t.Errorf("bob after carol's revocation: %q, %v", got, err)
	}
	if _, err := read(carol, "TOKEN"); !errors.Is(err, vault.ErrRevoked) {
		t.Errorf("carol: %v", err)
	}
	if _, err := openMachine(kept, s.store); !errors.Is(err, vault.ErrRevoked) {
		t.Errorf("carol, started again: %v", err)
	}
	if v, err := openMachine(kept, hidden); err != nil {
		t.Errorf("a server that hides the revocation shows what was there before it: %v", err)
	} else if got, err := read(v, "TOKEN"); err != nil || got != "two" {
		t.Errorf("%q, %v: want what she could read anyway", got, err)
	}
	seen, _ := bob.Seen()
	if _, err := openMachine(seen, hidden); !errors.Is(err, vault.ErrRollback) {
		t.Errorf("bob, shown an older vault after a restart: %v", err)
	}
	if err := a.vault.RevokeMember(ctx, list[1].ID, yes); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
	a.sees("TOKEN", "three")
	if r, err := a.vault.Verify(ctx, yes); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// Attack: invitations that were stolen or swapped, an old epoch played back, a
// reader who signs a write.
func TestAttackMember(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	order := vault.MachineOrder{Name: "bob", App: "shop", Env: "development"}
	bob, err := vault.NewMember(a.vaultID(), "bob")
	a.must(err)
	thief, err := vault.NewMember(a.vaultID(), "bob")
	a.must(err)
	if bob.Request().Words() == thief.Request().Words() {
		t.Error("another key, the same words")
	}
	invitation, _, err := a.vault.Share(ctx, bob.Request(), order)
	a.must(err)
	if _, err := thief.Accept(invitation); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("a stolen invitation: %v", err)
	}
	for i := 0; i < len(invitation); i += 101 {
		bad := bytes.Clone(invitation)
		bad[i] ^= 1
		if _, err := bob.Accept(bad); !errors.Is(err, vault.ErrTampered) {
			t.Fatalf("byte %d of an invitation: %v", i, err)
		}
	}
	// A key swapped in the request is a request of nobody's; a device's is none.
	swapped := *bob.Request()
	swapped.Seal = thief.Request().Seal
	if _, _, err := a.vault.Share(ctx, &swapped, order); !errors.Is(err, vault.ErrValue) {
		t.Errorf("a swapped key: %v", err)
	}
	adm, err := vault.BeginAdmission(t.TempDir(), a.vaultID(), "bob")
	a.must(err)
	if _, _, err := a.vault.Share(ctx, adm.Request(), order); !errors.Is(err, vault.ErrValue) {
		t.Errorf("a device's request: %v", err)
	}
	if _, err := a.vault.Approve(ctx, text(password), bob.Request()); !errors.Is(err, vault.ErrValue) {
		t.Errorf("a member let in as a device: %v", err)
	}
	key, err := bob.Accept(invitation)
	a.must(err)
	// An old epoch: the environment's records of before somebody's revocation.
	_, _ = a.share("carol")
	old := s.copy()
	list, err := a.vault.Members(ctx)
	a.must(err)
	a.must(a.vault.RevokeMember(ctx, list[1].ID, yes))
	e := &evil{Store: s.store, list: func([]blob.Entry) []blob.Entry {
		l, err := old.Changes(ctx, 0)
		a.must(err)
		return l
	}}
	if _, err := openMachine(key, e); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("an old epoch under a new manifest: %v", err)
	}
	// A reader signs a commit: no client follows it, the server's check is the same.
	h, err := s.store.Head(ctx)
	a.must(err)
	m, err := manifest.Parse(h.Manifest)
	a.must(err)
	_, strange, _ := ed25519.GenerateKey(nil)
	next := *m
	next.Seq, next.Prev = m.Seq+1, manifest.Chain(h.Manifest)
	next.Signer = manifest.DeviceID(bob.Request().Device)
	data := next.Encode(ed25519.Sign(strange, next.Body()), nil)
	if _, err := manifest.Parse(data); !errors.Is(err, manifest.ErrAltered) {
		t.Errorf("a manifest signed by a reader: %v", err)
	}
	if sig, err := bob.Newcomer().Sign(next.Body()); !errors.Is(err, vault.ErrValue) || sig != nil {
		t.Errorf("a reader's key signs a manifest: %v", err)
	}
	survived(t, 12, "members: invitations stolen and swapped, an old epoch, a hidden revocation, a reader who signs a write: refused")
}
