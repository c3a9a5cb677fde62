package server_test

import (
	"crypto/ed25519"
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
	"github.com/opaquevault/ov/core/manifest"
)

// 16: whatever of a signed request is changed, sent again, or signed at another
// time or by another key, it is refused, and nothing is stored.
func TestAttack16Signatures(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	other := newVault(t, rig)
	head := request{method: "GET", path: v.path("head"), signer: v.dev}
	if a := send(t, rig, head); a.status != http.StatusOK {
		t.Fatalf("honest: %d %s", a.status, a.body)
	}
	commit := request{method: "POST", path: v.path("commits"), body: v.commitBody(t, 2, blobtest.Record(2, 1)), signer: v.dev, header: idempotency("k")}
	with := func(r request, edit func(*request)) request {
		edit(&r)
		return r
	}
	changed := func(r request, f func(*http.Request)) request { r.change = f; return r }
	for what, c := range map[string]struct {
		r      request
		status int
		code   string
	}{
		"unsigned":       {with(head, func(r *request) { r.signer = nil }), 401, wire.CodeUnsigned},
		"another scheme": {changed(head, func(r *http.Request) { r.Header.Set("Authorization", "Bearer abc") }), 401, wire.CodeUnsigned},
		"altered path":   {changed(head, func(r *http.Request) { r.URL.Path = v.path("changes"); r.URL.RawQuery = "since=0" }), 401, wire.CodeSignature},
		"altered query":  {changed(head, func(r *http.Request) { r.URL.RawQuery = "x=1" }), 401, wire.CodeSignature},
		"altered host":   {changed(head, func(r *http.Request) { r.Host = "elsewhere.example" }), 401, wire.CodeSignature},
		"altered method": {changed(with(head, func(r *request) { r.path = v.path("witness") }), func(r *http.Request) { r.Method = "PUT" }), 401, wire.CodeSignature},
		"another vault":  {changed(head, func(r *http.Request) { r.URL.Path = other.path("head") }), 401, wire.CodeUnknownKey},
		"another's key":  {with(head, func(r *request) { r.signer = other.dev }), 401, wire.CodeUnknownKey},
		"a forged key":   {with(head, func(r *request) { r.signer = &servertest.Device{ID: v.dev.ID, Private: other.dev.Private} }), 401, wire.CodeSignature},
		"10 minutes ago": {with(head, func(r *request) { r.at = time.Now().Add(-10 * time.Minute) }), 401, wire.CodeSkew},
		"10 minutes on":  {with(head, func(r *request) { r.at = time.Now().Add(10 * time.Minute) }), 401, wire.CodeSkew},
		"an hour ago":    {with(head, func(r *request) { r.at = time.Now().Add(-time.Hour) }), 401, wire.CodeSkew},
		"altered body":   {changed(commit, func(r *http.Request) { swapBody(r, append(commit.body[:len(commit.body):len(commit.body)], 0)) }), 401, wire.CodeSignature},
		"another's body": {changed(commit, func(r *http.Request) { swapBody(r, other.commitBody(t, 2)) }), 401, wire.CodeSignature},
		"a longer path":  {changed(head, func(r *http.Request) { r.URL.Path += "/" }), 404, wire.CodeNotFound},
		"no such vault":  {with(head, func(r *request) { r.path = strings.Replace(r.path, v.path()[11:20], "000000000", 1) }), 404, wire.CodeEmpty},
		"not a vault":    {with(head, func(r *request) { r.path = "/v1/vaults/x'%20OR%201=1--/head" }), 400, wire.CodeInvalid},
		"upper case":     {with(head, func(r *request) { r.path = wire.PathVaults + strings.ToUpper(v.path("head")[11:43]) + "/head" }), 400, wire.CodeInvalid},
	} {
		wantProblem(t, what, send(t, rig, c.r), c.status, c.code)
	}
	// The same bytes twice.
	var auth string
	first := changed(commit, func(r *http.Request) { auth = r.Header.Get("Authorization") })
	if a := send(t, rig, first); a.status != 200 {
		t.Fatalf("honest commit: %d %s", a.status, a.body)
	}
	wantProblem(t, "a replay", send(t, rig, changed(commit, func(r *http.Request) { r.Header.Set("Authorization", auth) })), 401, wire.CodeReplayed)
	blobtest.Check(t, v, 2, blobtest.Record(1, 1), blobtest.Record(2, 1))
	fmt.Println("attack 16: altered, replayed, stale and forged requests: 401, nothing stored")
}

