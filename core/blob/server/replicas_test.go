package server_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// threeOf are three servers with a database and a key in common, each with
// connections of its own. What follows says of everything that one of them
// keeps in memory what the others make of it.
func threeOf(t *testing.T, c server.Config) []*servertest.Rig {
	t.Helper()
	dsn := suite.DSN(t)
	var out []*servertest.Rig
	for range 3 {
		d, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		c.Depot = d
		rig := servertest.Start(t, c)
		c.Key = rig.Key
		out = append(out, rig)
	}
	return out
}

// balanced is the name that clients know all replicas by.
const balanced = "vault.example"

// A signature is one request's, to be sent as often as one likes.
func signature(t *testing.T, r request) request {
	t.Helper()
	r.change = func(req *http.Request) { req.Host = balanced }
	if r.at.IsZero() {
		r.at = time.Now()
	}
	auth, err := channel.Sign(channel.Request{Method: r.method, Host: balanced, Path: r.path, Query: r.query, Body: sha256.Sum256(r.body)}, r.signer, r.at)
	if err != nil {
		t.Fatal(err)
	}
	r.signer = nil
	h := http.Header{"Authorization": {auth}}
	for name, values := range r.header {
		h[name] = values
	}
	r.header = h
	return r
}

// 16, over replicas: a request that is sent again is refused by who has seen it.
// At another replica a read is answered again, with what its signer may read; a
// commit is found done, and is done once; what leaves or removes something is
// refused everywhere, and after a restart.
func TestAttack16ReplayElsewhere(t *testing.T) {
	rigs := threeOf(t, server.Config{})
	v := newVault(t, rigs[0])
	newcomer := servertest.NewKey(channel.RoleNew)
	ask := request{method: "POST", path: v.path("requests"), body: []byte("let me in"), signer: newcomer}
	first := send(t, rigs[0], ask)
	id := strings.Split(strings.SplitN(string(first.body), `"id":"`, 2)[1], `"`)[0]
	part := request{method: "PUT", path: v.path("uploads", strings.Repeat("ab", 16), "0"), body: wire.EncodeRecords([]blob.Record{blobtest.Record(7, 1)}), signer: v.dev}
	reply := request{method: "PUT", path: v.path("requests", id, "reply"), body: []byte("sealed"), signer: v.dev}
	witness := request{method: "PUT", path: v.path("witness"), body: []byte(`{"size":3,"note":"YQ=="}`), signer: v.dev}
	commit := request{method: "POST", path: v.path("commits"), body: v.commitBody(t, 2, blobtest.Record(2, 1)), signer: v.dev, header: idempotency("k")}
	for _, c := range []struct {
		what      string
		r         request
		ok, again int
	}{
		{"a read", request{method: "GET", path: v.path("head"), signer: v.dev}, 200, 200},
		{"a commit", commit, 200, 200},
		{"a witness", witness, 204, 204},
		{"a part", part, 204, 401},
		{"a reply", reply, 204, 401},
		{"a request", ask, 201, 401},
		{"a dismissal", request{method: "DELETE", path: v.path("requests", id), signer: newcomer}, 204, 204}, // of what is gone
	} {
		r := signature(t, c.r)
		one := send(t, rigs[0], r)
		if one.status != c.ok {
			t.Errorf("%s: %d %s", c.what, one.status, one.body)
		}
		wantProblem(t, c.what+", again", send(t, rigs[0], r), 401, wire.CodeReplayed)
		two := send(t, rigs[1], r)
		if two.status != c.again || c.again == 401 && two.Code != wire.CodeReplayed || c.again == 200 && string(two.body) != string(one.body) {
			t.Errorf("%s, at another: %d %s, want %d", c.what, two.status, two.body, c.again)
		}
	}
	// A dismissal that would find something again finds nothing.
	left := send(t, rigs[0], ask)
	dismiss := signature(t, request{method: "DELETE", path: v.path("requests", id), signer: newcomer})
	if a := send(t, rigs[0], dismiss); left.status != 201 || a.status != 204 {
		t.Fatal(left.status, a.status)
	}
	if a := send(t, rigs[1], ask); a.status != 201 {
		t.Fatal(a.status)
	}
	wantProblem(t, "a dismissal of what was left again", send(t, rigs[2], dismiss), 401, wire.CodeReplayed)
	blobtest.Check(t, v, 2, blobtest.Record(1, 1), blobtest.Record(2, 1))
	fmt.Println("attack 16: replayed at another replica: reads give what their signer may read, commits are done once, all else 401")
}

