package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/seal"
)

// A vault that was on a server once is not opened as one of this machine: the
// device remembers it, under keys that its files do not hold.
func TestServed(t *testing.T) {
	h := made(t)
	use := func(o Options) error {
		return h.session(o, func(v *Vault) { put(t, v, "TOKEN", "value") })
	}
	look := func(o Options) error { return h.session(o, func(*Vault) {}) }
	if err := use(Options{}); err != nil {
		t.Fatal(err)
	}
	if err := look(Options{Served: true}); err != nil { // put on a server: nothing is written
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "after a commit"} {
		if err := use(Options{}); !errors.Is(err, ErrServed) {
			t.Errorf("%s: opened as a vault of this machine: %v", when, err)
		}
		if err := use(Options{Served: true}); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	// Both places say so by now.
	file := filepath.Join(h.dir, seenFile)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte(seenThere)); n != 2 || bytes.Contains(b, []byte(seenMagic)) {
		t.Errorf("%d places say so: %q", n, b)
	}
	// Its files cannot be changed to say otherwise.
	if err := os.WriteFile(file, bytes.ReplaceAll(b, []byte(seenThere), []byte(seenMagic)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := look(Options{}); !errors.Is(err, ErrRollback) {
		t.Errorf("edited: %v", err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	dev, err := readDevice(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	key := seal.DeviceSubkey(dev.secretKey, dev.vault, "seen")
	last, _, err := readSeen(h.dir, key)
	if err != nil || !last.served {
		t.Fatalf("%+v, %v", last, err)
	}
	last.served = false
	if err := writeSeen(h.dir, last, &keyring{seen: key, mark: make([]byte, 32)}, true); err != nil {
		t.Fatal(err)
	}
	if err := look(Options{}); !errors.Is(err, ErrRollback) {
		t.Errorf("forged with the Secret Key: %v", err)
	}
	if err := look(Options{AcceptRollback: true}); err != nil { // a person said that it is meant to be
		t.Fatal(err)
	}
	if err := look(Options{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}
