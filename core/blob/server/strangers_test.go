package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// 16: every route of a vault, asked by everybody who should not: none gives
// anything, and none changes anything. The list is the server's own, so that a
// new route is attacked from its first day.
func TestAttack16EveryRoute(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	key := blobtest.Key(1, 1)
	fill := strings.NewReplacer("{vault}", fmt.Sprintf("%x", v.id), "{seq}", "1", "{kind}", "4", "{id}", fmt.Sprintf("%x", key.ID), "{version}", "1",
		"{upload}", strings.Repeat("0", 32), "{part}", "0", "{request}", strings.Repeat("0", 32))
	bodies := map[string][]byte{
		"POST records": wire.EncodeKeys([]blob.Key{key}), "POST commits": v.commitBody(t, 2), "PUT 0": wire.EncodeRecords(nil),
		"PUT witness": []byte(`{"size":1,"note":"YQ=="}`), "PUT reply": []byte("x"), "POST requests": []byte("x"),
	}
	stranger := servertest.NewDevice()
	forged := &servertest.Device{ID: v.dev.ID, Private: stranger.Private}
	callers := map[string]request{
		"nobody":                     {},
		"a stranger":                 {signer: stranger},
		"a stranger by a known name": {signer: forged},
		"a key of no password":       {signer: servertest.NewKey(channel.RoleAuth)},
		"a machine that is none":     {signer: servertest.NewKey(channel.RolePrincipal)},
		"a newcomer":                 {signer: servertest.NewKey(channel.RoleNew)},
		"a device an hour ago":       {signer: v.dev, at: time.Now().Add(-time.Hour)},
		"a device with a broken signature": {signer: v.dev, change: func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-4]+"0000")
		}},
		"a device's signature of another nonce": {signer: v.dev, change: func(r *http.Request) {
			a := r.Header.Get("Authorization")
			at := strings.Index(a, "nonce=") + len("nonce=")
			r.Header.Set("Authorization", a[:at]+strings.Repeat("0", 32)+a[at+32:])
		}},
	}
	routes, asked := 0, 0
	for _, pattern := range server.Routes() {
		method, path, _ := strings.Cut(pattern, " ")
		if !strings.Contains(path, "{vault}") {
			continue
		}
		routes++
		for who, r := range callers {
			r.method, r.path, r.header = method, fill.Replace(path), idempotency("k")
			if strings.HasSuffix(path, "changes") {
				r.query = "since=0"
			}
			r.body = bodies[method+" "+r.path[strings.LastIndexByte(r.path, '/')+1:]]
			if method != "GET" && method != "DELETE" && r.body == nil {
				t.Fatalf("no body for %s", pattern)
			}
			a := send(t, rig, r)
			asked++
			mine := who == "a newcomer" && strings.Contains(path, "requests") // a request of its own, and one that is not there
			if a.status < 400 && !mine || a.Code == wire.CodeInternal {
				t.Errorf("%s, by %s: %d %.60q", pattern, who, a.status, a.body)
			}
		}
	}
	if routes < 12 {
		t.Errorf("%d routes only", routes)
	}
	blobtest.Check(t, v, 1, blobtest.Record(1, 1))
	fmt.Printf("attack 16: %d routes by %d callers who may not: nothing given, nothing changed\n", routes, len(callers))
}
