package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/evil"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// The attacks on sharing through the whole stack: homes of several people, their
// agents, HTTP, and a server that lies. Each prints a line, which `make
// attack-share` shows.

func survivedAll(t *testing.T, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		fmt.Printf("attack 12, whole stack: %s\n", fmt.Sprintf(format, args...))
	}
}

// A circle is an owner and the people that she let in, on a server that may lie.
type circle struct {
	srv        *evil.Rig
	alice      *rig
	ac         *agent.Client
	bob, carol *rig // who writes, and who reads
	bc, cc     *agent.Client
	vault      depot.Vault
}

func newCircle(t *testing.T) *circle {
	t.Helper()
	c := &circle{srv: evil.Start(t, server.Config{}), alice: newRig(t)}
	c.ac = c.alice.initOn(t, c.srv.HTTP.URL)
	for _, value := range []string{"old-value-of-token", "value-of-token"} {
		if err := c.alice.put(t, c.ac, "TOKEN", value); err != nil {
			t.Fatal(err)
		}
	}
	c.vault = vaultOf(t, c.alice)
	c.bob, c.bc = c.alice.member(t, "bob", agent.RoleWrite)
	c.carol, c.cc = c.alice.member(t, "carol", agent.RoleRead)
	c.all(t, "value-of-token")
	return c
}

// all fails the test unless everybody reads value.
func (c *circle) all(t *testing.T, value string) {
	t.Helper()
	for name, r := range map[string]*rig{"alice": c.alice, "bob": c.bob, "carol": c.carol} {
		if got, err := r.get(t, c.of(r), "TOKEN"); err != nil || got != value {
			t.Errorf("%s: %q, %v; want %q", name, got, err, value)
		}
	}
}

func (c *circle) of(r *rig) *agent.Client {
	switch r {
	case c.alice:
		return c.ac
	case c.bob:
		return c.bc
	}
	return c.cc
}

// refuses fails the test if r believes what the server says now, or sends
// something to it.
func (c *circle) refuses(t *testing.T, what string, r *rig) {
	t.Helper()
	got, err := r.get(t, c.of(r), "TOKEN")
	if got != "" || !errors.Is(err, agent.ErrTampered) && !errors.Is(err, agent.ErrRollback) {
		t.Errorf("%s: reads %q, %v", what, got, err)
	}
	if r != c.carol {
		if err := r.put(t, c.of(r), "SENT", "to-a-liar"); err == nil {
			t.Errorf("%s: something was sent", what)
		}
	}
}