// swapBody sends b in place of what was signed.
func swapBody(r *http.Request, b []byte) {
	r.ContentLength = int64(len(b))
	r.Body = readCloser(b)
}

// A revoked device is told so, in both kinds of depot, and gets nothing; nor
// does a stranger who claims to be it.
func TestAttack16RevokedDevice(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		second := servertest.NewDevice()
		relist(t, v, func(m *manifest.Manifest) { m.Devices = append(m.Devices, second.Listed()) })
		head := request{method: "GET", path: v.path("head"), signer: second}
		if a := send(t, rig, head); a.status != 200 {
			t.Fatalf("a listed device: %d %s", a.status, a.body)
		}
		relist(t, v, func(m *manifest.Manifest) { m.Devices = m.Devices[:1] })
		for what, r := range map[string]request{
			"head":    head,
			"records": {method: "GET", path: v.path("records", "4", strings.Repeat("0", 64), "1"), signer: second},
			"commit":  {method: "POST", path: v.path("commits"), signer: second, header: idempotency("x"), body: v.commitBody(t, 9)},
			"part":    {method: "PUT", path: v.path("uploads", strings.Repeat("0", 32), "0"), signer: second, body: wire.EncodeRecords(nil)},
		} {
			wantProblem(t, "revoked: "+what, send(t, rig, r), 401, wire.CodeRevoked)
		}
		stranger := &servertest.Device{ID: second.ID, Private: servertest.NewDevice().Private}
		wantProblem(t, "a stranger by its name", send(t, rig, request{method: "GET", path: v.path("head"), signer: stranger}), 401, wire.CodeUnknownKey)
	})
	fmt.Println("attack 16: a revoked device: 401 from the next request on")
}

// relist commits a manifest that lists what edit says.
func relist(t *testing.T, v *vault, edit func(*manifest.Manifest), put ...blob.Record) {
	t.Helper()
	if err := tryRelist(t, v, v.dev.Private, nil, edit, put...); err != nil {
		t.Fatal(err)
	}
}

