package serve

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/evil"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
)

// initOn makes the rig's vault on a server.
func (r *rig) initOn(t testing.TB, url string) *agent.Client {
	t.Helper()
	if err := r.tryInit(t, agent.Server{URL: url}); err != nil {
		t.Fatal(err)
	}
	return r.client(t, noPassword)
}

func (r *rig) tryInit(t testing.TB, s agent.Server) error {
	t.Helper()
	kit, err := os.Create(filepath.Join(r.home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	return r.client(t).Init(t.Context(), agent.InitRequest{Kit: kit, Device: "first", Server: &s})
}

// joinOn makes the rig a device of the vault that other made.
func (r *rig) joinOn(t testing.TB, other *rig, url string) *agent.Client {
	t.Helper()
	kit, err := os.Open(filepath.Join(other.home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	if _, err := r.client(t).Join(t.Context(), agent.Server{URL: url, Name: "second"}, kit); err != nil {
		t.Fatal(err)
	}
	return r.client(t, noPassword)
}

// put stores a value after the agent has forgotten what it asked last.
func (r *rig) put(t testing.TB, c *agent.Client, name, value string) error {
	r.clock.advance(time.Minute)
	_, err := c.Put(t.Context(), agent.PutRequest{Ref: dev(name), Value: secret.New([]byte(value)), Overwrite: true})
	return err
}

func (r *rig) get(t testing.TB, c *agent.Client, name string) (string, error) {
	r.clock.advance(time.Minute)
	g, err := c.Grant(t.Context(), runOf(dev(name)))
	if err != nil {
		return "", err
	}
	defer g.Wipe()
	return string(g.Secrets[0].Value.Reveal()), nil
}

func wantError(t *testing.T, what string, err, want error, parts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error()+"\n"+agent.Hint(err), p) {
			t.Errorf("%s: %q, hint %q: want %q in it", what, err, agent.Hint(err), p)
		}
	}
	if agent.Hint(err) == "" {
		t.Errorf("%s: %q has no hint", what, err)
	}
}

// The ways to a server that do not lead there: each says what is wrong and what
// to do, and leaves nothing behind.
func TestNoWayToServer(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	late := servertest.Start(t, server.Config{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	front := func(conf *tls.Config) (url, ca string) {
		s := httptest.NewUnstartedServer(rig.Server)
		s.TLS = conf
		s.StartTLS()
		t.Cleanup(s.Close)
		return s.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	}
	good, ca := front(&tls.Config{MinVersion: tls.VersionTLS13})
	classic, classicCA := front(&tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}})
	old, oldCA := front(&tls.Config{MaxVersion: tls.VersionTLS12})
	gone := httptest.NewServer(rig.Server)
	gone.Close()
	for what, c := range map[string]struct {
		s     agent.Server
		want  error
		parts []string
	}{
		"down":                 {agent.Server{URL: gone.URL}, agent.ErrOffline, []string{"refused"}},
		"unknown certificate":  {agent.Server{URL: good}, agent.ErrOffline, []string{"certificate"}},
		"TLS without hybrid":   {agent.Server{URL: classic, CA: classicCA}, agent.ErrOffline, []string{"the server, or a proxy before it, lacks X25519MLKEM768"}},
		"TLS 1.2":              {agent.Server{URL: old, CA: oldCA}, agent.ErrOffline, []string{"the server, or a proxy before it, lacks TLS 1.3"}},
		"clock off by an hour": {agent.Server{URL: late.HTTP.URL}, agent.ErrDenied, []string{"clocks differ: it is", "set the clock"}},
		"other words":          {agent.Server{URL: rig.HTTP.URL, Words: "not-these"}, agent.ErrDenied, []string{"and not not-these"}},
	} {
		r := newRig(t)
		wantError(t, what, r.tryInit(t, c.s), c.want, c.parts...)
		for _, left := range []string{remoteName, syncedName} {
			if _, err := os.Lstat(filepath.Join(r.home, left)); err == nil {
				t.Errorf("%s: left %s behind", what, left)
			}
		}
		if err := r.tryInit(t, agent.Server{URL: good, CA: ca}); err != nil {
			t.Errorf("%s, and then a good one: %v", what, err)
		}
	}
	for _, url := range []string{"ftp://x", "https://", "https://user@host", "http://example.com", "https://host/path"} {
		if err := newRig(t).tryInit(t, agent.Server{URL: url}); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// moody is a depot that can be away.
type moody struct {
	depot.Depot
	away atomic.Bool
}

func (m *moody) Head(ctx context.Context, v depot.Vault) (depot.Head, error) {
	if m.away.Load() {
		return depot.Head{}, depot.ErrUnavailable
	}
	return m.Depot.Head(ctx, v)
}

// What happens to a server while a device uses it: reads go on from the copy,
// writes say why not.
func TestServerInTrouble(t *testing.T) {
	m := &moody{Depot: servertest.NewDepot(t)}
	srv := evil.Start(t, server.Config{Depot: m})
	r := newRig(t)
	c := r.initOn(t, srv.HTTP.URL)
	if err := r.put(t, c, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	reads := func(what string, state agent.RemoteState) {
		t.Helper()
		if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-token" {
			t.Errorf("%s: read %q, %v", what, got, err)
		}
		st, err := c.Status(t.Context())
		if err != nil || st.Remote == nil || st.Remote.State != state {
			t.Errorf("%s: %+v, %v", what, st.Remote, err)
		}
	}
	reads("in good health", agent.RemoteOnline)
	for what, c2 := range map[string]struct {
		fails error
		want  error
		part  string
	}{
		"full disk": {blob.ErrFull, agent.ErrStorage, "nothing was"},
		"quota":     {depot.ErrQuota, agent.ErrStorage, "more room"},
	} {
		srv.Lie(evil.Lies{Commit: func(depot.Vault, depot.Commit) error { return c2.fails }})
		wantError(t, what, r.put(t, c, "NEW", "never-stored"), c2.want, c2.part)
		srv.Lie(evil.Lies{})
		reads(what, agent.RemoteOnline)
	}
	m.away.Store(true)
	wantError(t, "database away", r.put(t, c, "NEW", "never-stored"), agent.ErrOffline, "copy on this machine")
	reads("database away", agent.RemoteOffline)
	m.away.Store(false)
	reads("database back", agent.RemoteOnline)
	if _, err := r.get(t, c, "NEW"); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("a write that was refused: %v", err)
	}
	// Acknowledged and not made: the next look finds it out.
	srv.Lie(evil.Lies{Swallow: true})
	if err := r.put(t, c, "SWALLOWED", "x-x-x-x"); err != nil {
		t.Fatal(err)
	}
	srv.Lie(evil.Lies{})
	_, err := r.get(t, c, "TOKEN")
	wantError(t, "a swallowed commit", err, agent.ErrRollback, "docs/remote.md")
}

// Attacks 1 to 5 and 10 of the design's list through the whole stack: the real
// handler with a lying depot, HTTP with sealed bodies, the mirror, the agent.
func TestAttackServerLies(t *testing.T) {
	srv := evil.Start(t, server.Config{})
	a, b := newRig(t), newRig(t)
	ca := a.initOn(t, srv.HTTP.URL)
	if err := a.put(t, ca, "TOKEN", "canary-of-one"); err != nil {
		t.Fatal(err)
	}
	cb := b.joinOn(t, a, srv.HTTP.URL)
	if got, err := b.get(t, cb, "TOKEN"); err != nil || got != "canary-of-one" {
		t.Fatalf("%q, %v", got, err)
	}
	id := vaultOf(t, b)
	lies := map[string]evil.Lies{
		"a bit of a secret": evil.Flip(manifest.KindSecret, 999),
		"another bit of it": evil.Flip(manifest.KindSecret, 7),
		"secrets dropped":   evil.Drop(func(e blob.Entry) bool { return e.Kind == manifest.KindSecret }),
		"all dropped":       evil.Drop(func(blob.Entry) bool { return true }),
		"labels altered": {Changes: func(e []blob.Entry) []blob.Entry {
			for i := range e {
				e[i].Version++
			}
			return e
		}},
	}
	n := 0
	for what, lie := range lies {
		n++
		value := fmt.Sprintf("canary-%d", n)
		if err := a.put(t, ca, "TOKEN", value); err != nil {
			t.Fatal(err)
		}
		srv.Lie(lie)
		if got, err := b.get(t, cb, "TOKEN"); err == nil || got != "" || !errors.Is(err, agent.ErrTampered) && !errors.Is(err, agent.ErrRollback) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if st, err := cb.Status(t.Context()); err != nil || st.Remote.State != agent.RemoteRefused || st.Remote.Problem == "" {
			t.Errorf("%s: %+v, %v", what, st.Remote, err)
		}
		if err := b.put(t, cb, "SENT", "to-a-liar"); err == nil {
			t.Errorf("%s: a secret was sent to it", what)
		}
		srv.Lie(evil.Lies{})
		if got, err := b.get(t, cb, "TOKEN"); err != nil || got != value {
			t.Errorf("%s, then honest: %q, %v", what, got, err)
		}
	}
	// Set back, and forked.
	old := srv.Save(t, id)
	if err := b.put(t, cb, "TOKEN", "canary-last"); err != nil {
		t.Fatal(err)
	}
	newest := srv.Save(t, id)
	srv.Restore(t, old)
	_, err := b.get(t, cb, "TOKEN")
	wantError(t, "set back", err, agent.ErrRollback, "seen was", "docs/remote.md")
	if err := a.put(t, ca, "TOKEN", "another-history"); err != nil { // a has not seen the newest
		t.Fatal(err)
	}
	_, err = b.get(t, cb, "TOKEN")
	wantError(t, "forked", err, agent.ErrRollback, "two histories")
	srv.Restore(t, newest)
	if got, err := b.get(t, cb, "TOKEN"); err != nil || got != "canary-last" {
		t.Errorf("honest again: %q, %v", got, err)
	}
	fmt.Printf("attack 01-05, whole stack: %d lies, a server set back and forked: nothing read, nothing sent, the copy whole\n", n)
}

// vaultOf returns the id of the rig's vault.
func vaultOf(t testing.TB, r *rig) depot.Vault {
	t.Helper()
	f, err := readRemote(r.home)
	if err != nil || f == nil {
		t.Fatalf("%+v, %v", f, err)
	}
	return f.id()
}

// Approval over the server: the words name the request, and the password is asked.
func TestApproveOverServer(t *testing.T) {
	srv := servertest.Start(t, server.Config{})
	a, b := newRig(t), newRig(t)
	ca := a.initOn(t, srv.HTTP.URL)
	if err := a.put(t, ca, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	f, err := readRemote(a.home)
	if err != nil {
		t.Fatal(err)
	}
	cb := b.client(t, noPassword)
	if _, err := cb.JoinWait(t.Context()); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("waiting for nothing: %v", err)
	}
	asked, err := cb.JoinAsk(t.Context(), agent.Server{URL: srv.HTTP.URL, Vault: f.Vault, Name: "tablet"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := ca.DeviceRequests(t.Context())
	if err != nil || len(list) != 1 || list[0].Words != asked.Words || list[0].Name != "tablet" {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := ca.ApproveDevice(t.Context(), asked.Words); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("without the password: %v", err)
	}
	if _, err := a.client(t).ApproveDevice(t.Context(), "bad-words"); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("other words: %v", err)
	}
	if d, err := a.client(t).ApproveDevice(t.Context(), asked.Words); err != nil || d.Name != "tablet" {
		t.Fatalf("%+v, %v", d, err)
	}
	if a.log.events("device_approve") == nil {
		t.Error("no record of the approval")
	}
	if _, err := cb.JoinWait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got, err := b.get(t, cb, "TOKEN"); err != nil || got != "value-of-token" {
		t.Errorf("%q, %v", got, err)
	}
	// Revoked: it is told so, and its agent gives out nothing.
	if _, err := a.client(t).RevokeDevice(t.Context(), "tablet"); err != nil {
		t.Fatal(err)
	}
	_, err = b.get(t, cb, "TOKEN")
	wantError(t, "revoked", err, agent.ErrDenied, "revoked", "ov vault join")
	if st, err := cb.Status(t.Context()); err != nil || st.Remote.State != agent.RemoteRefused {
		t.Errorf("%+v, %v", st.Remote, err)
	}
}

// A copy that is gone is fetched again when the vault is unlocked.
func TestCopyFetchedAgain(t *testing.T) {
	srv := servertest.Start(t, server.Config{})
	r := newRig(t)
	c := r.initOn(t, srv.HTTP.URL)
	if err := r.put(t, c, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(r.home, "vault.db"+suffix))
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-token" {
		t.Errorf("%q, %v", got, err)
	}
}

// A vault of this machine goes to a server, and a machine key of it works.
func TestPushAndMachine(t *testing.T) {
	srv := servertest.Start(t, server.Config{})
	r := newRig(t)
	r.init(t, "TOKEN")
	if _, err := r.client(t, noPassword).Sync(t.Context()); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("sync without a server: %v", err)
	}
	st, err := r.client(t).Push(t.Context(), agent.Server{URL: srv.HTTP.URL})
	if err != nil || st.URL != srv.HTTP.URL {
		t.Fatalf("%+v, %v", st, err)
	}
	if _, err := r.client(t).Push(t.Context(), agent.Server{URL: srv.HTTP.URL}); err != nil {
		t.Errorf("again, with nothing new: %v", err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	c := r.client(t, noPassword)
	if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-TOKEN" {
		t.Errorf("%q, %v", got, err)
	}
	// The server with another key, as after it was lost: told, and met anew.
	again := servertest.Start(t, server.Config{Depot: srv.Depot})
	f, err := readRemote(r.home)
	if err != nil {
		t.Fatal(err)
	}
	f.URL = again.HTTP.URL
	if err := f.write(r.home); err != nil {
		t.Fatal(err)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil { // from the copy
		t.Fatal(err)
	}
	_, err = r.get(t, c, "TOKEN")
	wantError(t, "another key", err, agent.ErrUnavailable, "pinned key", "ov vault push")
	if st, err := r.client(t).Push(t.Context(), agent.Server{URL: again.HTTP.URL}); err != nil || st.Words == "" {
		t.Fatalf("%+v, %v", st, err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-TOKEN" {
		t.Errorf("met anew: %q, %v", got, err)
	}
	out, err := os.Create(filepath.Join(r.home, "ci.key"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	order := agent.MachineRequest{Name: "ci", App: "default", Env: "development", Out: out}
	if _, err := c.NewMachine(t.Context(), order); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("without the password: %v", err)
	}
	if m, err := r.client(t).NewMachine(t.Context(), order); err != nil || m.Name != "ci" {
		t.Fatalf("%+v, %v", m, err)
	}
	key, err := os.ReadFile(filepath.Join(r.home, "ci.key"))
	if err != nil || !strings.HasPrefix(string(key), "ovmk1_") || strings.Count(string(key), "\n") != 1 {
		t.Fatalf("%.20q, %v", key, err)
	}
	// An agent that serves everybody is not the machine.
	asMachine := func(o *agent.Options) {
		o.Password = agent.FromFile(filepath.Join(r.home, "ci.key"))
		o.Password.Kind = agent.PasswordMachine
	}
	if err := r.client(t, asMachine).Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("unlock with a machine key: %v", err)
	}
	s := New(Config{Home: r.home, Now: r.clock.now, OneShot: true, Store: r.server.c.Store, Audit: r.server.c.Audit})
	defer s.Close()
	for what, text := range map[string]string{"nothing": "", "a password": testPassword, "cut": string(key[:200])} {
		f := filepath.Join(r.home, "bad")
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		err = translate(s.unlockMachine(t.Context(), &client{s: s}, in))
		in.Close()
		wantError(t, what, err, agent.ErrUsage, "ovmk1_")
	}
	for _, who := range []Actor{{Client: "cli"}, {Client: "mcp:x"}} {
		in, err := os.Open(filepath.Join(r.home, "ci.key"))
		if err != nil {
			t.Fatal(err)
		}
		cl := &client{s: s, actor: who}
		if err := s.unlockMachine(t.Context(), cl, in); err != nil {
			t.Fatal(err)
		}
		in.Close()
		if want := map[bool]string{true: "mcp:x", false: "machine:ci"}[who.MCP()]; cl.actor.Client != want {
			t.Errorf("%q with a machine key is %q, want %q", who.Client, cl.actor.Client, want)
		}
	}
}
