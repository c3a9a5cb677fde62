package vault

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/seal"
)

// signingKey is a copy of the device's signing key.
func signingKey(v *Vault) ed25519.PrivateKey { return bytes.Clone(v.keys.device) }

// Attack 8: whoever has the device's old signing key, from before a rotation,
// signs no commit that is taken.
func TestAttack08OldSigningKeyAfterRotation(t *testing.T) {
	h := made(t)
	var old ed25519.PrivateKey
	var file []byte
	var forged seal.Manifest
	err := h.session(Options{}, func(v *Vault) {
		put(t, v, "TOKEN", "value-1")
		device := v.Device()
		old, file = signingKey(v), read(t, h, deviceFile)
		if err := v.Rotate(t.Context(), text(password), yes); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(signingKey(v), old) || v.Device() != device {
			t.Fatal("the signing key is the old one, or the device another")
		}
		if devices, err := v.Devices(t.Context()); err != nil || len(devices) != 1 || !bytes.Equal(devices[0].Key, v.keys.device.Public().(ed25519.PublicKey)) {
			t.Errorf("the roster names %+v, %v", devices, err)
		}
		put(t, v, "AFTER", "value-2")
		forged = *v.state.manifest
		forged.Prev = seal.ManifestHash(v.state.head.Manifest)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.session(Options{}, func(v *Vault) { put(t, v, "AFTER", "value-3") }); err != nil {
		t.Fatalf("after a restart: %v", err)
	}
	// A commit with the old key, as somebody makes it who has copied it: with the
	// key that is listed, and with its own put there.
	whole := h.copyStore()
	for _, swap := range []bool{false, true} {
		st := sqlite.Open(filepath.Join(h.dir, "vault.db"))
		head, err := st.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m := forged
		m.Seq, m.Prev, m.Reset, m.Purged = head.Seq+1, seal.ManifestHash(head.Manifest), false, nil
		m.Devices = append([]seal.Device(nil), forged.Devices...)
		if swap {
			copy(m.Devices[0].Key[:], old.Public().(ed25519.PublicKey))
		}
		if err := st.Commit(t.Context(), blob.Commit{Base: head.Seq, Seq: m.Seq, Manifest: seal.SignManifest(&m, old, nil)}); err != nil {
			t.Fatal(err)
		}
		st.Close()
		if err := h.session(Options{}, func(*Vault) {}); !errors.Is(err, ErrTampered) && !errors.Is(err, ErrFork) {
			t.Errorf("listed itself %v: %v", swap, err)
		}
		h.putStore(whole)
		if err := h.session(Options{}, func(*Vault) {}); err != nil {
			t.Fatalf("as it was: %v", err)
		}
	}
	// And the old device file holds nothing that opens any more.
	if err := os.WriteFile(filepath.Join(h.dir, deviceFile), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unlockWith(h, password); err == nil {
		t.Error("the device file of before the rotation opens the vault")
	}
	survived(t, 8, "the signing key of before a rotation: no commit with it is taken")
}

// A crash at each step of a rotation leaves a vault that opens, and can write.
func TestRotateCrashes(t *testing.T) {
	for _, at := range []string{"before the commit", "after the commit"} {
		h := newHome(t)
		v := h.create(Options{})
		put(t, v, "TOKEN", "value-1")
		f := evil(v)
		if at == "before the commit" {
			f.commit = blob.ErrFull
		} else {
			f.after = blob.ErrCorrupt // done, and not said so
		}
		if err := v.Rotate(t.Context(), text(password), yes); err == nil {
			t.Fatalf("%s: no error", at)
		}
		v.Close()
		v = h.unlock()
		if get(t, v, "TOKEN") != "value-1" {
			t.Errorf("%s: not readable", at)
		}
		put(t, v, "AFTER", "value-2")
		if err := v.Rotate(t.Context(), text(password), yes); err != nil {
			t.Errorf("%s: rotate again: %v", at, err)
		}
		put(t, v, "AGAIN", "value-3")
	}
}

func read(t *testing.T, h home, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