// keyOf is what a member's home holds, as its password opens it.
func keyOf(t *testing.T, r *rig) *seal.MachineKey {
	t.Helper()
	m, err := r.server.readMember()
	if err != nil {
		t.Fatal(err)
	}
	vk, err := m.unlock(secret.New([]byte(testPassword)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := lineOf(vk, m.Shared[0].Sealed)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// 1: an invitation that somebody else gets hold of, in whatever way.
func TestAttackShareStolenInvitation(t *testing.T) {
	srv := servertest.Start(t, server.Config{})
	alice, bob, thief := newRig(t), newRig(t), newRig(t)
	ac := alice.initOn(t, srv.HTTP.URL)
	if err := alice.put(t, ac, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	asked, thiefs := bob.ask(t, "bob"), thief.ask(t, "bob")
	if asked.Words == thiefs.Words {
		t.Fatal("the same words")
	}
	in := alice.invite(t, asked, agent.RoleWrite)
	// As text, on its way: in a home that asked for itself, and in one that did not.
	for what, r := range map[string]*rig{"a home that asked too": thief, "another one": newRig(t)} {
		_, err := r.client(t).ShareOpen(t.Context(), in.Invitation, agent.Server{})
		if !errors.Is(err, agent.ErrNotFound) && !errors.Is(err, agent.ErrNoVault) {
			t.Errorf("%s: %v", what, err)
		}
		if err := r.accept(t, in); err == nil {
			t.Errorf("%s took it", what)
		}
	}
	// With bob's file beside it: it wants his password.
	file, err := os.ReadFile(filepath.Join(bob.home, memberName))
	if err != nil {
		t.Fatal(err)
	}
	copied := newRig(t)
	if err := os.WriteFile(filepath.Join(copied.home, memberName), file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied.file, []byte("not the password of bob\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := copied.client(t).ShareOpen(t.Context(), in.Invitation, agent.Server{}); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("with bob's file: %v", err)
	}
	// What it says on the outside opens nothing at the server either.
	for _, r := range []*rig{thief, copied} {
		if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err == nil {
			t.Error("a thief is in")
		}
	}
	if err := bob.accept(t, in); err != nil {
		t.Fatal(err)
	}
	bob.opens(t)
	// Taken back: an invitation that nobody took yet opens nothing any more.
	late := thief.ask(t, "late")
	lateIn := alice.invite(t, late, agent.RoleRead)
	if _, err := alice.client(t).RevokeMember(t.Context(), "late"); err != nil {
		t.Fatal(err)
	}
	if err := thief.accept(t, lateIn); err == nil {
		if got, err := thief.get(t, thief.client(t), "TOKEN"); err == nil {
			t.Errorf("an invitation that was taken back reads %q", got)
		}
	}
	survivedAll(t, "a stolen invitation: in two other homes, beside the asker's file, and one that was taken back: opens nothing")
}

// A swapper is a server that shows its own key in the place of who asks.
type swapper struct {
	depot.Depot
	by []byte // a request; nil: honest
}

func (s *swapper) List(ctx context.Context, v depot.Vault, kind depot.NoteKind, prefix []byte, now time.Time) ([]depot.Note, error) {
	list, err := s.Depot.List(ctx, v, kind, prefix, now)
	if kind == depot.NoteRequest && s.by != nil {
		for i := range list {
			r := lp.NewReader(list[i].Body)
			list[i].Body = lp.Join(r.Field(), s.by)
		}
	}
	return list, err
}

// 2: who asks is swapped for somebody else, in the server's mailbox and in a text.
func TestAttackShareSwappedKey(t *testing.T) {
	d := &swapper{Depot: servertest.NewDepot(t)}
	srv := servertest.Start(t, server.Config{Depot: d})
	alice, bob, mallory := newRig(t), newRig(t), newRig(t)
	ac := alice.initOn(t, srv.HTTP.URL)
	if err := alice.put(t, ac, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	id := vaultOf(t, alice)
	asked, err := bob.client(t).ShareAsk(t.Context(), agent.AskRequest{Name: "bob", Server: &agent.Server{URL: srv.HTTP.URL, Vault: fmt.Sprintf("%x", id)}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := vault.NewMember(id, "bob")
	if err != nil {
		t.Fatal(err)
	}
	share := func(words, text string) error {
		_, err := alice.client(t).Share(t.Context(), agent.ShareRequest{App: "default", Env: "development", Words: words, Role: agent.RoleWrite, Request: text})
		return err
	}
	d.by = m.Request().Bytes()
	if err := share(asked.Words, ""); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("the whole request swapped: %v", err)
	}
	for at := range 40 { // one of its keys, or a bit of it
		mixed := slices.Clone(m.Request().Bytes())
		mixed[at*len(mixed)/40] ^= 1
		d.by = mixed
		if err := share(asked.Words, ""); !errors.Is(err, agent.ErrNotFound) {
			t.Fatalf("byte %d of a request: %v", at*len(mixed)/40, err)
		}
	}
	d.by = nil
	texts := mallory.ask(t, "bob")
	wantError(t, "a text swapped", share(asked.Words, texts.Text), agent.ErrDenied, "is not the one of the words")
	if list := list(t, ac); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if err := share(asked.Words, ""); err != nil {
		t.Errorf("the honest one: %v", err)
	}
	survivedAll(t, "a swapped public key: in 41 ways in the server's mailbox and in a text: the words are other ones, nobody is let in")
}

// 3 and 5: an environment of before a revocation, alone and with all of its
// vault; a server that hides that it ended.
func TestAttackShareHiddenRevocation(t *testing.T) {
	c := newCircle(t)
	before := c.srv.Save(t, c.vault)
	if _, err := c.alice.client(t).RevokeMember(t.Context(), "carol"); err != nil {
		t.Fatal(err)
	}
	if err := c.alice.put(t, c.ac, "TOKEN", "value-of-later"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.bob.get(t, c.bc, "TOKEN"); err != nil || got != "value-of-later" {
		t.Fatalf("%q, %v", got, err)
	}
	now := c.srv.Save(t, c.vault)
	// The old epoch: records of before, under the manifest of now.
	old := map[blob.Key]bool{}
	for _, r := range before.Records {
		old[r.Key] = true
	}
	if err := c.alice.put(t, c.ac, "MORE", "so that there is something new"); err != nil {
		t.Fatal(err)
	}
	c.srv.Lie(evil.Drop(func(e blob.Entry) bool { return !old[e.Key] }))
	c.refuses(t, "an old epoch under a new manifest, bob", c.bob)
	c.srv.Lie(evil.Lies{})
	if _, err := c.carol.get(t, c.cc, "TOKEN"); !errors.Is(err, agent.ErrDenied) || !strings.Contains(err.Error(), "ended by its owner") {
		t.Errorf("carol is told the truth: %v", err)
	}
	// Hidden: the vault as it was. Carol reads what she could read anyway; who
	// has seen more is not taken in; what carol is shown later is sealed anew.
	c.srv.Restore(t, before)
	c.refuses(t, "a hidden revocation, alice", c.alice)
	c.refuses(t, "a hidden revocation, bob", c.bob)
	if got, err := c.carol.get(t, c.cc, "TOKEN"); err == nil && got != "value-of-token" {
		t.Errorf("carol reads %q", got)
	}
	hidden := *before
	for _, r := range now.Records { // with the new version in the place of the old one
		if r.Kind != manifest.KindSecret || old[r.Key] {
			continue
		}
		hidden.Records = append(slices.Clone(before.Records), r)
	}
	c.srv.Restore(t, &hidden)
	if got, err := c.carol.get(t, c.cc, "TOKEN"); got == "value-of-later" {
		t.Errorf("carol reads a later version: %v", err)
	}
	// The secret that was stored after the revocation, by hand, with all that she has.
	key := keyOf(t, c.carol)
	holder, err := seal.NewHolder(key.Seed)
	if err != nil {
		t.Fatal(err)
	}
	p := holder.Principal()
	opened, tried := 0, 0
	for _, r := range now.Records {
		if r.Kind == manifest.KindWrap && !old[r.Key] {
			tried++
			if _, err := holder.OpenWrap(key.Vault, key.Env, uint32(r.Version), r.Data); err == nil {
				opened++
			}
		}
	}
	if opened > 0 || tried == 0 || p.ID() == (seal.ID{}) {
		t.Errorf("%d of %d wraps of after the revocation open for carol", opened, tried)
	}
	c.srv.Restore(t, now)
	if got, err := c.bob.get(t, c.bc, "TOKEN"); err != nil || got != "value-of-later" {
		t.Errorf("the truth: %q, %v", got, err)
	}
	survivedAll(t, "a replayed epoch and a hidden revocation: who has seen more refuses; who was let go reads nothing later, whatever she is shown")
}

// 4: a member who only reads signs a write: the server refuses it; stored all the
// same, every client does.
func TestAttackShareReaderWrites(t *testing.T) {
	c := newCircle(t)
	if err := c.carol.put(t, c.cc, "TOKEN", "value-of-carol"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("her own agent: %v", err)
	}
	now := c.srv.Save(t, c.vault)
	carol := newRenegade(t, c.carol, now)
	put := []blob.Record{carol.version("TOKEN", "value-of-carol", 3)}
	n := 0
	for what, b := range map[string]betrayal{
		"a version, as a writer would": {put: put},
		"nothing at all":               {},
		"as alice's device":            {put: put, edit: func(m *manifest.Manifest) { m.Signer = m.Devices[0].ID }},
		"as bob": {put: put, edit: func(m *manifest.Manifest) {
			p := newRenegade(t, c.bob, now).holder.Principal()
			m.Signer = p.DeviceID()
		}},
	} {
		n++
		img := carol.commit(t, now, b)
		if err := carol.send(t, c, img, b.put); !errors.Is(err, httpblob.ErrRefused) && !errors.Is(err, blob.ErrInvalid) {
			t.Errorf("%s, sent to an honest server: %v", what, err)
		}
		c.srv.Show(img)
		for name, r := range map[string]*rig{"alice": c.alice, "bob": c.bob} {
			c.refuses(t, what+", stored all the same, "+name, r)
		}
		c.srv.Show(nil)
	}
	c.all(t, "value-of-token")
	// The same by one who may is taken, from the same server: it is the role that
	// makes the difference.
	bob := newRenegade(t, c.bob, now)
	c.srv.Show(bob.commit(t, now, betrayal{put: []blob.Record{bob.version("TOKEN", "value-of-bob", 3)}}))
	c.all(t, "value-of-bob")
	survivedAll(t, "a reader who signs a write, in %d ways: refused by an honest server, and, stored all the same, by a device and a member", n)
}

// 6: a member who writes and the server, together: what he signs and it stores
// beyond his role, nobody believes; and nothing of it is lost on the way.
func TestAttackShareWriterAndServer(t *testing.T) {
	c := newCircle(t)
	now := c.srv.Save(t, c.vault)
	bob := newRenegade(t, c.bob, now)
	token := bob.env.RecordID("TOKEN")
	mine := bob.version("TOKEN", "value-of-bob", 3)
	policy := seal.EnvPolicyID(bob.key.Vault, bob.key.Env)
	newest := func(r depot.Stored) bool { return r.Kind == manifest.KindSecret && r.ID == token && r.Version == 2 }
	p := bob.holder.Principal()
	betrayals := map[string]betrayal{
		"drops the newest version":   {drop: newest, put: []blob.Record{bob.version("A", "x", 1), bob.version("B", "x", 1)}},
		"replaces it":                {drop: newest, put: []blob.Record{bob.version("TOKEN", "value-of-bob", 2), bob.version("A", "x", 1)}},
		"drops and says so":          {drop: newest, put: []blob.Record{mine, bob.version("A", "x", 1)}, edit: func(m *manifest.Manifest) { m.Purged = []manifest.Purged{{Kind: 4, ID: token, Version: 2}} }},
		"weakens the others' policy": {put: []blob.Record{mine, bob.put(seal.KindEnvPolicy, policy, 99, seal.SealEnvPolicy(bob.env, 99, []byte("# all is allowed")))}},
		"adds a device":              {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Devices = append(m.Devices, manifest.Device{ID: m.Signer, Key: p.Sign}) }},
		"makes carol a stranger": {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) {
			m.Members = slices.DeleteFunc(m.Members, func(e manifest.Entity) bool { return e.ID != p.ID() })
		}},
		"resets":          {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Reset = true }},
		"lowers suite":    {put: []blob.Record{mine}, edit: func(m *manifest.Manifest) { m.Floor = 0 }},
		"skips a version": {put: []blob.Record{bob.version("TOKEN", "value-of-bob", 9)}},
	}
	for _, what := range slices.Sorted(maps.Keys(betrayals)) {
		b := betrayals[what]
		img := bob.commit(t, now, b)
		if err := bob.send(t, c, img, b.put); err == nil {
			t.Errorf("%s: an honest server took it", what)
		}
		c.srv.Show(img)
		for name, r := range map[string]*rig{"alice": c.alice, "carol": c.carol} {
			c.refuses(t, what+", "+name, r)
		}
		c.srv.Show(nil)
	}
	c.all(t, "value-of-token")
	// Revoked, and the server goes on with him on a history of their own: nobody
	// who has seen the revocation follows, whatever is longer.
	if _, err := c.alice.client(t).RevokeMember(t.Context(), "bob"); err != nil {
		t.Fatal(err)
	}
	if got, err := c.carol.get(t, c.cc, "TOKEN"); err != nil || got != "value-of-token" {
		t.Fatalf("%q, %v", got, err)
	}
	branch := now
	for i := range 5 {
		branch = bob.commit(t, branch, betrayal{put: []blob.Record{bob.version("TOKEN", "value-of-bob", uint64(3+i))}})
	}
	c.srv.Show(branch)
	for name, r := range map[string]*rig{"alice": c.alice, "carol": c.carol} {
		c.refuses(t, "a history without his revocation, "+name, r)
	}
	c.srv.Show(nil)
	for name, r := range map[string]*rig{"alice": c.alice, "carol": c.carol} {
		if got, err := r.get(t, c.of(r), "TOKEN"); err != nil || got != "value-of-token" {
			t.Errorf("%s, the truth: %q, %v", name, got, err)
		}
	}
	survivedAll(t, "a member who writes together with the server: %d commits beyond his role and a history without his revocation: refused by a device and by a member", len(betrayals))
}
