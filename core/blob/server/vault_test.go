package server_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// A commit that its manifest does not cover is refused, whoever signed it.
func TestAdmit(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	second := servertest.NewDevice()
	relist(t, v, func(m *manifest.Manifest) { m.Devices = append(m.Devices, second.Listed()) })
	rec := blob.Record{Key: blob.Key{Kind: manifest.KindSecret, ID: [32]byte{9}, Version: 1}, Data: []byte("data")}
	rec.Sum = manifest.Sum(rec.Data)
	type both struct {
		m *manifest.Manifest
		c *blob.Commit
	}
	kind := func(kind uint8) func(both) {
		return func(b both) { b.c.Put[0].Kind = kind }
	}
	for what, c := range map[string]struct {
		edit func(both)
		code string // "": it is taken
	}{
		"another vault":              {func(b both) { b.m.Vault[0]++ }, wire.CodeInvalid},
		"another number":             {func(b both) { b.c.Seq++ }, wire.CodeInvalid},
		"another past":               {func(b both) { b.m.Prev[0]++ }, wire.CodeForbidden},
		"a lower floor":              {func(b both) { b.m.Floor = 0 }, wire.CodeForbidden},
		"another device's signature": {func(b both) { b.m.Signer = second.ID }, wire.CodeForbidden},
		"a reset not signed":         {func(b both) { b.c.Reset = true }, wire.CodeInvalid},
		"a reset not made":           {func(b both) { b.m.Reset = true }, wire.CodeInvalid},
		"a purge not signed":         {func(b both) { b.c.Purge = []blob.Key{blobtest.Key(1, 1)} }, wire.CodeInvalid},
		"a purge not made":           {func(b both) { b.m.Purged = []manifest.Purged{{Kind: 4, ID: blobtest.Key(1, 1).ID, Version: 1}} }, wire.CodeInvalid},
		"another count":              {func(b both) { b.m.Count++; b.m.Groups[0].Count++ }, wire.CodeInvalid},
		"a record too many":          {func(b both) { b.c.Put = append(b.c.Put, blobtest.Record(7, 7)) }, wire.CodeInvalid},
		"a sum of other data":        {func(b both) { b.c.Put[0].Sum[0]++ }, wire.CodeInvalid},
		"a slot not listed":          {kind(manifest.KindSlot), wire.CodeInvalid},
		"a document not listed":      {kind(manifest.KindBlob), wire.CodeInvalid},
		"a machine not listed":       {kind(manifest.KindPrincipal), wire.CodeInvalid},
		"a kind that is none":        {kind(7), wire.CodeInvalid},
		"a kind of zero":             {kind(0), wire.CodeInvalid},
		"a record that is there":     {func(b both) { b.c.Put[0].Key = blobtest.Key(1, 1) }, wire.CodeInvalid},
		"a record that is too large": {func(b both) {
			b.c.Put[0].Data = make([]byte, wire.MaxRecord+1)
			b.c.Put[0].Sum = manifest.Sum(b.c.Put[0].Data)
		}, wire.CodeTooLarge},
		"what a vault would write": {func(both) {}, ""},
	} {
		h, err := v.Store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Parse(h.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		m.Prev, m.Seq, m.Count = manifest.Chain(h.Manifest), m.Seq+1, m.Count+1
		m.Groups = []manifest.Group{{Count: m.Count}}
		next := blob.Commit{Base: h.Seq, Seq: h.Seq + 1, Put: []blob.Record{rec}}
		next.Put[0].Data = bytes.Clone(rec.Data)
		c.edit(both{m, &next})
		m.Root, m.Count = manifest.RootOf(m.Groups)
		signer := v.dev
		if m.Signer == second.ID {
			signer = second
		}
		next.Manifest = m.Encode(ed25519.Sign(signer.Private, m.Body()), nil)
		a := send(t, rig, request{method: "POST", path: v.path("commits"), signer: v.dev, header: idempotency(what), body: (&wire.Commit{Commit: next}).Encode()})
		if c.code == "" && a.status != 200 || c.code != "" && a.Code != c.code {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	// A manifest that does not verify at all.
	for what, body := range map[string][]byte{"garbage": []byte("garbage"), "nothing": nil, "a manifest of garbage": (&wire.Commit{Commit: blob.Commit{Base: 1, Seq: 2, Manifest: []byte("x")}}).Encode()} {
		wantProblem(t, what, send(t, rig, request{method: "POST", path: v.path("commits"), signer: v.dev, header: idempotency("g"), body: body}), 400, wire.CodeInvalid)
	}
}

// Large commits go in parts, and count whole or not at all.
func TestStaged(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		h, err := v.Store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var put []blob.Record
		for i := range 2500 {
			put = append(put, blobtest.Record(10+i, 1))
		}
		large, err := v.On(h, put...)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Store.Commit(t.Context(), large); err != nil {
			t.Fatal(err)
		}
		head, err := rig.Depot.Head(t.Context(), v.id)
		if err != nil || head.Seq != 2 || head.Records != 2501 {
			t.Errorf("%+v, %v", head, err)
		}
		if left, err := rig.Depot.List(t.Context(), v.id, depot.NotePart, nil, time.Now()); err != nil || len(left) != 0 {
			t.Errorf("%d parts are left, %v", len(left), err)
		}
		keys := make([]blob.Key, len(put))
		for i := range put {
			keys[i] = put[i].Key
		}
		got, err := v.Get(t.Context(), keys)
		if err != nil || len(got) != len(put) || !bytes.Equal(got[2400].Data, put[2400].Data) {
			t.Errorf("%d records, %v", len(got), err)
		}
		// The first commit of a vault may be large as well, as a restored backup is.
		id, dev := depottest.NewVault(), servertest.NewDevice()
		fresh := servertest.NewSigned(rig.Store(t, id, dev), id, dev)
		if err := fresh.Commit(t.Context(), blobtest.Commit(1, put...)); err != nil {
			t.Fatal(err)
		}
		if head, err := rig.Depot.Head(t.Context(), id); err != nil || head.Records != 2500 {
			t.Errorf("%+v, %v", head, err)
		}
	})
}

func TestParts(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	upload := strings.Repeat("ab", 16)
	part := func(n string, body []byte) answer {
		return send(t, rig, request{method: "PUT", path: v.path("uploads", upload, n), signer: v.dev, body: body})
	}
	one := wire.EncodeRecords([]blob.Record{blobtest.Record(1, 1)})
	for range 2 {
		if a := part("0", one); a.status != 204 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	wantProblem(t, "another part of the number", part("0", wire.EncodeRecords(nil)), 409, wire.CodeConflict)
	wantProblem(t, "no list", part("1", []byte("x")), 400, wire.CodeInvalid)
	wantProblem(t, "a number too high", part("1024", one), 400, wire.CodeInvalid)
	wantProblem(t, "no number", part("x", one), 400, wire.CodeInvalid)
	if a := part("2", one); a.status != 204 {
		t.Fatal(a.status)
	}
	c, err := v.Wrap(t.Context(), blobtest.Commit(2))
	if err != nil {
		t.Fatal(err)
	}
	for what, parts := range map[string]uint32{"one too few": 1, "one too many": 3, "a gap": 2} {
		body := (&wire.Commit{Commit: c, Upload: [16]byte(bytes.Repeat([]byte{0xab}, 16)), Parts: parts}).Encode()
		wantProblem(t, what, send(t, rig, request{method: "POST", path: v.path("commits"), signer: v.dev, header: idempotency("p"), body: body}), 400, wire.CodeInvalid)
	}
}

// A new device asks, a listed one replies, and the reply is for the asker alone.
func TestMailbox(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		time1 := newClock()
		c.Now = time1.now
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		key, eve := servertest.NewKey(channel.RoleNew), servertest.NewKey(channel.RoleNew)
		newcomer, stranger := rig.Store(t, v.id, key), rig.Store(t, v.id, eve)
		first := rig.Store(t, v.id, v.dev)
		id, err := newcomer.Ask(t.Context(), []byte("let me in"))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := newcomer.Ask(t.Context(), []byte("let me in")); err != nil || again != id {
			t.Errorf("asked again: %q, %v, want %q", again, err, id)
		}
		list, err := first.Requests(t.Context())
		if err != nil || len(list) != 1 || string(list[0].Body) != "let me in" || list[0].Key != key.ID.String() || list[0].ID != id {
			t.Fatalf("%+v, %v", list, err)
		}
		_, err = newcomer.TakeReply(t.Context(), id)
		want(t, "no reply yet", err, blob.ErrNotFound)
		want(t, "a reply to nothing", first.Reply(t.Context(), strings.Repeat("0", 32), nil), blob.ErrNotFound)
		if err := first.Reply(t.Context(), id, []byte("sealed")); err != nil {
			t.Fatal(err)
		}
		want(t, "another reply", first.Reply(t.Context(), id, []byte("other")), blob.ErrConflict)
		_, err = stranger.TakeReply(t.Context(), id)
		want(t, "a stranger takes it", err, blob.ErrNotFound)
		want(t, "a stranger lists", func() error { _, err := stranger.Requests(t.Context()); return err }(), httpblob.ErrRefused)
		if err := stranger.Dismiss(t.Context(), id); err != nil {
			t.Fatal(err) // it tells nothing, and does nothing
		}
		if got, err := newcomer.TakeReply(t.Context(), id); err != nil || string(got) != "sealed" {
			t.Fatalf("%q, %v", got, err)
		}
		_, err = newcomer.TakeReply(t.Context(), id)
		want(t, "taken twice", err, blob.ErrNotFound)
		if list, err := first.Requests(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		// Few wait at a time, none for long, and none at a vault that is not there.
		for i := range 5 {
			if _, err := newcomer.Ask(t.Context(), fmt.Appendf(nil, "request %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		_, err = stranger.Ask(t.Context(), []byte("a sixth"))
		want(t, "a sixth", err, httpblob.ErrRate)
		_, err = rig.Store(t, depottest.NewVault(), key).Ask(t.Context(), []byte("x"))
		want(t, "no such vault", err, blob.ErrEmpty)
		_, err = newcomer.Ask(t.Context(), make([]byte, 5000))
		want(t, "too large", err, blob.ErrInvalid)
		_, err = newcomer.Head(t.Context())
		want(t, "a newcomer reads", err, httpblob.ErrRefused)
	})
}

// The witness never takes a smaller log, nor another one of the same size.
func TestWitness(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		s := rig.Store(t, v.id, v.dev)
		_, err := s.Witnessed(t.Context())
		want(t, "none yet", err, blob.ErrNotFound)
		show := func(size uint64, note string) error {
			return s.Witness(t.Context(), wire.Checkpoint{Size: size, Note: []byte(note)})
		}
		for _, c := range []struct {
			size uint64
			note string
			want error
		}{{10, "a", nil}, {10, "a", nil}, {10, "b", blob.ErrConflict}, {9, "a", blob.ErrConflict}, {0, "a", blob.ErrConflict}, {11, "c", nil}, {10, "a", blob.ErrConflict}, {12, "", blob.ErrInvalid}} {
			if err := show(c.size, c.note); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("size %d, note %q: %v, want %v", c.size, c.note, err, c.want)
			}
		}
		if got, err := s.Witnessed(t.Context()); err != nil || got.Size != 11 || string(got.Note) != "c" {
			t.Errorf("%+v, %v", got, err)
		}
		// Each device has a log of its own.
		second := servertest.NewDevice()
		relist(t, v, func(m *manifest.Manifest) { m.Devices = append(m.Devices, second.Listed()) })
		if err := rig.Store(t, v.id, second).Witness(t.Context(), wire.Checkpoint{Size: 1, Note: []byte("x")}); err != nil {
			t.Error(err)
		}
	})
}

func TestLocate(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	id, dev := depottest.NewVault(), servertest.NewDevice()
	o := rig.Options(id, dev)
	o.Locator = [16]byte(depottest.NewVault())
	w := servertest.NewSigned(servertest.Open(t, o), id, dev)
	if err := w.Commit(t.Context(), blobtest.Commit(1)); err != nil {
		t.Fatal(err)
	}
	if got, err := httpblob.Locate(t.Context(), o); err != nil || got != id {
		t.Errorf("%x, %v", got, err)
	}
	o.Locator[0]++
	_, err := httpblob.Locate(t.Context(), o)
	want(t, "unknown", err, blob.ErrNotFound)
	limited := false
	for range 100 {
		_, err := httpblob.Locate(t.Context(), o)
		limited = limited || errors.Is(err, httpblob.ErrRate)
	}
	if !limited {
		t.Error("locators can be tried without end")
	}
	key, err := servertest.Open(t, o).ServerKey(t.Context())
	if err != nil || !bytes.Equal(key, rig.Key.Public()) {
		t.Errorf("%d bytes, %v", len(key), err)
	}
}

// Limits: of a vault, of the number of vaults, of requests, of names.
func TestLimits(t *testing.T) {
	rig := servertest.Start(t, server.Config{Limits: depot.Limits{Records: 2}, MaxVaults: 1})
	v := newVault(t, rig)
	if err := v.Commit(t.Context(), blobtest.Commit(2, blobtest.Record(2, 1))); err != nil {
		t.Fatal(err)
	}
	want(t, "a record too many", v.Commit(t.Context(), blobtest.Commit(3, blobtest.Record(3, 1))), httpblob.ErrQuota)
	second := servertest.NewDevice()
	id := depottest.NewVault()
	want(t, "a vault too many", servertest.NewSigned(rig.Store(t, id, second), id, second).Commit(t.Context(), blobtest.Commit(1)), httpblob.ErrQuota)
	a := send(t, rig, request{method: "GET", path: v.path("usage"), signer: v.dev})
	if a.status != 200 || !strings.Contains(string(a.body), `"max_records":2`) || !strings.Contains(string(a.body), `"records":2`) {
		t.Errorf("%d %s", a.status, a.body)
	}

	closed := servertest.Start(t, server.Config{Closed: true})
	want(t, "a closed server", servertest.NewSigned(closed.Store(t, id, second), id, second).Commit(t.Context(), blobtest.Commit(1)), httpblob.ErrRefused)

	slow := servertest.Start(t, server.Config{Rate: 0.001, Burst: 5})
	sv := newVault(t, slow)
	var last error
	for range 6 {
		_, last = sv.Store.Head(t.Context())
	}
	want(t, "too often", last, httpblob.ErrRate)
	if r, ok := errors.AsType[*httpblob.RateError](last); !ok || r.After < time.Second {
		t.Errorf("%v", last)
	}
	other := newVault(t, slow) // another key has a rate of its own
	if _, err := other.Store.Head(t.Context()); err != nil {
		t.Error(err)
	}

	named := servertest.Start(t, server.Config{Hosts: []string{"ov.example"}})
	a = send(t, named, request{method: "GET", path: v.path("head"), signer: v.dev})
	if a.status != http.StatusMisdirectedRequest {
		t.Errorf("another name: %d %s", a.status, a.body)
	}
}

// A head that has not changed costs no body.
func TestHeadSince(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	s := rig.Store(t, v.id, v.dev)
	h, tag, changed, err := s.HeadSince(t.Context(), "")
	if err != nil || !changed || h.Seq != 1 || tag == "" {
		t.Fatalf("%+v, %q, %v, %v", h, tag, changed, err)
	}
	if _, again, changed, err := s.HeadSince(t.Context(), tag); err != nil || changed || again != tag {
		t.Errorf("%q, %v, %v", again, changed, err)
	}
	if err := v.Commit(t.Context(), blobtest.Commit(2)); err != nil {
		t.Fatal(err)
	}
	if h, _, changed, err := s.HeadSince(t.Context(), tag); err != nil || !changed || h.Seq != 2 {
		t.Errorf("%+v, %v, %v", h, changed, err)
	}
}
