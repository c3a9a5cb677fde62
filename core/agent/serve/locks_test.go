package serve

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// masksWith makes a client that says it masks with l.
func masksWith(l *agent.Locks) func(*agent.Options) {
	return func(o *agent.Options) { o.Locks = func() agent.Locks { return *l } }
}

// Attack: scanners.lock or rules.lock is deleted, edited, replaced by an older
// one, or made where there was none. No value is given to who masks with it, and
// the refusal is on record.
func TestAttackScannerLocks(t *testing.T) {
	r := newRig(t)
	plain := r.init(t, "TOKEN")
	old, now := agent.Locks{Modules: agent.LockDigest([]byte("old"))}, agent.Locks{Modules: agent.LockDigest([]byte("new")), Rules: agent.LockDigest([]byte("rules"))}
	says := agent.Locks{}
	c := r.client(t, noPassword, masksWith(&says))
	r.wants(t, c, runOf(dev("TOKEN")), nil) // neither record nor scanners

	says = old
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrScanners) // new, and not recorded
	if err := r.client(t).RecordLocks(t.Context(), agent.LocksChange{New: old}); err != nil {
		t.Fatal(err)
	}
	r.wants(t, c, runOf(dev("TOKEN")), nil)
	if err := r.client(t).RecordLocks(t.Context(), agent.LocksChange{Old: old, New: now}); err != nil {
		t.Fatal(err)
	}
	for what, l := range map[string]agent.Locks{"is gone": {}, "was changed": old} {
		says = l
		_, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
		if !errors.Is(err, agent.ErrScanners) || !strings.Contains(err.Error(), what) || !strings.Contains(agent.Hint(err), "ov scanner trust") {
			t.Errorf("%+v: %v, hint %q", l, err, agent.Hint(err))
		}
	}
	says = agent.Locks{Modules: now.Modules}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); !errors.Is(err, agent.ErrScanners) || !strings.Contains(err.Error(), "rules.lock is gone") {
		t.Errorf("rules.lock is gone: %v", err)
	}
	for _, kind := range []agent.GrantKind{agent.GrantMask, agent.GrantSession} {
		r.wants(t, c, agent.GrantRequest{Kind: kind, App: "default", Env: "development", Dir: "/"}, agent.ErrScanners)
	}
	r.wants(t, plain, runOf(dev("TOKEN")), agent.ErrScanners) // says nothing at all
	if got := r.log.events("vault_run"); got[len(got)-1] != "default/development DENIED" {
		t.Errorf("audit has %q", got)
	}
	says = now
	r.wants(t, c, runOf(dev("TOKEN")), nil)
	if l, ok, err := c.Recorded(t.Context()); err != nil || !ok || l != now {
		t.Errorf("Recorded = %+v %v, %v", l, ok, err)
	}
}

// Attack: recording without the password, as a coding agent's tool, or on top of
// a change that somebody else made.
func TestAttackRecordScanners(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	mine, others := agent.Locks{Modules: "mine"}, agent.Locks{Modules: "others"}
	if err := r.client(t, noPassword).RecordLocks(t.Context(), agent.LocksChange{New: mine}); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("without the password: %v", err)
	}
	if err := r.client(t, mcp).RecordLocks(t.Context(), agent.LocksChange{New: mine}); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("an MCP client: %v", err)
	}
	wrong := filepath.Join(r.home, "wrong")
	write0600(t, wrong, "not the password\n")
	if err := r.client(t, func(o *agent.Options) { o.Password = agent.FromFile(wrong) }).RecordLocks(t.Context(), agent.LocksChange{New: mine}); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("a wrong password: %v", err)
	}
	if err := r.client(t).RecordLocks(t.Context(), agent.LocksChange{Old: others, New: mine}); !errors.Is(err, agent.ErrScanners) {
		t.Errorf("on top of somebody else's change: %v", err)
	}
	if _, ok, err := r.client(t, noPassword).Recorded(t.Context()); ok || err != nil {
		t.Errorf("something was recorded: %v", err)
	}
	if err := r.client(t).RecordLocks(t.Context(), agent.LocksChange{Old: others, New: mine, Accept: true}); err != nil {
		t.Errorf("looked at and accepted: %v", err)
	}
}

// What was installed before there was a vault is recorded when it is made, and
// what is recorded outlives lock, another password and new keys.
func TestLocksAreRecordedAtInit(t *testing.T) {
	r := newRig(t)
	if err := os.MkdirAll(filepath.Join(r.home, "scanners"), 0o700); err != nil {
		t.Fatal(err)
	}
	write0600(t, filepath.Join(r.home, "scanners", "rules.lock"), "sum  a.toml\n")
	r.init(t)
	says := agent.Locks{Rules: agent.LockDigest([]byte("sum  a.toml\n"))}
	c := r.client(t, masksWith(&says))
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Value: secret.New([]byte("value-of-TOKEN"))}); err != nil {
		t.Fatal(err)
	}
	r.wants(t, c, runOf(dev("TOKEN")), nil)
	if err := c.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	c = r.client(t, noPassword, masksWith(&says))
	r.wants(t, c, runOf(dev("TOKEN")), nil)
	says = agent.Locks{}
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrScanners)
}

// Attack: masking by shape is left out. That is the sealed policy's to allow.
func TestAttackLevelKnown(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	q := runOf(dev("TOKEN"))
	q.Level = "known"
	r.wants(t, c, q, agent.ErrDenied)
	session := q
	session.Kind = agent.GrantSession
	r.wants(t, c, session, agent.ErrDenied)
	r.wants(t, c, agent.GrantRequest{Kind: agent.GrantMask, App: "default", Env: "development", Level: "known"}, nil) // gives values to nobody
	r.setPolicy(t, "[loosen]\nknown_only = true\n[[rule]]\nname = \"all\"\n")
	r.wants(t, c, q, nil)
}

// What the policy loosens is told to who masks.
func TestLoosenedIsTold(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	if l, err := c.Loosened(t.Context()); err != nil || len(l.FailOpen) != 0 {
		t.Errorf("the default: %+v, %v", l, err)
	}
	r.setPolicy(t, "[loosen]\nfail_open_scanners = [\"acme\"]\n[[rule]]\nname = \"all\"\n")
	if l, err := c.Loosened(t.Context()); err != nil || !slices.Equal(l.FailOpen, []string{"acme"}) {
		t.Errorf("Loosened = %+v, %v", l, err)
	}
}
