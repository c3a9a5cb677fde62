package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

func unlockWith(h home, pw string) error {
	v, err := Unlock(h.t.Context(), h.store(), h.dir, text(pw), Options{})
	if err == nil {
		v.Close()
	}
	return err
}

func TestPasswd(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "TOKEN", "value-1")
	if err := v.Passwd(t.Context(), text("wrong"), text("new")); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	if err := v.Passwd(t.Context(), text(password), text("")); !errors.Is(err, ErrValue) {
		t.Error(err)
	}
	keys := v.AuditKeys()
	if err := v.Passwd(t.Context(), text(password), text("new")); err != nil {
		t.Fatal(err)
	}
	if err := v.CheckPassword(t.Context(), text("new")); err != nil {
		t.Error(err)
	}
	if err := unlockWith(h, password); !errors.Is(err, ErrPassword) {
		t.Errorf("old password: %v", err)
	}
	other, err := Unlock(t.Context(), h.store(), h.dir, text("new"), Options{})
	if err != nil || get(t, other, "TOKEN") != "value-1" || !slices.EqualFunc(keys, other.AuditKeys(), bytes.Equal) {
		t.Errorf("new password: %v", err)
	}
}

// NFKC: a password typed as one code point or as two is the same.
func TestPasswordForms(t *testing.T) {
	h := newHome(t)
	v, _, err := Create(t.Context(), h.store(), h.dir, text("caf\u00e9 \ufb01"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	if err := unlockWith(h, "cafe\u0301 fi"); err != nil {
		t.Error(err)
	}
	if err := unlockWith(h, "cafe fi"); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
}

func TestRotate(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "TOKEN", "value-1")
	put(t, v, "TOKEN", "value-2")
	put(t, v, "production/TOKEN", "value-3")
	if err := v.PutSealed(t.Context(), Policy, []byte("the policy")); err != nil {
		t.Fatal(err)
	}
	other := h.unlock()
	if _, err := other.Names(t.Context(), "shop", "development"); err != nil {
		t.Fatal(err)
	}
	before, derived := v.AuditKeys(), v.Derive("x")
	oldVK := bytes.Clone(v.keys.vk)
	if err := v.Rotate(t.Context(), text("wrong"), yes); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	var asked []Head
	if err := v.Rotate(t.Context(), text(password), func(h []Head) error { asked = h; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 {
		t.Errorf("asked for %v", asked)
	}
	check := func(v *Vault) {
		t.Helper()
		if get(t, v, "TOKEN") != "value-2" || get(t, v, "production/TOKEN") != "value-3" {
			t.Error("values changed")
		}
		if p, err := v.Sealed(t.Context(), Policy); err != nil || string(p) != "the policy" {
			t.Errorf("policy %q, %v", p, err)
		}
		if got := versions(t, v, "TOKEN"); len(got) != 2 {
			t.Errorf("history %v", got)
		}
		after := v.AuditKeys()
		if len(after) != 2 || bytes.Equal(after[0], before[0]) || !bytes.Equal(after[1], before[0]) || bytes.Equal(v.Derive("x"), derived) {
			t.Error("audit or derived keys")
		}
		if bytes.Equal(v.keys.vk, oldVK) {
			t.Error("the vault key is the old one")
		}
	}
	check(v)
	put(t, v, "AFTER", "value-4")
	if _, err := other.Open(t.Context(), []secret.Ref{ref(t, "TOKEN")}, yes); !errors.Is(err, ErrRotated) {
		t.Errorf("a process with the old keys: %v", err)
	}
	check(h.unlock())
	// Twice is no different, and the old audit keys stay.
	if err := v.Rotate(t.Context(), text(password), yes); err != nil {
		t.Fatal(err)
	}
	if v = h.unlock(); len(v.AuditKeys()) != 3 || get(t, v, "AFTER") != "value-4" {
		t.Error("after the second rotation")
	}
	// Nothing of before the rotation is left in the store.
	dev, err := os.ReadFile(filepath.Join(h.dir, deviceFile))
	if err != nil || bytes.Count(dev, []byte("signing-key")) != 1 {
		t.Errorf("device file: %v", err)
	}
}

// A crash at each step of a rotation leaves a vault that opens.
func TestRotateCut(t *testing.T) {
	for step, prepare := range map[string]func(*failing){
		"before the commit": func(f *failing) { f.commit = errors.New("cut") },
		"after the commit":  func(f *failing) { f.after = errors.New("cut") },
	} {
		h := newHome(t)
		v := h.create(Options{})
		put(t, v, "TOKEN", "value-1")
		f := &failing{Store: v.st}
		v.st = f
		prepare(f)
		if err := v.Rotate(t.Context(), text(password), yes); err == nil {
			t.Fatalf("%s: no error", step)
		}
		again := h.unlock()
		if got := get(t, again, "TOKEN"); got != "value-1" {
			t.Errorf("%s: %q", step, got)
		}
		put(t, again, "TOKEN", "value-2")
		if err := again.Rotate(t.Context(), text(password), yes); err != nil {
			t.Errorf("%s: rotate again: %v", step, err)
		}
		if got := get(t, h.unlock(), "TOKEN"); got != "value-2" {
			t.Errorf("%s: %q", step, got)
		}
	}
}

func TestUpgrade(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "TOKEN", "value-1")
	if err := v.Upgrade(t.Context(), text(password), seal.Suite2); err != nil {
		t.Fatal(err)
	}
	again := h.unlock()
	if s := again.state.manifest.Slots[0].Suite; s != seal.Suite2 || again.state.manifest.Floor != seal.Suite2 {
		t.Errorf("suite %d, floor %d", s, again.state.manifest.Floor)
	}
	if err := again.Passwd(t.Context(), text(password), text("new")); err != nil {
		t.Fatal(err)
	}
	if s := again.state.manifest.Slots[0].Suite; s != seal.Suite2 {
		t.Errorf("a new password fell back to suite %d", s)
	}
}

func TestBackup(t *testing.T) {
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "TOKEN", "CANARY-value-1")
	for name, c := range map[string]struct {
		to   seal.Lock
		from seal.Unlock
		bad  seal.Unlock
	}{
		"passphrase": {seal.Lock{Passphrase: text("a passphrase")}, seal.Unlock{Passphrase: text("a passphrase")}, seal.Unlock{Passphrase: text("another")}},
		"x25519":     {seal.Lock{Recipients: []string{plain.Recipient().String()}}, seal.Unlock{Identities: text(plain.String())}, seal.Unlock{Identities: text(hybrid.String())}},
		"hybrid":     {seal.Lock{Recipients: []string{hybrid.Recipient().String()}}, seal.Unlock{Identities: text("# mine\n" + hybrid.String())}, seal.Unlock{Identities: text(plain.String())}},
	} {
		var file bytes.Buffer
		if err := v.Backup(t.Context(), &file, c.to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := ReadBackup(bytes.NewReader(file.Bytes()), c.bad); !errors.Is(err, seal.ErrBackup) {
			t.Errorf("%s: opened by another key: %v", name, err)
		}
		for _, cut := range []int{10, file.Len() / 2, file.Len() - 1} {
			if _, err := ReadBackup(bytes.NewReader(file.Bytes()[:cut]), c.from); err == nil {
				t.Errorf("%s: accepted when cut at %d of %d", name, cut, file.Len())
			}
		}
		b, err := ReadBackup(bytes.NewReader(file.Bytes()), c.from)
		if err != nil || b.Vault != v.ID() || b.Seq != 2 || b.Records != 5 {
			t.Fatalf("%s: %+v, %v", name, b, err)
		}
		st := sqlite.Open(filepath.Join(t.TempDir(), "restored.db"))
		defer st.Close()
		if err := b.Write(t.Context(), st); err != nil {
			t.Fatal(err)
		}
		if err := b.Write(t.Context(), st); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: written over a store: %v", name, err)
		}
		got, err := Unlock(t.Context(), st, h.dir, text(password), Options{AcceptRollback: true})
		if err != nil || get(t, got, "TOKEN") != "CANARY-value-1" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecover(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "TOKEN", "value-1")
	kit, err := v.Kit(t.Context(), text(password))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Kit(t.Context(), text("wrong")); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	if _, err := Recover(t.Context(), h.store(), h.dir, kit.Key, text(password), Options{}); !errors.Is(err, ErrVaultExists) {
		t.Errorf("recover over a vault: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "new")
	typo := bytes.Replace(kit.Key.Reveal(), []byte("-"), []byte("-0"), 1)
	for _, c := range []struct {
		key, pw string
		want    error
	}{{string(typo), password, seal.ErrKit}, {string(kit.Key.Reveal()), "wrong", ErrPassword}} {
		if _, err := Recover(t.Context(), h.store(), elsewhere, text(c.key), text(c.pw), Options{}); !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
		if _, err := os.Stat(elsewhere); err == nil {
			t.Error("a refused recovery wrote something")
		}
	}
	typed := bytes.ToLower(bytes.ReplaceAll(kit.Key.Reveal(), []byte("-"), []byte(" ")))
	second, err := Recover(t.Context(), h.store(), elsewhere, secret.New(typed), text(password), Options{})
	if err != nil || get(t, second, "TOKEN") != "value-1" {
		t.Fatal(err)
	}
	put(t, second, "TOKEN", "value-2")
	if got := get(t, v, "TOKEN"); got != "value-2" { // the first device follows
		t.Error(got)
	}
	put(t, v, "TOKEN", "value-3")
	second.Close()
	second, err = Unlock(t.Context(), h.store(), elsewhere, text(password), Options{})
	if err != nil || get(t, second, "TOKEN") != "value-3" || second.Device() == v.Device() {
		t.Errorf("second device: %v", err)
	}
}

func TestDestroy(t *testing.T) {
	h := newHome(t)
	h.create(Options{}).Close()
	if err := Destroy(h.dir); err != nil {
		t.Fatal(err)
	}
	if err := unlockWith(h, password); !errors.Is(err, ErrNoVault) {
		t.Error(err)
	}
	if err := Destroy(h.dir); err != nil {
		t.Errorf("twice: %v", err)
	}
}
