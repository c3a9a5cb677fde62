package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// testPassword is put together at run time, so that it is in no program's text.
func testPassword() string {
	return strings.Join([]string{"correct", "horse", "battery", "staple"}, " ")
}

// TestMain makes this test program its own ov-agent: a link beside it has that
// name, which is where clients look.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == program {
		os.Exit(run(os.Args[1:], os.Stderr))
	}
	self, err := os.Executable()
	if err == nil {
		err = os.Link(self, filepath.Join(filepath.Dir(self), program))
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		fmt.Fprintln(os.Stderr, "link the agent beside the test:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const program = "ov-agent"

func ref(name string) secret.Ref { return secret.Ref{App: "default", Env: "development", Name: name} }

func runOf(refs ...secret.Ref) agent.GrantRequest {
	return agent.GrantRequest{Kind: agent.GrantRun, Executable: "/bin/true", Argv: []string{"true"}, Dir: "/", Refs: refs}
}

// newHome returns a folder short enough for a socket, with a password file.
func newHome(t *testing.T) (home, password string) {
	t.Helper()
	home, err := os.MkdirTemp("", "ov")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	password = filepath.Join(home, "password")
	if err := os.WriteFile(password, []byte(testPassword()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return home, password
}

// newClient connects to the agent of home; without a password file it needs one
// that is unlocked.
func newClient(t *testing.T, home, password string) *agent.Client {
	t.Helper()
	o := agent.Options{Home: home, Client: "cli"}
	if password != "" {
		o.Password = agent.FromFile(password)
	}
	c, err := agent.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newVault makes one, with values, by one-shot agents.
func newVault(t *testing.T, names ...string) (home, password string) {
	t.Helper()
	home, password = newHome(t)
	kit, err := os.Create(filepath.Join(home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	c := newClient(t, home, password)
	if err := c.Init(t.Context(), agent.InitRequest{Kit: kit}); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if _, err := c.Put(t.Context(), agent.PutRequest{Ref: ref(n), Value: secret.New([]byte(canary(n)))}); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	return home, password
}

// canary is the value of a secret: built at run time, so that it is in no
// program's text.
func canary(name string) string { return strings.Join([]string{"canary", "of", name}, "+") }

// unlock starts the daemon of home and returns its pid.
func unlock(t *testing.T, home, password string, ttl agent.TTLs) int {
	t.Helper()
	c := newClient(t, home, password)
	if err := c.Unlock(t.Context(), ttl); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c, _ := agent.Connect(context.Background(), agent.Options{Home: home, Client: "cli"})
		c.Stop(context.Background())
		c.Close()
	})
	st, err := c.Status(t.Context())
	if err != nil || !st.Running || st.Locked {
		t.Fatalf("after unlock: %+v, %v", st, err)
	}
	return st.PID
}

func open(t *testing.T, c *agent.Client, name string) error {
	t.Helper()
	g, err := c.Grant(t.Context(), runOf(ref(name)))
	if err != nil {
		return err
	}
	if got := string(g.Secrets[0].Value.Reveal()); got != canary(name) {
		t.Errorf("grant of %s holds %q", name, got)
	}
	g.Wipe()
	return c.Complete(t.Context(), agent.Completion{GrantID: g.ID})
}

func TestOneShot(t *testing.T) {
	home, password := newVault(t, "TOKEN")
	c := newClient(t, home, password)
	if err := open(t, c, "TOKEN"); err != nil {
		t.Fatal(err)
	}
	if st, err := c.Status(t.Context()); err != nil || st.Running {
		t.Errorf("Status = %+v, %v: a one-shot agent is no daemon", st, err)
	}
	c.Close()
	lines, err := newClient(t, home, password).AuditShow(t.Context(), agent.AuditQuery{Limit: 2})
	if err != nil || len(lines) != 2 || !strings.Contains(lines[0].Text, "vault_run default/development ACCESSED") ||
		!strings.Contains(lines[1].Text, "COMPLETED exit=0") {
		t.Errorf("audit shows %+v, %v", lines, err)
	}
	if r, err := newClient(t, home, password).AuditVerify(t.Context()); err != nil || r.Problem != "" || r.Records < 4 {
		t.Errorf("audit verify: %+v, %v", r, err)
	}
	wrong := filepath.Join(home, "wrong")
	os.WriteFile(wrong, []byte("another password"), 0o600)
	if err := open(t, newClient(t, home, wrong), "TOKEN"); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	if err := open(t, newClient(t, home, ""), "TOKEN"); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("no password: %v", err)
	}
}

func TestNoVault(t *testing.T) {
	home, password := newHome(t)
	if err := open(t, newClient(t, home, password), "TOKEN"); !errors.Is(err, agent.ErrNoVault) || agent.Hint(err) == "" {
		t.Errorf("Grant without a vault: %v, hint %q", err, agent.Hint(err))
	}
}

func TestDaemon(t *testing.T) {
	home, password := newVault(t, "TOKEN")
	pid := unlock(t, home, password, agent.TTLs{})
	c := newClient(t, home, "")
	if err := open(t, c, "TOKEN"); err != nil {
		t.Fatal(err)
	}
	// A second unlock finds the same agent.
	if again := unlock(t, home, password, agent.TTLs{Idle: time.Hour}); again != pid {
		t.Errorf("pid %d, then %d", pid, again)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = newClient(t, home, "")
	if err := open(t, c, "TOKEN"); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("Grant when locked: %v", err)
	}
	if st, _ := c.Status(t.Context()); !st.Running || st.PID != pid {
		t.Errorf("after lock: %+v, want pid %d on the same socket", st, pid)
	}
	unlock(t, home, password, agent.TTLs{})
	if err := open(t, newClient(t, home, ""), "TOKEN"); err != nil {
		t.Errorf("after lock and unlock: %v", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if syscall.Kill(pid, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the agent runs after stop")
}

// The lease of a real agent ends by itself.
func TestDaemonExpires(t *testing.T) {
	home, password := newVault(t, "TOKEN")
	unlock(t, home, password, agent.TTLs{Idle: 300 * time.Millisecond})
	for range 500 {
		if st, err := newClient(t, home, "").Status(t.Context()); err == nil && st.Locked {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("unlocked long after the idle time")
}

// An agent needs HOME at most: no XDG folders, no keyring, no PATH.
func TestBareEnvironment(t *testing.T) {
	home, password := newVault(t, "TOKEN")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{{}, {"HOME=/nonexistent"}} {
		cmd := exec.Command(self, "-test.run=^TestBareChild$", "-test.v")
		cmd.Env = append(env, "OV_TEST_BARE="+home+":"+password)
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("--- PASS: TestBareChild")) {
			t.Errorf("env %q: %v: %s", env, err, out)
		}
	}
}

func TestBareChild(t *testing.T) {
	home, password, ok := strings.Cut(os.Getenv("OV_TEST_BARE"), ":")
	if !ok {
		return // only a part of TestBareEnvironment
	}
	if err := open(t, newClient(t, home, password), "TOKEN"); err != nil {
		t.Error(err)
	}
	unlock(t, home, password, agent.TTLs{})
	if err := open(t, newClient(t, home, ""), "TOKEN"); err != nil {
		t.Error(err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{}, {"--home", "/x"}, {"--home", "relative", "--daemon"}, {"--nonsense"}, {"--home", "/x", "--listener-fd", "3"}} {
		var stderr bytes.Buffer
		if code := run(args, &stderr); code != 2 || !strings.Contains(stderr.String(), "started by ov") {
			t.Errorf("ov-agent %q: %d, %q", args, code, stderr.String())
		}
	}
}
