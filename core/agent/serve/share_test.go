package serve

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A counted server says how often it was asked.
func counted(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	srv, asked := servertest.Start(t, server.Config{}), &atomic.Int64{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		srv.Server.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL, asked
}

func (r *rig) ask(t testing.TB, name string) agent.Asked {
	t.Helper()
	asked, err := r.client(t).ShareAsk(t.Context(), agent.AskRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

// invite lets who asked into default/development.
func (r *rig) invite(t testing.TB, asked agent.Asked, role agent.Role, edit ...func(*agent.ShareRequest)) agent.ShareAnswer {
	t.Helper()
	q := agent.ShareRequest{App: "default", Env: "development", Words: asked.Words, Role: role, Request: asked.Text}
	for _, f := range edit {
		f(&q)
	}
	out, err := r.client(t).Share(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// accept takes what the invitation gives.
func (r *rig) accept(t testing.TB, in agent.ShareAnswer) error {
	t.Helper()
	c := r.client(t)
	if _, err := c.ShareOpen(t.Context(), in.Invitation, agent.Server{}); err != nil {
		return err
	}
	_, err := c.ShareKeep(t.Context(), in.OwnerWords)
	return err
}

// member makes a rig that was let into default/development of owner's vault, and unlocks it.
func (r *rig) member(t testing.TB, name string, role agent.Role) (*rig, *agent.Client) {
	t.Helper()
	m := newRig(t)
	if err := m.accept(t, r.invite(t, m.ask(t, name), role)); err != nil {
		t.Fatal(err)
	}
	c := m.client(t)
	if err := c.Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	return m, c
}

// opens fails the test unless the member's home opens and reads TOKEN.
func (r *rig) opens(t *testing.T) {
	t.Helper()
	c := r.client(t)
	if err := c.Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got, err := r.get(t, c, "TOKEN"); err != nil || got != "value-of-token" {
		t.Errorf("%q, %v", got, err)
	}
}

// A request needs no server and has nothing secret in it. The invitation opens
// in the home that asked, and no server is met before the words of the device
// that signed it were compared.
func TestAskByText(t *testing.T) {
	url, asked := counted(t)
	owner := newRig(t)
	oc := owner.initOn(t, url)
	if err := owner.put(t, oc, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	bob := newRig(t)
	before := asked.Load()
	a := bob.ask(t, "bob")
	if asked.Load() != before {
		t.Error("a server was asked for a request by text")
	}
	request, err := seal.ParseRequestText(a.Text)
	if err != nil || request.Words() != a.Words || request.Name != "bob" || request.Vault != (seal.VaultID{}) {
		t.Fatalf("%+v, %v", request, err)
	}
	file, err := bob.server.readMember()
	if err != nil {
		t.Fatal(err)
	}
	vk, err := file.unlock(secret.New([]byte(testPassword)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := openMember(vk, useAsked, file.Asked[0].Sealed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(bob.home, memberName))
	if err != nil {
		t.Fatal(err)
	}
	kept := plain.Reveal()
	seed := kept[len(kept)-seal.HolderSeed:]
	if bytes.Contains(request.Bytes(), seed) || bytes.Contains(raw, seed) || bytes.Contains(raw, []byte(testPassword)) {
		t.Error("the seed, or the password, stands in the open")
	}
	if _, err := openMember(vk, useMember, file.Asked[0].Sealed); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("a request opens as the key of an environment: %v", err)
	}

	in := owner.invite(t, a, agent.RoleWrite)
	if in.Role != agent.RoleWrite || in.Name != "bob" || in.Words != "" && in.Words != a.Words {
		t.Errorf("%+v", in)
	}
	list, err := oc.Members(t.Context())
	if err != nil || len(list) != 1 || list[0].Words != a.Words || list[0].By != "first" || list[0].Role != agent.RoleWrite {
		t.Errorf("%+v, %v", list, err)
	}
	c := bob.client(t)
	before = asked.Load()
	where, err := c.ShareOpen(t.Context(), in.Invitation, agent.Server{})
	if err != nil || where.OwnerWords != in.OwnerWords || where.ServerWords != in.ServerWords || where.Role != agent.RoleWrite || where.App != "default" || where.Env != "development" {
		t.Fatalf("%+v, %v", where, err)
	}
	_, err = c.ShareKeep(t.Context(), a.Words)
	wantError(t, "other words", err, agent.ErrDenied, in.OwnerWords, "ov device list")
	if _, err := c.ShareKeep(t.Context(), in.OwnerWords); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("kept after the words were wrong: %v", err)
	}
	if asked.Load() != before {
		t.Error("the server was asked before the words were compared")
	}
	wantError(t, "used before it was accepted", c.Unlock(t.Context(), agent.TTLs{}), agent.ErrNoVault, "none was shared with this home yet", "ov share accept")
	if err := bob.accept(t, in); err != nil {
		t.Fatal(err)
	}
	wantError(t, "accepted twice", bob.accept(t, in), agent.ErrVaultExists, "a home uses one", "--home")
	bob.opens(t)
	if e := bob.log.events("share_accept"); !slices.Equal(e, []string{"default/development JOINED"}) {
		t.Errorf("on record: %q", e)
	}
	if st, err := c.Status(t.Context()); err != nil || len(st.Shared) != 1 || st.Shared[0].Words != a.Words || st.Shared[0].OwnerWords != in.OwnerWords {
		t.Errorf("%+v, %v", st.Shared, err)
	}
}

// Attack: what comes as text and is not what it should be. Nothing of it is
// taken, no server is asked, and each says what it is.
func TestAttackShareTexts(t *testing.T) {
	url, asked := counted(t)
	owner, other, bob, carol := newRig(t), newRig(t), newRig(t), newRig(t)
	for _, r := range []*rig{owner, other} {
		if err := r.put(t, r.initOn(t, url), "TOKEN", "value-of-token"); err != nil {
			t.Fatal(err)
		}
	}
	forBob, forCarol := bob.ask(t, "bob"), carol.ask(t, "carol")
	in, strange := owner.invite(t, forBob, agent.RoleRead), other.invite(t, forBob, agent.RoleWrite)
	carols := owner.invite(t, forCarol, agent.RoleRead)
	before := asked.Load()
	c := bob.client(t)
	for what, bad := range map[string]struct {
		text string
		want error
		part string
	}{
		"empty":                     {"", agent.ErrUsage, "begins with ovinv1_"},
		"cut":                       {in.Invitation[:len(in.Invitation)-9], agent.ErrUsage, "not the whole of it"},
		"extended":                  {in.Invitation + "AAAA", agent.ErrUsage, "not an invitation"},
		"two halves swapped":        {in.Invitation[:7] + in.Invitation[2007:] + in.Invitation[7:2007], agent.ErrUsage, "not an invitation"},
		"a request":                 {forBob.Text, agent.ErrUsage, "this is a request"},
		"a megabyte":                {seal.InvitationPrefix + strings.Repeat("A", 1<<20), agent.ErrUsage, "not an invitation"},
		"control characters":        {"\x1b[2J\x1b]0;x\x07" + in.Invitation, agent.ErrUsage, "not an invitation"},
		"another asker's":           {carols.Invitation, agent.ErrNotFound, "answers no request of this home"},
		"nobody's, well formed":     {seal.InvitationText([]byte("nothing")), agent.ErrNotFound, "answers no request"},
		"a request as an invitaton": {seal.InvitationText([]byte(forBob.Text)), agent.ErrNotFound, "answers no request"},
	} {
		_, err := c.ShareOpen(t.Context(), bad.text, agent.Server{})
		wantError(t, what, err, bad.want, bad.part)
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\x07\n") || err != nil && len(err.Error()) > 500 {
			t.Errorf("%s: the error quotes it", what)
		}
		if _, err := c.ShareKeep(t.Context(), in.OwnerWords); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("%s: kept: %v", what, err)
		}
	}
	// One of another vault's owner, who saw the request: all that tells it is the words.
	if _, err := c.ShareOpen(t.Context(), strange.Invitation, agent.Server{}); err != nil {
		t.Fatal(err)
	}
	_, err := c.ShareKeep(t.Context(), in.OwnerWords)
	wantError(t, "another vault's", err, agent.ErrDenied, strange.OwnerWords)
	if asked.Load() != before {
		t.Error("a server was asked")
	}
	// On the owner's side.
	oc := owner.client(t)
	dave, erin := newRig(t).ask(t, "dave"), newRig(t).ask(t, "erin")
	for what, bad := range map[string]struct {
		words, text string
		want        error
		part        string
	}{
		"another's words":   {erin.Words, dave.Text, agent.ErrDenied, "is not the one of the words " + erin.Words},
		"the owner's words": {in.OwnerWords, dave.Text, agent.ErrDenied, "is not the one of the words"},
		"an invitation":     {dave.Words, in.Invitation, agent.ErrUsage, "this is an invitation"},
		"cut":               {dave.Words, dave.Text[:99], agent.ErrUsage, "not the whole of it"},
		"a megabyte":        {dave.Words, seal.RequestPrefix + strings.Repeat("A", 1<<20), agent.ErrUsage, "not a request"},
		"in no mailbox":     {dave.Words, "", agent.ErrNotFound, "--request"},
	} {
		_, err := oc.Share(t.Context(), agent.ShareRequest{App: "default", Env: "development", Words: bad.words, Role: agent.RoleRead, Request: bad.text})
		wantError(t, what, err, bad.want, bad.part)
	}
	if list, err := oc.Members(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d members, %v", len(list), err)
	}
	// Words are taken however they are typed; a name is taken as it is shown.
	typed := strings.ToUpper(strings.ReplaceAll(dave.Words, "-", "  "))
	out := owner.invite(t, dave, agent.RoleRead, func(q *agent.ShareRequest) { q.Words, q.Name = typed, "da\x1bve\n\u202eover" })
	if out.Name != "daveover" {
		t.Errorf("called %q", out.Name)
	}
}

// Sharing, and what it is to be shared with, is a person's: with a password each
// time, never a coding agent's, and nothing without a record.
func TestShareIsAPersons(t *testing.T) {
	url, _ := counted(t)
	owner := newRig(t)
	oc := owner.initOn(t, url)
	if err := owner.put(t, oc, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	a := newRig(t).ask(t, "bob")
	q := agent.ShareRequest{App: "default", Env: "development", Words: a.Words, Role: agent.RoleRead, Request: a.Text}
	if _, err := oc.Share(t.Context(), q); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("shared by an unlocked agent without a password: %v", err)
	}
	mcp := func(o *agent.Options) { o.Client = "mcp:claude-code" }
	if _, err := owner.client(t, mcp).Share(t.Context(), q); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("shared by a coding agent: %v", err)
	}
	if _, err := owner.client(t, mcp).ShareKeep(t.Context(), "x"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("taken by a coding agent: %v", err)
	}
	fresh := newRig(t)
	if _, err := fresh.client(t, mcp).ShareAsk(t.Context(), agent.AskRequest{Name: "x"}); !errors.Is(err, agent.ErrDenied) || fresh.left(memberName) {
		t.Errorf("asked by a coding agent: %v", err)
	}
	if _, err := owner.client(t).ShareAsk(t.Context(), agent.AskRequest{Name: "x"}); !errors.Is(err, agent.ErrVaultExists) || !strings.Contains(agent.Hint(err), "--home") {
		t.Errorf("asked from a vault's own home: %v, %q", err, agent.Hint(err))
	}
	for _, role := range []agent.Role{"", "owner", "machine"} {
		bad := q
		bad.Role = role
		if _, err := owner.client(t).Share(t.Context(), bad); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("role %q: %v", role, err)
		}
	}
	owner.log.breakWith(errors.New("no space left on device"))
	if _, err := owner.client(t).Share(t.Context(), q); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("shared without a record: %v", err)
	}
	owner.log.breakWith(nil)
	if list, err := oc.Members(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	owner.invite(t, a, agent.RoleRead)
	if got := owner.log.last(); got.Op != "share" || got.Event != "ALLOWED" || got.Space != "default/development" || !strings.Contains(got.Reason, `"bob" to read, without an end; words `+a.Words) {
		t.Errorf("on record: %+v", got)
	}
	if _, err := owner.client(t, mcp).RevokeMember(t.Context(), "bob"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("let go by a coding agent: %v", err)
	}
	owner.log.breakWith(errors.New("no space left on device"))
	if _, err := owner.client(t).RevokeMember(t.Context(), "bob"); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("let go without a record: %v", err)
	}
	owner.log.breakWith(nil)
	if list, err := oc.Members(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// What a member wrote and saw is kept in the home at once, and what members
// wrote is on record with the owner, one line a commit, also after a restart.
func TestMemberWrites(t *testing.T) {
	url, _ := counted(t)
	owner := newRig(t)
	oc := owner.initOn(t, url)
	if err := owner.put(t, oc, "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	bob, bc := owner.member(t, "bob", agent.RoleWrite)
	carol, cc := owner.member(t, "carol", agent.RoleRead)
	seen := func(r *rig) uint64 {
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
		return k.Seq
	}
	was := seen(bob)
	for n, value := range []string{"value-1-of-bob", "value-2-of-bob"} {
		if err := bob.put(t, bc, "BOBS", value); err != nil {
			t.Fatal(err)
		}
		if now := seen(bob); now < was+1+uint64(n) {
			t.Errorf("after write %d the home remembers commit %d", n, now)
		}
		if got, err := owner.get(t, oc, "BOBS"); err != nil || got != value {
			t.Errorf("the owner reads %q, %v", got, err)
		}
		if got, err := carol.get(t, cc, "BOBS"); err != nil || got != value || seen(carol) != seen(bob) {
			t.Errorf("the reader reads %q, %v; has seen %d of %d", got, err, seen(carol), seen(bob))
		}
	}
	wantError(t, "a reader's write", carol.put(t, cc, "CAROLS", "value-of-carol"), agent.ErrDenied, "reads default/development and writes nothing", "--role write")
	lines := func() (n int) { return len(owner.log.events("member_commit")) }
	if lines() != 2 {
		t.Errorf("%d lines of members' commits, want 2", lines())
	}
	commits, err := oc.Commits(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var bobs []agent.Commit
	for i, m := range commits {
		if m.Seq != uint64(i)+1 {
			t.Errorf("commit %d stands at %d", m.Seq, i)
		}
		if m.Member {
			bobs = append(bobs, m)
		} else if m.Name != "first" || m.Role != "" {
			t.Errorf("%+v", m)
		}
	}
	if len(bobs) != 2 || bobs[0].Name != "bob" || bobs[0].Role != agent.RoleWrite || len(bobs[0].Signer) != 32 {
		t.Errorf("%+v", bobs)
	}
	// Locked meanwhile: what was written then is on record as soon as it is taken over.
	if err := oc.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := bob.put(t, bc, "BOBS", "value-3-of-bob"); err != nil {
		t.Fatal(err)
	}
	if err := owner.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := owner.get(t, oc, "BOBS"); err != nil || got != "value-3-of-bob" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if lines() != 3 {
		t.Errorf("%d lines of members' commits, want 3", lines())
	}
	owner.log.mu.Lock()
	for _, r := range owner.log.records {
		if r.Op == "member_commit" && (!strings.Contains(r.Reason, `signed by "bob" (write)`) || r.Event != "TAKEN_OVER") {
			t.Errorf("%+v", r)
		}
	}
	owner.log.mu.Unlock()
	// Let go: each of them is told, and what was theirs opens nothing.
	if m, err := owner.client(t).RevokeMember(t.Context(), list(t, oc)[0].Words); err != nil || m.Name != "bob" {
		t.Fatalf("%+v, %v", m, err)
	}
	_, err = bob.get(t, bc, "TOKEN")
	wantError(t, "the one let go", err, agent.ErrDenied, "your access to default/development (as \"bob\") was ended by its owner", "ask the owner")
	wantError(t, "a write of the one let go", bob.put(t, bc, "BOBS", "value-4-of-bob"), agent.ErrDenied, "ended by its owner")
	if got, err := carol.get(t, cc, "TOKEN"); err != nil || got != "value-of-token" {
		t.Errorf("the one that stays: %q, %v", got, err)
	}
}

func list(t *testing.T, c *agent.Client) []agent.Machine {
	t.Helper()
	out, err := c.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What was given for a time is over by itself, and says so.
func TestShareExpires(t *testing.T) {
	url, _ := counted(t)
	owner := newRig(t)
	if err := owner.put(t, owner.initOn(t, url), "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	bob := newRig(t)
	in := owner.invite(t, bob.ask(t, "bob"), agent.RoleRead, func(q *agent.ShareRequest) { q.NotAfter = time.Now().Add(-time.Minute) })
	err := bob.accept(t, in)
	wantError(t, "over", err, agent.ErrDenied, "is over: it was given for a time", "the owner can give it again")
}

// A home of before there could be several environments opens as it is, and is
// written in the new form.
func TestOldMemberFile(t *testing.T) {
	url, _ := counted(t)
	owner := newRig(t)
	if err := owner.put(t, owner.initOn(t, url), "TOKEN", "value-of-token"); err != nil {
		t.Fatal(err)
	}
	bob, c := owner.member(t, "bob", agent.RoleRead)
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := bob.server.readMember()
	if err != nil {
		t.Fatal(err)
	}
	old := &memberFile{SecretKey: m.SecretKey, Slot: m.Slot, Sealed: m.Shared[0].Sealed, CA: "pem"}
	if err := old.write(bob.home); err != nil {
		t.Fatal(err)
	}
	m, err = bob.server.readMember()
	if err != nil || len(m.Shared) != 1 || m.Shared[0].CA != "pem" || m.Sealed != "" || m.CA != "" {
		t.Fatalf("%+v, %v", m, err)
	}
	m.Shared[0].CA = ""
	old.CA = ""
	if err := old.write(bob.home); err != nil {
		t.Fatal(err)
	}
	bob.opens(t)
}

// A file that was damaged says so, and what is in it is not taken for another thing.
func TestMemberFileDamaged(t *testing.T) {
	bob := newRig(t)
	bob.ask(t, "bob")
	path := filepath.Join(bob.home, memberName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{"cut": whole[:len(whole)/2], "empty": {}, "no JSON": []byte("ov"), "another slot": bytes.Replace(whole, []byte(`"slot": "0101`), []byte(`"slot": "0102`), 1)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := bob.client(t).Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, agent.ErrCorrupt) && !errors.Is(err, agent.ErrTampered) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	for range maxAsked + 3 {
		bob.ask(t, "again")
	}
	m, err := bob.server.readMember()
	if err != nil || len(m.Asked) != maxAsked {
		t.Errorf("%d requests are kept, %v", len(m.Asked), err)
	}
}
