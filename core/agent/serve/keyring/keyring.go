// Package keyring keeps the master password of a vault in the operating
// system's keyring, for who asked for that: every program of the user that the
// keyring trusts can then open the vault.
package keyring

import (
	"errors"
	"fmt"

	"github.com/zalando/go-keyring"

	"github.com/opaquevault/ov/core/secret"
)

const service = "ov"

// Errors of a keyring.
var (
	ErrNone        = errors.New("the keyring holds no password for this vault")
	ErrUnavailable = errors.New("no keyring answers")
)

// Set stores the password of the vault in home. The keyring's interface takes a
// string: that copy stays in memory until the collector reuses it.
func Set(home string, password secret.Value) error {
	return explain("store", keyring.Set(service, home, string(password.Reveal())))
}

// Get returns the password of the vault in home.
func Get(home string) (secret.Value, error) {
	text, err := keyring.Get(service, home)
	if err != nil {
		return secret.Value{}, explain("read", err)
	}
	return secret.New([]byte(text)), nil
}

// Delete forgets the password of the vault in home. That there is none is no error.
func Delete(home string) error {
	if err := explain("delete", keyring.Delete(service, home)); !errors.Is(err, ErrNone) {
		return err
	}
	return nil
}

// explain drops the keyring's own words, which are about D-Bus names.
func explain(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return fmt.Errorf("%s remembered password: %w", verb, ErrNone)
	}
	return fmt.Errorf("%s remembered password: %w", verb, ErrUnavailable)
}