// 17, over replicas at the same moment: together they answer twenty guesses.
func TestAttack17AtOnce(t *testing.T) {
	rigs := threeOf(t, server.Config{})
	v := newVault(t, rigs[0])
	password := servertest.NewKey(channel.RoleAuth)
	relist(t, v, func(m *manifest.Manifest) {
		m.Slots = []manifest.SlotRef{{ID: manifest.ID{1}, Version: 1, Suite: 1, Auth: password.ID.ID}}
	})
	var mu sync.Mutex
	counts := map[string]int{}
	var wg sync.WaitGroup
	for i := range 90 {
		wg.Go(func() {
			a := send(t, rigs[i%3], request{method: "GET", path: v.path("head"), signer: servertest.NewKey(channel.RoleAuth)})
			mu.Lock()
			defer mu.Unlock()
			counts[fmt.Sprint(a.status, " ", a.Code)]++
		})
	}
	wg.Wait()
	if n := counts["401 "+wire.CodeUnknownKey]; n > 20 || n == 0 || n+counts["429 "+wire.CodeRate] != 90 {
		t.Errorf("%v", counts)
	}
	for i := range 60 { // those that lost a race above did not count
		send(t, rigs[i%3], request{method: "GET", path: v.path("head"), signer: servertest.NewKey(channel.RoleAuth)})
	}
	wantProblem(t, "the right key after twenty guesses", send(t, rigs[2], request{method: "GET", path: v.path("head"), signer: password}), 429, wire.CodeRate)
	fmt.Printf("attack 17: 90 guesses at once at three replicas: %d answered\n", counts["401 "+wire.CodeUnknownKey])
}

