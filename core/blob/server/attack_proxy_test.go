package server_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/lite"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
	realvault "github.com/opaquevault/ov/core/vault"
)

// spellings are the forms in which a proxy's log would hold b.
func spellings(b []byte) [][]byte {
	return [][]byte{b, []byte(hex.EncodeToString(b)), []byte(base64.StdEncoding.EncodeToString(b))[:len(b)], []byte(base64.RawURLEncoding.EncodeToString(b))[:len(b)]}
}

// 15: a proxy that terminates TLS and logs everything sees no path, no id and no
// body; what it changes, sends again or swaps does not get through.
func TestAttack15Proxy(t *testing.T) {
	rig := servertest.Start(t, server.Config{SealedOnly: true})
	p := servertest.NewProxy(t, rig.HTTP.URL)
	v := &vault{rig: rig, dev: servertest.NewDevice()}
	o := rig.Options(v.id, v.dev)
	o.URL, o.RootCAs = p.URL, x509.NewCertPool()
	o.RootCAs.AddCert(p.Certificate())
	st := servertest.Open(t, o)
	v.Signed = servertest.NewSigned(st, v.id, v.dev)
	one := blobtest.Record(1, 1)
	one.Data = []byte("what nobody on the way may see: 5f3a9c")
	copy(one.ID[:], "an id of thirty-two bytes: 7c2b1")
	if err := v.Commit(t.Context(), blobtest.Commit(1, one)); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Get(t.Context(), []blob.Key{one.Key}); err != nil || !bytes.Equal(got[0].Data, one.Data) {
		t.Fatal(err)
	}
	seen := p.Log()
	for what, b := range map[string][]byte{"body": one.Data, "id": one.ID[:], "sum": one.Sum[:8], "device": v.dev.ID[:], "path": []byte("/v1/vaults"), "path of commits": []byte("commits"), "signature": []byte("OV1 key=")} {
		for _, form := range spellings(b) {
			if bytes.Contains(seen, form) {
				t.Errorf("the proxy saw the %s", what)
			}
		}
	}
	if !bytes.Contains(seen, []byte(wire.PathSealed)) {
		t.Fatal("the proxy saw nothing at all")
	}
	// What it does to bodies.
	bodies, _ := p.Bodies()
	last := func() []byte { all, _ := p.Bodies(); return all[len(all)-1] }
	for what, change := range map[string]func(request bool, b []byte) []byte{
		"a request's bit flipped": func(request bool, b []byte) []byte { return flipIf(request, b, 1200) },
		"an answer's bit flipped": func(request bool, b []byte) []byte { return flipIf(!request, b, 40) },
		"an older request":        func(request bool, b []byte) []byte { return swapIf(request, b, bodies[len(bodies)-1]) },
		"an empty answer":         func(request bool, b []byte) []byte { return swapIf(!request, b, nil) },
		"a made up answer": func(request bool, b []byte) []byte {
			return swapIf(!request, b, []byte("ov ok 200 everything is fine, believe me, all of it"))
		},
		"the request as answer": func(request bool, b []byte) []byte { return swapIf(!request, b, last()) },
	} {
		p.Alter(change)
		if h, err := st.Head(t.Context()); err == nil {
			t.Errorf("%s: accepted: %d", what, h.Seq)
		}
	}
	p.Alter(nil)
	if h, err := v.Head(t.Context()); err != nil || h.Seq != 1 {
		t.Errorf("afterwards: %+v, %v", h, err)
	}
	// Replayed to the server it is refused inside, where the proxy cannot see it.
	resp, err := http.Post(rig.HTTP.URL+wire.PathSealed, wire.TypeSealed, bytes.NewReader(bodies[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	blobtest.Check(t, v, 1, one)
	// Without sealing nothing is answered here.
	open := rig.Options(v.id, v.dev)
	open.ServerKey = nil
	_, err = servertest.Open(t, open).Head(t.Context())
	want(t, "unsealed", err, httpblob.ErrSealedOnly)
	_, err = httpblob.Locate(t.Context(), open)
	want(t, "unsealed locate", err, httpblob.ErrSealedOnly)
	// A server of another key, as a proxy in the middle would have to be.
	stranger := servertest.Start(t, server.Config{})
	wrong := rig.Options(v.id, v.dev)
	wrong.ServerKey = stranger.Key.Public()
	if _, err := servertest.Open(t, wrong).Head(t.Context()); err == nil || errors.Is(err, blob.ErrEmpty) {
		t.Errorf("a request for another server: %v", err)
	}
	fmt.Println("attack 15: a logging proxy: no path, id or body seen; altered, replayed and swapped bodies fail")
}

func flipIf(yes bool, b []byte, at int) []byte {
	if yes && at < len(b) {
		b[at] ^= 4
	}
	return b
}

func swapIf(yes bool, b, other []byte) []byte {
	if yes {
		return other
	}
	return b
}

// asChannel is a vault's signer as httpblob takes it.
type asChannel struct{ realvault.Signer }

func (s asChannel) Key() channel.KeyID { return channel.Device([16]byte(s.ID)) }

// look fails for each canary that is found in one of the places.
func look(t *testing.T, places map[string][]byte, canaries ...[]byte) {
	t.Helper()
	for place, b := range places {
		if len(b) < 1000 {
			t.Errorf("%s: %d bytes only", place, len(b))
		}
		for _, c := range canaries {
			for _, form := range append(spellings(c), bytes.ToLower(c)) {
				if bytes.Contains(b, form) {
					t.Errorf("%s holds %q", place, form)
				}
			}
		}
	}
}

// 10, at the server: canaries in app, environment, name, value, tag and password
// of 200 operations; none in its database, its WAL, its log, its metrics, or what
// went over the wire.
func TestAttack10Canary(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	d, err := lite.Open(t.Context(), filepath.Join(dir, "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	log := &logbook{}
	rig := servertest.Start(t, server.Config{Depot: d, SealedOnly: true, Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	tap := servertest.NewTap(t, strings.TrimPrefix(rig.HTTP.URL, "http://"))

	const password, value = "CANARY-password-51ce", "CANARY-value-51ce"
	text := func(s string) secret.Value { return secret.New([]byte(s)) }
	local := sqlite.Open(filepath.Join(home, "vault.db"))
	v, kit, err := realvault.Create(t.Context(), local, home, text(password), realvault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := local.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(h.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	o := rig.Options(m.Vault, asChannel{v.Signer()})
	o.URL = "http://" + tap.Address
	remote := servertest.Open(t, o)
	if err := v.Push(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
	far, err := realvault.Unlock(t.Context(), remote, home, text(password), realvault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	n := 40
	if campaign() {
		n = 200
	}
	for i := range n {
		ref := secret.Ref{App: "canary-app", Env: "canary-env", Name: fmt.Sprintf("CANARY_NAME_%d", i%7)}
		if _, err := far.Put(t.Context(), ref, text(fmt.Sprint(value, i)), realvault.PutOptions{Tags: []string{"CANARY-tag"}}); err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			if _, err := far.Open(t.Context(), []secret.Ref{ref}, func([]realvault.Head) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
	}
	metrics := send(t, rig, request{method: "GET", path: "/metrics"})
	places := map[string][]byte{"log": []byte(log.String()), "metrics": metrics.body, "capture": tap.Log()}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if places[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	look(t, places, []byte("CANARY"), []byte("canary-app"), []byte("canary-env"), kit.Key.Reveal())
	// Nor do the ids that a server has to know get into what is written about it.
	for _, place := range []string{"log", "metrics"} {
		for _, id := range [][]byte{m.Vault[:], m.Signer[:], m.Slots[0].ID[:]} {
			if bytes.Contains(places[place], []byte(hex.EncodeToString(id))) {
				t.Errorf("%s holds an id", place)
			}
		}
	}
	fmt.Printf("attack 10: %d operations: no canary in database, WAL, log, metrics or capture\n", n)
}
