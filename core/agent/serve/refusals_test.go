package serve

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// sealed puts a document into the open vault, as a bug or another version may leave it.
func (r *rig) sealed(t *testing.T, which, text string) {
	t.Helper()
	o, done, err := r.server.use()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if err := o.vault.PutSealed(t.Context(), which, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestAttackSpoiltDocuments: what the vault says of its policy, its PIN or its scanners and cannot be understood lets nothing through.
func TestAttackSpoiltDocuments(t *testing.T) {
	for name, text := range map[string]string{"no text": "\xff\x00", "another form": `[1]`, "cut off": `{"devices":{"`, "null": "null"} {
		r := prodRig(t)
		c := r.client(t, noPassword)
		r.sealed(t, vault.Policy, "[[rule]]\nname = \"all\"\n"+text)
		r.wants(t, c, runOf(dev("TOKEN")), agent.ErrDenied)
		if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Value: secret.New([]byte("another-value"))}); !errors.Is(err, agent.ErrDenied) {
			t.Errorf("policy with %s: Put = %v", name, err)
		}
		r.setPolicy(t, "[[rule]]\nname = \"all\"\n") // which the master password mends
		r.wants(t, c, runOf(dev("TOKEN")), nil)

		r.sealed(t, vault.ScannerLock, text)
		r.wants(t, c, runOf(dev("TOKEN")), agent.ErrCorrupt)

		r.sealed(t, vault.PIN, text)
		if err := r.server.tryPIN(t.Context(), secret.New([]byte("246813"))); !errors.Is(err, vault.ErrCorrupt) && !errors.Is(err, vault.ErrNotFound) {
			t.Errorf("PIN with %s: %v", name, err)
		}
	}
}

