package mirror

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A vault that the first version wrote is shared, to read and to write, and its
// owner reads what the member stores.
func TestOlderVaultIsShared(t *testing.T) {
	ctx := t.Context()
	home := t.TempDir()
	for _, name := range []string{"device", "seen", "vault.db"} {
		b, err := os.ReadFile(filepath.Join("../../../cmd/ov/testdata/vault-1", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	st := sqlite.Open(filepath.Join(home, "vault.db"))
	defer st.Close()
	owner, err := vault.Unlock(ctx, st, home, text("the password of 2026-11"), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	second := secret.Ref{App: "shop", Env: "production", Name: "SECOND"}
	was, err := owner.Info(ctx, second, yes)
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string, role manifest.Role) *vault.Vault {
		t.Helper()
		m, err := vault.NewMember([16]byte{}, name)
		if err != nil {
			t.Fatal(err)
		}
		invitation, _, err := owner.Share(ctx, m.Request(), vault.MachineOrder{Name: name, App: "shop", Env: "production", Role: role, NotAfter: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		key, err := m.Accept(invitation)
		if err != nil {
			t.Fatal(err)
		}
		v, err := openMachine(key, st)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		return v
	}
	bob, carol := open("bob", manifest.RoleWriter), open("carol", manifest.RoleReader)
	if info, err := bob.Put(ctx, second, text("a value of bob's"), vault.PutOptions{Before: yes}); err != nil || info.Version != was.Version+1 {
		t.Fatalf("%+v, %v", info, err)
	}
	for who, v := range map[string]*vault.Vault{"the owner": owner, "bob": bob, "carol": carol} {
		if got, err := v.Open(ctx, []secret.Ref{second}, yes); err != nil || string(got[0].Value.Reveal()) != "a value of bob's" {
			t.Errorf("%s: %v", who, err)
		}
	}
	list, err := owner.Members(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := owner.RevokeMember(ctx, list[0].ID, yes); err != nil {
		t.Fatal(err)
	}
	if r, err := owner.Verify(ctx, yes); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