func tryRelist(t *testing.T, v *vault, device, password ed25519.PrivateKey, edit func(*manifest.Manifest), put ...blob.Record) error {
	t.Helper()
	h, err := v.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(h.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	m.Prev, m.Seq, m.Purged = manifest.Chain(h.Manifest), m.Seq+1, nil
	m.Blobs[0].Version++
	m.Count += uint64(len(put))
	if m.Groups = nil; m.Count > 0 {
		m.Groups = []manifest.Group{{Count: m.Count}}
	}
	m.Root, _ = manifest.RootOf(m.Groups)
	edit(m)
	var auth []byte
	if password != nil {
		auth = ed25519.Sign(password, m.Body())
	}
	return v.Store.Commit(t.Context(), blob.Commit{Base: h.Seq, Seq: m.Seq, Manifest: m.Encode(ed25519.Sign(device, m.Body()), auth), Put: put})
}

// 17: 10,000 guesses at a password, from many addresses and over two replicas:
// at most 20 an hour are answered, and none of them with ciphertext.
func TestAttack17Enrolment(t *testing.T) {
	n := 300
	if campaign() {
		n = 10_000
	}
	time1 := newClock()
	d := servertest.NewDepot(t)
	rig := servertest.Start(t, server.Config{Depot: d, Now: time1.now})
	replica := servertest.Start(t, server.Config{Depot: d, Now: time1.now})
	v := newVault(t, rig)
	password := servertest.NewKey(channel.RoleAuth)
	relist(t, v, func(m *manifest.Manifest) {
		m.Slots = []manifest.SlotRef{{ID: manifest.ID{1}, Version: 1, Suite: 1, Auth: password.ID.ID}}
	})
	guess := func(i int, key channel.Signer) answer {
		return send(t, []*servertest.Rig{rig, replica}[i%2], request{method: "GET", path: v.path("head"), signer: key, at: time1.now()})
	}
	verified, refused := 0, 0
	for i := range n {
		switch a := guess(i, servertest.NewKey(channel.RoleAuth)); {
		case a.status == 401 && a.Code == wire.CodeUnknownKey:
			verified++
		case a.status == 429 && a.header.Get("Retry-After") != "":
			refused++
		default:
			t.Fatalf("guess %d: %d %s", i, a.status, a.body)
		}
	}
	if verified != 20 || refused != n-20 {
		t.Errorf("%d verified, %d refused of %d", verified, refused, n)
	}
	// Within the hour not even the right one is answered; after it, it is, and again.
	wantProblem(t, "the right key after 20 guesses", guess(0, password), 429, wire.CodeRate)
	time1.add(61 * time.Minute)
	for i := range 30 {
		if a := guess(i, password); a.status != 200 {
			t.Fatalf("the right key, time %d: %d %s", i, a.status, a.body)
		}
	}
	// What it may read: no secret.
	a := send(t, rig, request{method: "POST", path: v.path("records"), signer: password, at: time1.now(), body: wire.EncodeKeys([]blob.Key{blobtest.Key(1, 1)})})
	wantProblem(t, "a secret's ciphertext", a, 403, wire.CodeForbidden)
	fmt.Printf("attack 17: %d guesses over two replicas: %d verified, no ciphertext\n", n, verified)
}

// A device joins with the password's signature, signs its own request, and each
// manifest that it tries counts as a guess.
func TestEnrol(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	v := newVault(t, rig)
	password := servertest.NewKey(channel.RoleAuth)
	relist(t, v, func(m *manifest.Manifest) {
		m.Slots = []manifest.SlotRef{{ID: manifest.ID{1}, Version: 1, Suite: 1, Auth: password.ID.ID}}
	})
	second := servertest.NewDevice()
	joined := &vault{Signed: servertest.NewSigned(rig.Store(t, v.id, second), v.id, second), rig: rig, id: v.id, dev: second}
	join := func(m *manifest.Manifest) {
		m.Devices = append(m.Devices, second.Listed())
		m.Signer = second.ID
	}
	h, err := v.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// It cannot read the head yet: the first device tells it here.
	enrol := func(password ed25519.PrivateKey) error {
		m, _ := manifest.Parse(h.Manifest)
		m.Prev, m.Seq = manifest.Chain(h.Manifest), m.Seq+1
		join(m)
		var auth []byte
		if password != nil {
			auth = ed25519.Sign(password, m.Body())
		}
		return joined.Store.Commit(t.Context(), blob.Commit{Base: h.Seq, Seq: m.Seq, Manifest: m.Encode(ed25519.Sign(second.Private, m.Body()), auth)})
	}
	if err := enrol(nil); err == nil || !strings.Contains(err.Error(), "does not follow") {
		t.Errorf("without the password: %v", err)
	}
	if err := enrol(servertest.NewDevice().Private); err == nil {
		t.Error("with another password")
	}
	if err := enrol(password.Private); err != nil {
		t.Fatal(err)
	}
	if a := send(t, rig, request{method: "GET", path: v.path("head"), signer: second}); a.status != 200 {
		t.Errorf("after joining: %d %s", a.status, a.body)
	}
}

// A machine key reads its environment and nothing else, writes nothing, and ends.
func TestAttack16MachineKey(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		time1 := newClock()
		c.Now = time1.now
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		mine, others := manifest.EnvID{1}, manifest.EnvID{2}
		pub, private, _ := ed25519.GenerateKey(nil)
		p := &manifest.Principal{Role: manifest.RoleMachine, Sign: [32]byte(pub), Envs: []manifest.EnvID{mine}, NotAfter: uint64(time1.now().Add(time.Hour).UnixMilli())}
		record := func(kind uint8, id manifest.ID, env manifest.EnvID, data []byte) blob.Record {
			return blob.Record{Key: blob.Key{Kind: kind, ID: id, Version: 1}, Group: env, Sum: manifest.Sum(data), Data: data}
		}
		recs := []blob.Record{
			record(manifest.KindPrincipal, p.ID(), manifest.EnvID{}, p.Encode()),
			record(manifest.KindEnvKey, manifest.ID{1}, mine, []byte("my key")), record(manifest.KindEnvKey, manifest.ID{2}, others, []byte("their key")),
			record(manifest.KindSecret, manifest.ID{3}, mine, []byte("my secret")), record(manifest.KindSecret, manifest.ID{4}, others, []byte("their secret")),
			record(manifest.KindList, manifest.ID{5}, manifest.EnvID{}, []byte("list")),
		}
		relist(t, v, func(m *manifest.Manifest) {
			m.Machines = []manifest.Entity{{ID: p.ID(), Sum: manifest.Sum(p.Encode())}}
		}, recs...)
		key := &servertest.Key{ID: channel.KeyID{Role: channel.RolePrincipal, ID: p.ID()}, Private: private}
		ask := func(r request) answer {
			r.signer, r.at = key, time1.now()
			return send(t, rig, r)
		}
		for i, ok := range []bool{true, true, false, true, false, false} {
			a := ask(request{method: "POST", path: v.path("records"), body: wire.EncodeKeys([]blob.Key{recs[i].Key})})
			if ok {
				if got, err := wire.ParseRecords(a.body); a.status != 200 || err != nil || string(got[0].Data) != string(recs[i].Data) {
					t.Errorf("record %d: %d, %v", i, a.status, err)
				}
				continue
			}
			wantProblem(t, fmt.Sprint("record ", i), a, 403, wire.CodeForbidden)
		}
		entries, err := wire.ParseEntries(ask(request{method: "GET", path: v.path("changes"), query: "since=0"}).body)
		if err != nil || len(entries) != 4 { // its own record, and with newVault's three of its environment
			t.Errorf("it sees %d entries, %v, want 4", len(entries), err)
		}
		if a := ask(request{method: "GET", path: v.path("head")}); a.status != 200 {
			t.Errorf("head: %d", a.status)
		}
		for what, r := range map[string]request{
			"a commit":  {method: "POST", path: v.path("commits"), header: idempotency("m"), body: v.commitBody(t, 9)},
			"a part":    {method: "PUT", path: v.path("uploads", strings.Repeat("0", 32), "0"), body: wire.EncodeRecords(nil)},
			"requests":  {method: "GET", path: v.path("requests")},
			"a witness": {method: "PUT", path: v.path("witness"), body: []byte(`{"size":1,"note":"YQ=="}`)},
			"usage":     {method: "GET", path: v.path("usage")},
		} {
			wantProblem(t, what, ask(r), 403, wire.CodeForbidden)
		}
		time1.add(time.Hour)
		wantProblem(t, "after its end", ask(request{method: "GET", path: v.path("head")}), 401, wire.CodeExpired)
		time1.add(-time.Hour)
		relist(t, v, func(m *manifest.Manifest) { m.Machines = nil })
		wantProblem(t, "revoked", ask(request{method: "GET", path: v.path("head")}), 401, wire.CodeRevoked)
	})
	fmt.Println("attack 16: a machine key reads its environment, writes nothing, expires, and is revoked")
}