// TestAttackSpoiltRemote: a file that does not say which server the vault is on does not make it a vault of this machine.
func TestAttackSpoiltRemote(t *testing.T) {
	id := strings.Repeat("0", 32)
	for text, want := range map[string]error{
		``: agent.ErrCorrupt, `{`: agent.ErrCorrupt, `[]`: agent.ErrCorrupt, `null`: agent.ErrCorrupt, `{}`: agent.ErrCorrupt,
		`{"url":"https://a.example","vault":"00"}`:           agent.ErrCorrupt,
		`{"url":"","vault":"` + id + `"}`:                    agent.ErrCorrupt,
		`{"url":"https://a.example","vault":"` + id + `"}`:   nil,
		`{"url":"https://a.example","vault":"` + id + `0"}`:  agent.ErrCorrupt,
		`{"url":"https://a.example","vault":"` + id + `"} x`: agent.ErrCorrupt,
	} {
		home := t.TempDir()
		write0600(t, filepath.Join(home, remoteName), text)
		if r, err := readRemote(home); !errors.Is(err, want) || (r == nil) != (want != nil) {
			t.Errorf("%q: %+v, %v, want %v", text, r, err, want)
		}
	}
	home := t.TempDir()
	if r, err := readRemote(home); r != nil || err != nil {
		t.Errorf("a vault of this machine: %+v, %v", r, err)
	}
	write0600(t, filepath.Join(home, syncedName), "")
	if _, err := readRemote(home); !errors.Is(err, errNoRemote) {
		t.Errorf("a copy that lost the file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(home, remoteName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := readRemote(home); err == nil {
		t.Error("a folder in its place is no error")
	}
}

// TestAttackHomeOfOthers: a folder that others may write to is not made a vault's, and one that it became is not opened.
func TestAttackHomeOfOthers(t *testing.T) {
	for _, mode := range []os.FileMode{0o770, 0o707, 0o777} {
		r := newRig(t)
		if err := os.Chmod(r.home, mode); err != nil {
			t.Fatal(err)
		}
		err := r.writes(func(kit *os.File) error { return r.client(t).Init(t.Context(), agent.InitRequest{Kit: kit}) })
		if err == nil || r.server.hasVault() {
			t.Errorf("mode %o: a vault was made: %v", mode, err)
		}
		os.Chmod(r.home, 0o700)
		c := r.init(t)
		c.Lock(t.Context())
		os.Chmod(r.home, mode)
		if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err == nil || !r.server.locked() {
			t.Errorf("mode %o: unlocked, %v", mode, err)
		}
	}
}

// TestUnrecordedInit: a vault whose making is not on record stays locked, and its kit is not shown; the password shows it later.
func TestUnrecordedInit(t *testing.T) {
	r := newRig(t)
	r.log.breakWith(errors.New("write: no space left on device"))
	err := r.writes(func(kit *os.File) error { return r.client(t).Init(t.Context(), agent.InitRequest{Kit: kit}) })
	if !errors.Is(err, agent.ErrAudit) || !r.server.locked() {
		t.Errorf("Init = %v, locked %v", err, r.server.locked())
	}
	r.log.breakWith(nil)
	kit, err := os.Create(filepath.Join(r.home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	c := r.client(t)
	if err := errors.Join(c.Unlock(t.Context(), agent.TTLs{}), c.Kit(t.Context(), kit)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if text, err := os.ReadFile(kit.Name()); err != nil || !strings.Contains(string(text), "OV1-") {
		t.Errorf("the kit: %q, %v", text, err)
	}
}

// TestAttackMachineForEverybody: a machine key does not open the vault of a daemon, which serves whoever comes.
func TestAttackMachineForEverybody(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	file, err := os.Create(filepath.Join(r.home, "key"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := r.client(t).NewMachine(t.Context(), agent.MachineRequest{Name: "ci", App: "default", Env: "development", Out: file}); err != nil {
		t.Fatal(err)
	}
	c.Lock(t.Context())
	key, err := os.Open(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	raw := r.raw(t)
	raw.hello(r.home)
	args, _ := json.Marshal(wire.PasswordArgs{Password: string(agent.PasswordMachine)})
	if err := wire.NewConn(raw.sock, wire.ClientLimits()).Write(&wire.Frame{Header: wire.Header{ID: 2, Op: wire.OpUnlock, Args: args}, Files: []*os.File{key}}); err != nil {
		t.Fatal(err)
	}
	if h := raw.answer(); h.Code != "usage" || !r.server.locked() {
		t.Errorf("answered %+v, locked %v", h, r.server.locked())
	}
}

// TestSmallRefusals: what is asked for wrongly changes nothing.
func TestSmallRefusals(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	before := r.held(t)
	for name, tt := range map[string]struct {
		err  error
		want error
	}{
		"delete an environment that grew":  {r.client(t).DeleteSpace(t.Context(), agent.Space{App: "default", Env: "development", Secrets: 7}), agent.ErrConflict},
		"rename to nothing":                {second(c.Rename(t.Context(), dev("TOKEN"), secret.Ref{})), agent.ErrUsage},
		"create an environment of no name": {c.CreateSpace(t.Context(), "default", "../x"), agent.ErrUsage},
		"import what is no value":          {second(c.ImportPut(t.Context(), []agent.ImportRow{{Ref: dev("NEW")}}, []secret.Value{secret.New([]byte("abc"))})), agent.ErrUsage},
		"import under no name":             {second(c.ImportCompare(t.Context(), []secret.Ref{{App: "A"}}, []secret.Value{secret.New([]byte("a-good-value"))})), agent.ErrUsage},
		"import fewer values":              {second(c.ImportCompare(t.Context(), []secret.Ref{dev("A"), dev("B")}, []secret.Value{secret.New([]byte("a-good-value"))})), agent.ErrUsage},
		"wait for no page":                 {c.PageWait(t.Context(), agent.Page{ID: "none"}), agent.ErrNotFound},
		"a lease that ended before":        {r.client(t).Unlock(t.Context(), agent.TTLs{Idle: -1}), agent.ErrUsage},
		"a hard end before the beginning":  {r.client(t).Unlock(t.Context(), agent.TTLs{Hard: -1}), agent.ErrUsage},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, want %v", name, tt.err, tt.want)
		}
	}
	if r.held(t) != before {
		t.Error("the vault changed")
	}
}

func second[T any](_ T, err error) error { return err }

// TestAttackRestartOfAWholeLog: a log that is whole is not set aside, whoever would like its lines to be old ones.
func TestAttackRestartOfAWholeLog(t *testing.T) {
	r := newRig(t, realLog)
	r.init(t, "TOKEN")
	if err := r.client(t).AuditRestart(t.Context(), "no reason"); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("restart of a whole log: %v", err)
	}
	if aside, err := filepath.Glob(filepath.Join(r.home, "audit", "*broken*")); err != nil || len(aside) > 0 {
		t.Errorf("set aside: %q, %v", aside, err)
	}
	if _, err := os.Stat(filepath.Join(r.home, "audit", "audit-000001.jsonl")); err != nil {
		t.Error(err)
	}
}

// TestUnrecordedRefusal: who is refused hears that no record can be made, and not what would let the request through.
func TestUnrecordedRefusal(t *testing.T) {
	r := prodRig(t)
	c := r.client(t, noPassword)
	r.log.breakWith(errors.New("write: no space left on device"))
	_, err := c.Grant(t.Context(), runOf(prod("KEY")))
	if !errors.Is(err, agent.ErrAudit) || errors.Is(err, agent.ErrApproval) || agent.PendingID(err) != "" {
		t.Errorf("Grant = %v, pending %q, want ErrAudit", err, agent.PendingID(err))
	}
}

// TestRevealByPolicy: a policy that lets nobody look is asked before the password opens anything.
func TestRevealByPolicy(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	r.setPolicy(t, "[[rule]]\nname = \"nobody looks\"\nverbs = [\"reveal\"]\ndeny = true\n[[rule]]\nname = \"rest\"\n")
	p := newPerson(t)
	done := during(func() error { return r.at(t, p).Reveal(t.Context(), dev("TOKEN"), p.tty) })
	p.sees("Master password")
	p.types(testPassword + "\n")
	if err := <-done; !errors.Is(err, agent.ErrDenied) {
		t.Errorf("Reveal = %v, want ErrDenied", err)
	}
	if strings.Contains(p.shown(), "value-of") {
		t.Errorf("the terminal shows %q", p.shown())
	}
	if e := r.log.last(); e.Op != "vault_reveal" || e.Event != "DENIED" {
		t.Errorf("recorded %+v", e)
	}
}

// TestAttackLatePage: an answer to a page that was put up long ago allows nothing.
func TestAttackLatePage(t *testing.T) {
	r := prodRig(t)
	bot := r.client(t, noPassword, mcp)
	_, err := bot.Grant(t.Context(), runOf(prod("KEY")))
	p, err := bot.PageApprove(t.Context(), agent.PendingID(err))
	if err != nil {
		t.Fatal(err)
	}
	r.clock.advance(pendingTime + 1)
	if body := fill(t, p, typed(testPassword)); strings.Contains(body, "Allowed.") {
		t.Errorf("the page says %q", body)
	}
	r.wants(t, bot, runOf(prod("KEY")), agent.ErrApproval)
}

// stubborn is a store that can be made to take no commits.
type stubborn struct {
	blob.Store
	full *atomic.Bool
}

func (s stubborn) Commit(ctx context.Context, c blob.Commit) error {
	if s.full.Load() {
		return blob.ErrFull
	}
	return s.Store.Commit(ctx, c)
}

// TestAttackUncountedPIN: a try that cannot be counted is none, though the PIN is right.
func TestAttackUncountedPIN(t *testing.T) {
	full := &atomic.Bool{}
	r := newRig(t, func(c *Config) { c.Store = func(path string) blob.Store { return stubborn{sqlite.Open(path), full} } })
	r.init(t, "TOKEN")
	if err := r.setPIN(t, "246813"); err != nil {
		t.Fatal(err)
	}
	pin := func(text string) error { return r.server.tryPIN(t.Context(), secret.New([]byte(text))) }
	full.Store(true)
	for _, text := range []string{"246813", "135792"} {
		if err := pin(text); err == nil || errors.Is(err, errWrongPIN) {
			t.Errorf("PIN %s, uncounted: %v", text, err)
		}
	}
	full.Store(false)
	if err := pin("246813"); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestAttackPasswordLikeAPIN: a master password of digits is not made guessable by telling what a PIN looks like.
func TestAttackPasswordLikeAPIN(t *testing.T) {
	r := newRig(t)
	write0600(t, r.file, "2468135790\n")
	r.init(t, "TOKEN")
	if err := r.setPIN(t, "135791"); !errors.Is(err, agent.ErrUsage) || r.server.pinSet(t.Context()) {
		t.Errorf("set a PIN: %v", err)
	}
}

// TestAttackPageForADeniedWrite: what the policy denies is not asked of a person either.
func TestAttackPageForADeniedWrite(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	r.setPolicy(t, "[[rule]]\nname = \"bots read\"\nwho = [\"mcp\"]\nverbs = [\"create\", \"update\"]\ndeny = true\n[[rule]]\nname = \"rest\"\n")
	bot := r.client(t, noPassword, mcp)
	p, err := bot.PagePut(t.Context(), agent.PutRequest{Ref: dev("NEW")})
	if !errors.Is(err, agent.ErrDenied) || p.URL != "" {
		t.Errorf("PagePut = %+v, %v, want ErrDenied", p, err)
	}
}

// TestNoteAfterTheEnd: a completion that comes when the log is closed is an error, and no panic.
func TestNoteAfterTheEnd(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	r.server.forget(false)
	if err := r.server.noteLate(audit.Record{Op: "vault_run", Event: "COMPLETED"}); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("noteLate = %v, want ErrLocked", err)
	}
}
