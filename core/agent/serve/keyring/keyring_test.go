package keyring

import (
	"errors"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/opaquevault/ov/core/secret"
)

func TestKeyring(t *testing.T) {
	keyring.MockInit()
	if _, err := Get("/a"); !errors.Is(err, ErrNone) {
		t.Errorf("Get of nothing: %v", err)
	}
	if err := Set("/a", secret.New([]byte("password a"))); err != nil {
		t.Fatal(err)
	}
	if err := Set("/b", secret.New([]byte("password b"))); err != nil {
		t.Fatal(err)
	}
	if p, err := Get("/a"); err != nil || string(p.Reveal()) != "password a" {
		t.Errorf("Get = %v", err)
	}
	if err := errors.Join(Delete("/a"), Delete("/a")); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := Get("/a"); !errors.Is(err, ErrNone) {
		t.Errorf("Get after Delete: %v", err)
	}
	if p, err := Get("/b"); err != nil || string(p.Reveal()) != "password b" {
		t.Errorf("another vault's: %v", err)
	}
}

// Without a keyring, as in a container, the error says so and no more.
func TestNoKeyring(t *testing.T) {
	keyring.MockInitWithError(errors.New("dbus: canary-in-the-cause"))
	want := "read remembered password: no keyring answers"
	if _, err := Get("/a"); !errors.Is(err, ErrUnavailable) || err.Error() != want {
		t.Errorf("Get: %v, want %q", err, want)
	}
	if err := Set("/a", secret.New([]byte("password"))); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Set: %v", err)
	}
}
