// Package servertest is what tests of a server and of its clients share: a
// server on loopback, devices that sign, and blobtest's commits under manifests
// that a server takes.
package servertest

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/lite"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// A Device has a signing key.
type Device struct {
	ID      manifest.DeviceID
	Private ed25519.PrivateKey
}

var _ channel.Signer = (*Device)(nil)

// NewDevice returns a device with a key of its own.
func NewDevice() *Device {
	_, key, _ := ed25519.GenerateKey(nil) // crypto/rand never fails
	d := &Device{Private: key}
	rand.Read(d.ID[:])
	return d
}

// Key implements channel.Signer.
func (d *Device) Key() channel.KeyID { return channel.Device(d.ID) }

// Sign implements channel.Signer.
func (d *Device) Sign(message []byte) ([]byte, error) { return ed25519.Sign(d.Private, message), nil }

// Listed is how a manifest lists d.
func (d *Device) Listed() manifest.Device {
	return manifest.Device{ID: d.ID, Key: [32]byte(d.Private.Public().(ed25519.PublicKey))}
}

// A Key signs under another role than a device's.
type Key struct {
	ID      channel.KeyID
	Private ed25519.PrivateKey
}

// NewKey returns a key whose id is its public half, as those of passwords and
// newcomers are.
func NewKey(role channel.Role) *Key {
	pub, key, _ := ed25519.GenerateKey(nil)
	return &Key{ID: channel.KeyID{Role: role, ID: [32]byte(pub)}, Private: key}
}

// Key implements channel.Signer.
func (k *Key) Key() channel.KeyID { return k.ID }

// Sign implements channel.Signer.
func (k *Key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.Private, message), nil }

// A Rig is a running server.
type Rig struct {
	Server *server.Server
	Depot  depot.Depot
	Key    *channel.PrivateKey
	HTTP   *httptest.Server
}

// NewDepot opens a new SQLite database that ends with the test.
func NewDepot(t testing.TB) depot.Depot {
	t.Helper()
	d, err := lite.Open(t.Context(), filepath.Join(t.TempDir(), "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Start starts a server on loopback that ends with the test. What c leaves out
// is filled in: a new SQLite database, a new key, a rate that no test reaches.
func Start(t testing.TB, c server.Config) *Rig {
	t.Helper()
	return Behind(t, c, func(r *Rig) http.Handler { return r.Server })
}

// Behind is Start with a handler of the test's own before the server's.
func Behind(t testing.TB, c server.Config, front func(*Rig) http.Handler) *Rig {
	t.Helper()
	if c.Depot == nil {
		c.Depot = NewDepot(t)
	}
	if c.Key == nil {
		key, err := channel.NewPrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		c.Key = key
	}
	if c.Rate == 0 {
		c.Rate, c.Burst = 1e9, 1e9
	}
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := &Rig{Server: s, Depot: c.Depot, Key: c.Key}
	r.HTTP = httptest.NewServer(front(r))
	t.Cleanup(r.HTTP.Close)
	return r
}

// Options are those of a client of the rig, which seals what it sends.
func (r *Rig) Options(vault depot.Vault, signer channel.Signer) httpblob.Options {
	return httpblob.Options{URL: r.HTTP.URL, Vault: vault, Signer: signer, ServerKey: r.Key.Public()}
}

// Store returns a client of the rig that ends with the test.
func (r *Rig) Store(t testing.TB, vault depot.Vault, signer channel.Signer) *httpblob.Store {
	t.Helper()
	return Open(t, r.Options(vault, signer))
}

// Open returns a client that ends with the test.
func Open(t testing.TB, o httpblob.Options) *httpblob.Store {
	t.Helper()
	s, err := httpblob.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
