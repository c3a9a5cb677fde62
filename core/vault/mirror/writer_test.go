package mirror

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// admit lets a new member write shop/development and opens it on st.
func (d *device) admit(name string, st *evil) *vault.Vault {
	d.t.Helper()
	v, _ := d.admitKey(name, st)
	return v
}

func (d *device) admitKey(name string, st *evil) (*vault.Vault, secret.Value) {
	d.t.Helper()
	m, err := vault.NewMember([16]byte{}, name) // whichever vault it is shown to
	d.must(err)
	order := vault.MachineOrder{Name: name, App: "shop", Env: "development", NotAfter: time.Now().Add(100 * time.Hour), URL: "https://ov.example.com", Role: manifest.RoleWriter}
	invitation, made, err := d.vault.Share(context.Background(), m.Request(), order)
	d.must(err)
	if made.Role != manifest.RoleWriter {
		d.t.Errorf("%+v", made)
	}
	key, err := m.Accept(invitation)
	d.must(err)
	v, err := openMachine(key, st)
	d.must(err)
	d.t.Cleanup(func() { v.Close() })
	return v, key
}

// A member who writes: what she stores every device, member and machine reads,
// and what it is not for she is refused.
func TestWriter(t *testing.T) {
	ctx := t.Context()
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	other := secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}
	if _, err := a.vault.Put(ctx, other, text("secret of production"), vault.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	bob := a.admit("bob", &evil{Store: s.store})
	if !bob.CanWrite() || bob.Role() != manifest.RoleWriter || !a.vault.CanWrite() || a.vault.Role() != 0 {
		t.Error("roles")
	}
	_, carols := a.share("carol")
	carol, err := openMachine(carols, &evil{Store: s.store})
	a.must(err)
	if _, err := bob.Put(ctx, ref("TOKEN"), text("two, of bob"), vault.PutOptions{Before: yes}); err != nil {
		t.Fatal(err)
	}
	a.sees("TOKEN", "two, of bob")
	for name, v := range map[string]*vault.Vault{"bob": bob, "carol": carol} {
		if got, err := read(v, "TOKEN"); err != nil || got != "two, of bob" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	history, err := a.vault.History(ctx, ref("TOKEN"), yes)
	if err != nil || len(history) != 2 || history[0].By != "bob (member)" || history[1].By != "first" {
		t.Errorf("%+v, %v", history, err)
	}
	if _, err := bob.Put(ctx, other, text("x"), vault.PutOptions{}); !errors.Is(err, vault.ErrScope) {
		t.Errorf("another environment: %v", err)
	}
	if err := bob.PutSealed(ctx, vault.Policy, []byte("all is allowed")); !errors.Is(err, vault.ErrScope) {
		t.Errorf("the policy: %v", err)
	}
	log, err := a.vault.Commits(ctx, 0)
	if err != nil || uint64(len(log)) != a.vault.Seq() || log[len(log)-1].Name != "bob" || log[len(log)-1].Role != manifest.RoleWriter || log[0].Name != "first" || log[0].Role != 0 {
		t.Errorf("%+v, %v", log, err)
	}
}
