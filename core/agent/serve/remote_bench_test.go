package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
	"github.com/opaquevault/ov/core/vault/mirror"
)

// benchVault makes a vault of n secrets on a real server, over HTTP with sealed
// bodies, and returns what a device needs to fetch it.
func benchVault(b *testing.B, n int) (*vault.Vault, *httpblob.Store) {
	b.Helper()
	srv := servertest.Start(b, server.Config{})
	dir := b.TempDir()
	sign := &signer{}
	var st *httpblob.Store
	local := mirror.New(sqlite.Open(filepath.Join(dir, "vault.db")), nil, mirror.Options{Offline: offline, Held: true})
	b.Cleanup(func() { local.Close() })
	v, _, err := vault.Create(b.Context(), local, dir, secret.New([]byte(testPassword)), vault.Options{Keyed: func(v *vault.Vault) {
		sign.set(v.Signer())
		r := &remoteFile{URL: srv.HTTP.URL, Vault: v.ID(), Key: srv.Key.Public()}
		var err error
		if st, err = r.connect(sign); err != nil {
			b.Fatal(err)
		}
		local.Connect(st)
	}})
	if err != nil {
		b.Fatal(err)
	}
	writes := make([]vault.Write, n)
	for i := range writes {
		writes[i] = vault.Write{Ref: dev(fmt.Sprintf("SECRET_%05d", i)), Value: secret.New(fmt.Appendf(nil, "value-%032d", i))}
	}
	if _, err := v.PutAll(b.Context(), writes); err != nil {
		b.Fatal(err)
	}
	return v, st
}

// BenchmarkSyncAll is a device that fetches 10,000 secrets from a real server,
// checks each record and the whole, and stores the copy durably.
func BenchmarkSyncAll(b *testing.B) {
	_, st := benchVault(b, 10_000)
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		path := filepath.Join(dir, fmt.Sprint(i))
		local := sqlite.Open(path)
		if err := mirror.Seed(b.Context(), local, st, 0); err != nil {
			b.Fatal(err)
		}
		local.Close()
		os.Remove(path)
	}
}

// BenchmarkSyncOne is what one changed secret among 10,000 costs a device.
func BenchmarkSyncOne(b *testing.B) {
	v, st := benchVault(b, 10_000)
	local := sqlite.Open(filepath.Join(b.TempDir(), "copy"))
	defer local.Close()
	if err := mirror.Seed(b.Context(), local, st, 0); err != nil {
		b.Fatal(err)
	}
	m := mirror.New(local, st, mirror.Options{})
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		if _, err := v.Put(b.Context(), dev("SECRET_00042"), secret.New(fmt.Appendf(nil, "value-%d", i)), vault.PutOptions{}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := m.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSyncNothing is a look at a server that has nothing new.
func BenchmarkSyncNothing(b *testing.B) {
	_, st := benchVault(b, 10_000)
	local := sqlite.Open(filepath.Join(b.TempDir(), "copy"))
	defer local.Close()
	if err := mirror.Seed(b.Context(), local, st, 0); err != nil {
		b.Fatal(err)
	}
	m := mirror.New(local, st, mirror.Options{})
	for b.Loop() {
		if err := m.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