// The mailbox is one: what is left at one replica is read and taken at others,
// and five wait at a time, however many ask at once and where.
func TestMailboxOverReplicas(t *testing.T) {
	rigs := threeOf(t, server.Config{})
	v := newVault(t, rigs[0])
	key := servertest.NewKey(channel.RoleNew)
	id, err := rigs[0].Store(t, v.id, key).Ask(t.Context(), []byte("let me in"))
	if err != nil {
		t.Fatal(err)
	}
	if err := rigs[1].Store(t, v.id, v.dev).Reply(t.Context(), id, []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if got, err := rigs[2].Store(t, v.id, key).TakeReply(t.Context(), id); err != nil || string(got) != "sealed" {
		t.Fatalf("%q, %v", got, err)
	}
	for range 3 {
		var wg sync.WaitGroup
		for i := range 24 {
			st := rigs[i%3].Store(t, v.id, servertest.NewKey(channel.RoleNew))
			wg.Go(func() { _, _ = st.Ask(context.WithoutCancel(t.Context()), []byte("me")) }) // most are too many
		}
		wg.Wait()
		list, err := rigs[0].Store(t, v.id, v.dev).Requests(t.Context())
		if err != nil || len(list) > 5 {
			t.Errorf("%d wait, %v", len(list), err)
		}
	}
}

// A commit goes to one replica and is sent again to another, before the first
// has answered, or after: it is made once, and both are told so.
func TestCommitAtReplicas(t *testing.T) {
	rigs := threeOf(t, server.Config{})
	v := newVault(t, rigs[0])
	want := []blob.Record{blobtest.Record(1, 1)}
	for seq := 2; seq <= 6; seq++ {
		r := blobtest.Record(seq, 1)
		want = append(want, r)
		body := v.commitBody(t, seq, r)
		var wg sync.WaitGroup
		for _, rig := range rigs {
			wg.Go(func() {
				a := send(t, rig, request{method: "POST", path: v.path("commits"), body: body, signer: v.dev, header: idempotency(fmt.Sprint(seq))})
				if a.status != 200 {
					t.Errorf("commit %d: %d %s", seq, a.status, a.body)
				}
			})
		}
		wg.Wait()
		other := send(t, rigs[seq%3], request{method: "POST", path: v.path("commits"), body: v.commitBody(t, seq+1), signer: v.dev, header: idempotency(fmt.Sprint(seq))})
		wantProblem(t, "another commit under the key, elsewhere", other, 422, wire.CodeIdempotency)
	}
	blobtest.Check(t, v, 6, want...)
	d, err := rigs[1].Depot.Head(t.Context(), v.id)
	if err != nil || d.Seq != 6 || d.Records != 6 {
		t.Errorf("%+v, %v", d, err)
	}
}

// A commit of parts whose answer was lost is asked for again, at another replica:
// its parts are gone, and it is found made. Under another key, or with parts that
// never were, it is refused; it is not made without its records.
func TestAttack19LostAnswerOfParts(t *testing.T) {
	test := func(t *testing.T, rigs []*servertest.Rig) {
		v := newVault(t, rigs[0])
		upload := [16]byte{0xab}
		whole, err := v.Wrap(t.Context(), blobtest.Commit(2, blobtest.Record(2, 1), blobtest.Record(3, 1)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole.Put {
			r := request{method: "PUT", path: v.path("uploads", fmt.Sprintf("%x", upload), fmt.Sprint(i)), body: wire.EncodeRecords(whole.Put[i : i+1]), signer: v.dev}
			if a := send(t, rigs[0], r); a.status != 204 {
				t.Fatal(a.status)
			}
		}
		whole.Put = nil
		post := func(rig int, upload [16]byte, key string) answer {
			body := (&wire.Commit{Commit: whole, Upload: upload, Parts: 2}).Encode()
			return send(t, rigs[rig%len(rigs)], request{method: "POST", path: v.path("commits"), body: body, signer: v.dev, header: idempotency(key)})
		}
		wantProblem(t, "parts that never were", post(1, [16]byte{1}, "k0"), 400, wire.CodeInvalid)
		first := post(0, upload, "k")
		for i := range 3 {
			if a := post(i, upload, "k"); a.status != 200 || string(a.body) != string(first.body) || a.header.Get("Etag") != first.header.Get("Etag") {
				t.Errorf("again: %d %s, first %d %s", a.status, a.body, first.status, first.body)
			}
		}
		wantProblem(t, "another commit under its key", post(1, [16]byte{2}, "k"), 422, wire.CodeIdempotency)
		if a := post(1, upload, "other"); a.status != http.StatusConflict || a.Seq != 2 {
			t.Errorf("under another key: %d %s", a.status, a.body)
		}
		blobtest.Check(t, v, 2, blobtest.Record(1, 1), blobtest.Record(2, 1), blobtest.Record(3, 1))
		relist(t, v, func(*manifest.Manifest) {})
		if a := post(2, upload, "k"); a.status != 200 || string(a.body) != string(first.body) {
			t.Errorf("after the next commit: %d %s", a.status, a.body)
		}
	}
	t.Run("SQLite", func(t *testing.T) { test(t, []*servertest.Rig{servertest.Start(t, server.Config{})}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, threeOf(t, server.Config{})) })
}

// What is revoked through one replica is refused by the others at once, though
// they have its key in memory; parts that were put at one are committed at
// another; the witness of one is that of all.
func TestStateOverReplicas(t *testing.T) {
	rigs := threeOf(t, server.Config{})
	v := newVault(t, rigs[0])
	second := servertest.NewDevice()
	relist(t, v, func(m *manifest.Manifest) { m.Devices = append(m.Devices, second.Listed()) })
	head := request{method: "GET", path: v.path("head"), signer: second}
	for i, rig := range rigs {
		if a := send(t, rig, head); a.status != 200 {
			t.Fatalf("replica %d: %d", i, a.status)
		}
	}
	relist(t, v, func(m *manifest.Manifest) { m.Devices = m.Devices[:1] })
	for i, rig := range rigs {
		wantProblem(t, fmt.Sprint("revoked, replica ", i), send(t, rig, head), 401, wire.CodeRevoked)
	}
	upload := [16]byte{0xab}
	for i := range 3 {
		r := request{method: "PUT", path: v.path("uploads", fmt.Sprintf("%x", upload), fmt.Sprint(i)), body: wire.EncodeRecords([]blob.Record{}), signer: v.dev}
		if a := send(t, rigs[i], r); a.status != 204 {
			t.Fatalf("part %d: %d %s", i, a.status, a.body)
		}
	}
	c, err := v.Wrap(t.Context(), blobtest.Commit(4))
	if err != nil {
		t.Fatal(err)
	}
	body := (&wire.Commit{Commit: c, Upload: upload, Parts: 3}).Encode()
	if a := send(t, rigs[1], request{method: "POST", path: v.path("commits"), body: body, signer: v.dev, header: idempotency("p")}); a.status != 200 {
		t.Errorf("commit of parts: %d %s", a.status, a.body)
	}
	for size, rig := range rigs {
		if err := rig.Store(t, v.id, v.dev).Witness(t.Context(), wire.Checkpoint{Size: uint64(10 + size), Note: []byte("n")}); err != nil {
			t.Error(err)
		}
	}
	err = rigs[0].Store(t, v.id, v.dev).Witness(t.Context(), wire.Checkpoint{Size: 11, Note: []byte("n")})
	want(t, "a log smaller than another replica saw", err, blob.ErrConflict)
}

// The rate of a key is each replica's own: three let three times as much pass.
func TestRateIsOfAReplica(t *testing.T) {
	time1 := newClock()
	rigs := threeOf(t, server.Config{Rate: 1, Burst: 10, Now: time1.now})
	v := newVault(t, rigs[0])
	time1.add(time.Minute)
	for i, rig := range rigs {
		passed := 0
		for range 15 {
			if a := send(t, rig, request{method: "GET", path: v.path("usage"), signer: v.dev, at: time1.now()}); a.status == 200 {
				passed++
			}
		}
		if passed != 10 {
			t.Errorf("replica %d: %d passed, want 10", i, passed)
		}
	}
}

// conflicted is a depot in which somebody else is always faster with a note.
type conflicted struct{ depot.Depot }

func (conflicted) PutNote(context.Context, depot.Vault, depot.Note, time.Time) error {
	return blob.ErrConflict
}

// A witness that was not stored is not acknowledged.
func TestWitnessNotStored(t *testing.T) {
	rig := servertest.Start(t, server.Config{Depot: conflicted{servertest.NewDepot(t)}})
	v := newVault(t, rig)
	if err := rig.Store(t, v.id, v.dev).Witness(t.Context(), wire.Checkpoint{Size: 1, Note: []byte("n")}); err == nil || errors.Is(err, blob.ErrConflict) {
		t.Errorf("%v", err)
	}
}

// unanswered is a depot whose every write of a nonce is made and not answered,
// and then made again, as a database does it whose connection breaks.
type unanswered struct{ depot.Depot }

func (d unanswered) PutNote(ctx context.Context, v depot.Vault, n depot.Note, now time.Time) error {
	if n.Kind == depot.NoteNonce {
		_ = d.Depot.PutNote(ctx, v, n, now)
	}
	return d.Depot.PutNote(ctx, v, n, now)
}

// A request whose nonce was written twice because the first answer was lost is
// no replay.
func TestOnceUnanswered(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		if c.Depot == nil {
			c.Depot = servertest.NewDepot(t)
		}
		c.Depot = unanswered{c.Depot}
		rig, other := servertest.Start(t, c), servertest.Start(t, c)
		v := newVault(t, rig)
		part := request{method: "PUT", path: v.path("uploads", strings.Repeat("ab", 16), "0"), body: wire.EncodeRecords(nil), signer: v.dev}
		r := signature(t, part)
		if a := send(t, rig, r); a.status != 204 {
			t.Errorf("%d %s", a.status, a.body)
		}
		wantProblem(t, "again, elsewhere", send(t, other, r), 401, wire.CodeReplayed)
	})
}
