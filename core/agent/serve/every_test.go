package serve

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/secret"
)

// A use is one op as a client means it, with arguments that would do.
type use func(ctx context.Context, c *agent.Client, r *rig) error

// usesOfVault are the ops that need the open vault: each reads or changes what it holds, and each is on record.
func usesOfVault() map[string]use {
	ref := dev("TOKEN")
	value := func() secret.Value { return secret.New([]byte("another-value")) }
	return map[string]use{
		wire.OpGrant: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.Grant(ctx, runOf(ref))
			return err
		},
		wire.OpPut: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.Put(ctx, agent.PutRequest{Ref: ref, Value: value()})
			return err
		},
		wire.OpList: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.List(ctx, "default", "development", "")
			return err
		},
		wire.OpInfo:   func(ctx context.Context, c *agent.Client, _ *rig) error { _, err := c.Info(ctx, ref); return err },
		wire.OpDelete: func(ctx context.Context, c *agent.Client, _ *rig) error { return c.Delete(ctx, ref) },
		wire.OpSpaceCreate: func(ctx context.Context, c *agent.Client, _ *rig) error {
			return c.CreateSpace(ctx, "default", "staging")
		},
		wire.OpVerify: func(ctx context.Context, c *agent.Client, _ *rig) error { _, err := c.Verify(ctx); return err },
		wire.OpHistory: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.History(ctx, ref)
			return err
		},
		wire.OpRollback: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.Rollback(ctx, ref, 1)
			return err
		},
		wire.OpRestore: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.Restore(ctx, dev("GONE"))
			return err
		},
		wire.OpTag: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.Tag(ctx, ref, []string{"new"})
			return err
		},
		wire.OpRename: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.Rename(ctx, ref, dev("OTHER"))
			return err
		},
		wire.OpImportCompare: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.ImportCompare(ctx, []secret.Ref{ref}, []secret.Value{value()})
			return err
		},
		wire.OpImportPut: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.ImportPut(ctx, []agent.ImportRow{{Ref: dev("NEW")}}, []secret.Value{value()})
			return err
		},
		wire.OpCatalogSet: func(ctx context.Context, c *agent.Client, _ *rig) error {
			return c.SetCatalog(ctx, []agent.Registered{{Name: "x", Path: "/bin/true", SHA256: strings.Repeat("0", 64)}})
		},
	}
}

// usesOfPassword need the password afresh besides.
func usesOfPassword() map[string]use {
	return map[string]use{
		wire.OpSpaceDelete: func(ctx context.Context, c *agent.Client, _ *rig) error {
			return c.DeleteSpace(ctx, agent.Space{App: "default", Env: "development", Secrets: 1})
		},
		wire.OpPolicySet: func(ctx context.Context, c *agent.Client, _ *rig) error {
			return c.SetPolicy(ctx, "[[rule]]\nname = \"all\"\n")
		},
		wire.OpKit: func(ctx context.Context, c *agent.Client, r *rig) error {
			return r.writes(func(f *os.File) error { return c.Kit(ctx, f) })
		},
		wire.OpPasswd: func(ctx context.Context, c *agent.Client, r *rig) error {
			other := filepath.Join(r.home, "other-password")
			if err := os.WriteFile(other, []byte("another password entirely"), 0o600); err != nil {
				return nil
			}
			return c.Passwd(ctx, agent.FromFile(other))
		},
		wire.OpRotate: func(ctx context.Context, c *agent.Client, _ *rig) error { return c.Rotate(ctx) },
		wire.OpBackup: func(ctx context.Context, c *agent.Client, r *rig) error {
			return r.writes(func(f *os.File) error {
				return c.Backup(ctx, agent.BackupRequest{Out: f, Passphrase: agent.FromFile(r.file)})
			})
		},
		wire.OpMachineNew: func(ctx context.Context, c *agent.Client, r *rig) error {
			return r.writes(func(f *os.File) error {
				_, err := c.NewMachine(ctx, agent.MachineRequest{Name: "ci", App: "default", Env: "development", Out: f})
				return err
			})
		},
		wire.OpAuditPrune: func(ctx context.Context, c *agent.Client, _ *rig) error {
			_, err := c.AuditPrune(ctx, agent.PruneRequest{Keep: 1})
			return err
		},
		wire.OpLocksRecord: func(ctx context.Context, c *agent.Client, _ *rig) error {
			return c.RecordLocks(ctx, agent.LocksChange{New: agent.Locks{Modules: strings.Repeat("0", 64)}, Accept: true})
		},
	}
}

// otherOps are held to the same by other tests, or have nothing to be held to.
var otherOps = map[string]string{
	wire.OpStatus: "says what is there", wire.OpStop: "ends the agent", wire.OpLock: "forgets the keys", wire.OpComplete: "is the record",
	wire.OpUnlock: "TestLockAndUnlock", wire.OpInit: "TestInitStoreAndRun", wire.OpReveal: "TestReveal", wire.OpMayPut: "TestMayPutUsesNothingUp",
	wire.OpSpaces: "names of spaces", wire.OpAuditShow: "reads the log", wire.OpAuditVerify: "reads the log", wire.OpAuditExposed: "reads the log", wire.OpAuditPrunable: "reads the log",
	wire.OpInspect: "TestVerifyOfDamage", wire.OpAuditInspect: "of a log that is broken", wire.OpAuditRestart: "of a log that is broken",
	wire.OpDestroy: "TestDestroy", wire.OpRestoreBackup: "TestBackupAndRestore",
	wire.OpPolicyShow: "TestPolicyIsGuarded", wire.OpPolicyExplain: "TestExplainOverTheSocket", wire.OpPolicyCheck: "TestPolicyCheck", wire.OpPolicyReplay: "TestReplayOfTheLog",
	wire.OpPending: "TestProductionAsks", wire.OpApprove: "TestApprovalKinds", wire.OpRefuse: "TestApprovalKinds",
	wire.OpPINSet: "TestPIN", wire.OpForget: "TestRemember", wire.OpPage: "TestUnlockPage", wire.OpPageWait: "TestUnlockPage",
	wire.OpImportAsk: "TestImportAsked", wire.OpImportSeal: "TestImportNotes", wire.OpImportOpen: "TestImportNotes", wire.OpCatalogShow: "TestImportNotes", wire.OpLocksShow: "TestAttackScannerLocks",
	wire.OpMachines: "names of keys", wire.OpMachineRevoke: "TestPushAndMachine",
	wire.OpJoin: "a server's", wire.OpJoinAsk: "a server's", wire.OpJoinWait: "a server's", wire.OpPush: "a server's", wire.OpSync: "a server's",
	wire.OpDevices: "a server's", wire.OpRequests: "a server's", wire.OpDeviceApprove: "a server's", wire.OpDeviceRevoke: "a server's",
	wire.OpShareRequest: "TestAskByText", wire.OpShareAnswer: "a server's", wire.OpShareOpen: "TestAskByText", wire.OpShareKeep: "TestAskByText", wire.OpCommits: "who signed what",
	wire.OpShare: "a server's", wire.OpMembers: "a server's", wire.OpShareRevoke: "a server's",
}

// writes hands f a file and fails the use when something was written though it came to nothing.
func (r *rig) writes(f func(*os.File) error) error {
	file, err := os.CreateTemp(r.home, "out")
	if err != nil {
		return nil // which fails the test: no error came
	}
	defer os.Remove(file.Name())
	defer file.Close()
	failed := f(file)
	if text, err := os.ReadFile(file.Name()); failed != nil && (err != nil || len(text) > 0) {
		return nil
	}
	return failed
}

// held is all that the vault keeps on disk: the head of its store and its device's files.
func (r *rig) held(t *testing.T) string {
	t.Helper()
	store := r.server.c.Store(r.server.storePath())
	defer store.Close()
	head, err := store.Head(t.Context())
	if err != nil && !errors.Is(err, blob.ErrEmpty) {
		t.Fatal(err)
	}
	device, err := os.ReadFile(filepath.Join(r.home, "device"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + string(device)
}

// allUses is every use, and TestEveryOp holds that it is.
func allUses() map[string]use {
	all := usesOfVault()
	maps.Copy(all, usesOfPassword())
	return all
}

// TestEveryOp: an op that is added says which test holds it to its record.
func TestEveryOp(t *testing.T) {
	uses := allUses()
	for op := range newRig(t).server.ops {
		if _, ok := uses[op]; ok == (otherOps[op] != "") {
			t.Errorf("op %q: want it among the uses or among the others", op)
		}
	}
}

// Attack 22, for every op: what cannot be put on record does not happen, writes nothing to its caller and changes nothing.
func TestAttack22EveryOp(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN", "GONE")
	if err := c.Delete(t.Context(), dev("GONE")); err != nil {
		t.Fatal(err)
	}
	asks := r.client(t)
	before := r.held(t)
	r.log.breakWith(errors.New("write: no space left on device"))
	for _, op := range slices.Sorted(maps.Keys(allUses())) {
		if err := allUses()[op](t.Context(), asks, r); !errors.Is(err, agent.ErrAudit) {
			t.Errorf("%s without a record: %v, want ErrAudit", op, err)
		}
		if r.held(t) != before {
			t.Fatalf("%s without a record changed the vault", op)
		}
	}
	r.log.breakWith(nil)
	g, err := r.client(t).Grant(t.Context(), runOf(dev("TOKEN")))
	if err != nil || string(g.Secrets[0].Value.Reveal()) != "value-of-TOKEN" {
		t.Errorf("after the log works again: %v", err)
	}
}

// TestEveryOpOfALockedVault: nothing that an op would read or change is there without the keys.
func TestEveryOpOfALockedVault(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := r.held(t)
	for op, use := range allUses() {
		if err := use(t.Context(), r.client(t, noPassword), r); !errors.Is(err, agent.ErrLocked) {
			t.Errorf("%s of a locked vault: %v, want ErrLocked", op, err)
		}
	}
	if r.held(t) != before {
		t.Error("the locked vault changed")
	}
}

// TestEveryOpWithTheWrongPassword: an open vault is not enough for what needs the password afresh.
func TestEveryOpWithTheWrongPassword(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	before := r.held(t)
	wrong := filepath.Join(r.home, "wrong")
	if err := os.WriteFile(wrong, []byte("not the password"), 0o600); err != nil {
		t.Fatal(err)
	}
	for op, use := range usesOfPassword() {
		os.Remove(r.server.tries.path) // guesses are counted
		c := r.client(t, func(o *agent.Options) { o.Password = agent.FromFile(wrong) })
		if err := use(t.Context(), c, r); !errors.Is(err, agent.ErrPassword) {
			t.Errorf("%s with a wrong password: %v, want ErrPassword", op, err)
		}
	}
	if r.held(t) != before {
		t.Error("a wrong password changed the vault")
	}
}

// TestEveryOpWithoutAVault: before there is a vault every op says so, and leaves none behind.
func TestEveryOpWithoutAVault(t *testing.T) {
	r := newRig(t)
	for op, use := range allUses() {
		if err := use(t.Context(), r.client(t), r); !errors.Is(err, agent.ErrNoVault) {
			t.Errorf("%s without a vault: %v, want ErrNoVault", op, err)
		}
	}
	if _, err := os.Stat(r.server.storePath()); err == nil {
		t.Error("a store was left behind")
	}
}

// TestAttack25NonsenseToEveryOp: no op takes what is not meant for it, or panics at it.
func TestAttack25NonsenseToEveryOp(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	before := r.held(t)
	ends := []string{wire.OpStop, wire.OpLock, wire.OpPageWait} // they take no arguments, or wait
	for op := range r.server.ops {
		if slices.Contains(ends, op) {
			continue
		}
		for _, args := range []string{``, `null`, `[]`, `{}`, `"x"`, `7`, `{"password":"tty"}`, `{"password":"file","args":[]}`, `{"password":"x"}`, `{"ref":[]}`, strings.Repeat(`[`, 5000)} {
			a, b := socketPair(t)
			done := make(chan struct{})
			go func() { defer close(done); r.server.ServeConn(a) }()
			hello, _ := json.Marshal(wire.Hello{Protocol: wire.Version, Home: r.home, Client: "cli"})
			b.Write(frame(`{"id":1,"op":"hello","args":`+string(hello)+`}`, ""))
			header := `{"id":2,"op":"` + op + `"}`
			if args != "" {
				header = `{"id":2,"op":"` + op + `","args":` + args + `}`
			}
			b.Write(frame(header, ""))
			b.CloseWrite()
			got, err := io.ReadAll(b)
			b.Close()
			<-done
			if errors.Is(err, syscall.ECONNRESET) { // it hung up on what is no header, and did not read on
				err = nil
			}
			// Who hangs up before the answer has cancelled what was asked.
			internal := strings.Contains(string(got), `"code":"internal"`) && !strings.Contains(string(got), context.Canceled.Error()+`"`)
			if err != nil || internal || strings.Contains(string(got), "value-of") {
				t.Errorf("%s with %.40s: %v, answered %.200q", op, args, err, got)
			}
		}
	}
	if r.held(t) != before {
		t.Error("nonsense changed the vault")
	}
}
