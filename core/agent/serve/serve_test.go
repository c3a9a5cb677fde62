package serve

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
)

const testPassword = "correct horse battery staple"

// A rig is an agent in this process, on its real socket, with a vault.
type rig struct {
	home   string
	server *Server
	socket *Socket
	log    *fakeLog
	clock  *fakeClock
	file   string // holds the password
	done   chan struct{}
}

type fakeClock struct{ offset atomic.Int64 }

func (c *fakeClock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *fakeClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// fakeLog keeps records in memory and can be made to fail.
type fakeLog struct {
	mu      sync.Mutex
	fail    error
	records []audit.Record
}

func (l *fakeLog) Append(r ...audit.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return l.fail
	}
	l.records = append(l.records, r...)
	return nil
}
func (l *fakeLog) Page(uint64, int, time.Time) ([]audit.Entry, error)  { return nil, nil }
func (l *fakeLog) Show(int) ([]audit.Entry, error)                     { return nil, nil }
func (l *fakeLog) Prune(audit.PruneOptions) (audit.Pruned, error)      { return audit.Pruned{}, nil }
func (l *fakeLog) Verify() (audit.Report, error)                       { return audit.Report{}, nil }
func (l *fakeLog) Grep(string) ([]audit.Entry, error)                  { return nil, nil }
func (l *fakeLog) Exposed(time.Time, string) ([]audit.Exposure, error) { return nil, nil }
func (l *fakeLog) Names([]string) map[string]string                    { return nil }
func (l *fakeLog) Limits([]string) map[string]string                   { return nil }
func (l *fakeLog) Recent(time.Time) ([]audit.Entry, error)             { return nil, nil }
func (l *fakeLog) Close() error                                        { return nil }

func (l *fakeLog) breakWith(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// events returns op, space and event of the records that match op.
func (l *fakeLog) events(op string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, r := range l.records {
		if r.Op == op {
			out = append(out, r.Space+" "+r.Event)
		}
	}
	return out
}

func (l *fakeLog) last() audit.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.records[len(l.records)-1]
}

// newRig starts an agent; change may adjust its configuration.
func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	old := syscall.Umask(0o077)
	t.Cleanup(func() { syscall.Umask(old) })
	home, err := os.MkdirTemp("", "ov") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	r := &rig{home: home, clock: &fakeClock{}, done: make(chan struct{})}
	r.log = &fakeLog{}
	r.file = filepath.Join(home, "password")
	if err := os.WriteFile(r.file, []byte(testPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{Home: home, Build: "test", Now: r.clock.now,
		Store:   func(path string) blob.Store { return sqlite.Open(path) },
		Salvage: func(path string) blob.Store { return sqlite.Salvage(path) },
		Audit:   func(string, [][]byte) (Log, error) { return r.log, nil },
		// A test may be run by a coding agent; what counts here is what a client says.
		Around: func(a Actor) string { return a.Agent },
	}
	for _, f := range change {
		f(&c)
	}
	r.server = New(c)
	if r.socket, err = Listen(home); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(r.done); r.server.Serve(r.socket.Listener) }()
	t.Cleanup(func() {
		r.server.Stop()
		<-r.done
		r.server.Close()
		r.socket.Close()
	})
	return r
}

// client connects; its password comes from the rig's file.
func (r *rig) client(t testing.TB, change ...func(*agent.Options)) *agent.Client {
	t.Helper()
	o := agent.Options{Home: r.home, Client: "cli", Password: agent.FromFile(r.file)}
	for _, f := range change {
		f(&o)
	}
	c, err := agent.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func noPassword(o *agent.Options) { o.Password = agent.Password{} }

// init makes the vault and stores values under default/development.
func (r *rig) init(t testing.TB, names ...string) *agent.Client {
	t.Helper()
	kit, err := os.Create(filepath.Join(r.home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	c := r.client(t)
	if err := c.Init(t.Context(), agent.InitRequest{Kit: kit}); err != nil {
		t.Fatal(err)
	}
	c = r.client(t, noPassword)
	for _, n := range names {
		if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev(n), Value: secret.New([]byte("value-of-" + n))}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func dev(name string) secret.Ref { return secret.Ref{App: "default", Env: "development", Name: name} }

func runOf(refs ...secret.Ref) agent.GrantRequest {
	return agent.GrantRequest{Kind: agent.GrantRun, Executable: "/bin/true", Argv: []string{"true"}, Dir: "/", Refs: refs}
}

func TestInitStoreAndRun(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN", "OTHER")
	kit, _ := os.ReadFile(filepath.Join(r.home, "kit"))
	if !strings.Contains(string(kit), "OV1-") {
		t.Errorf("the kit is %q", kit)
	}
	if err := r.client(t).Init(t.Context(), agent.InitRequest{Kit: os.Stdout}); !errors.Is(err, agent.ErrVaultExists) {
		t.Errorf("second init: %v", err)
	}
	g, err := c.Grant(t.Context(), runOf(dev("TOKEN"), dev("OTHER"), dev("TOKEN")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range g.Secrets {
		got = append(got, s.Ref.Name+"="+string(s.Value.Reveal()))
	}
	slices.Sort(got)
	if want := []string{"OTHER=value-of-OTHER", "TOKEN=value-of-TOKEN"}; !slices.Equal(got, want) {
		t.Errorf("grant holds %q, want %q", got, want)
	}
	g.Wipe()
	if s := string(g.Secrets[0].Value.Reveal()); strings.Contains(s, "value") {
		t.Errorf("Wipe left %q", s)
	}
	masked := []agent.Count{{Name: dev("TOKEN").String(), Lane: "exact", N: 2}, {Name: "made/up/NAME", N: 1}}
	if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Exit: 7, Masked: masked}); err != nil {
		t.Fatal(err)
	}
	r.server.late.Wait()
	last := r.log.last()
	if last.Event != "COMPLETED" || *last.Exit != 7 || last.Run != g.ID || last.Masked[0].Name != dev("TOKEN").String() || last.Masked[0].N != 2 {
		t.Errorf("completion is %+v", last)
	}
	if last.Masked[1].Name != "" {
		t.Errorf("a completion names a secret that was never granted: %q", last.Masked[1].Name)
	}
	if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID}); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("second completion: %v", err)
	}
}

func TestWholeEnvironment(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "A_ONE", "B_TWO", "C_THREE")
	q := runOf()
	q.App, q.Env = "default", "development"
	g, err := c.Grant(t.Context(), q)
	if err != nil || len(g.Secrets) != 3 {
		t.Fatalf("Grant = %+v, %v", g, err)
	}
	if got := r.log.events("vault_run"); !slices.Equal(got, []string{"default/development ACCESSED"}) {
		t.Errorf("audit has %q", got)
	}
	if n := len(r.log.last().Names); n != 3 {
		t.Errorf("the record names %d secrets", n)
	}
	none, err := c.Grant(t.Context(), runOf())
	if err != nil || len(none.Secrets) != 0 {
		t.Errorf("a grant of nothing: %+v, %v", none, err)
	}
}

func TestGrantOverTwoEnvironments(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "HERE")
	there := secret.Ref{App: "web", Env: "staging", Name: "THERE"}
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: there, Value: secret.New([]byte("value-there"))}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("HERE"), there)); err != nil {
		t.Fatal(err)
	}
	got := r.log.events("vault_run")
	if want := []string{"default/development ACCESSED", "web/staging ACCESSED"}; !slices.Equal(got, want) {
		t.Errorf("audit has %q, want %q", got, want)
	}
}

func TestBadGrants(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	good := runOf(dev("TOKEN"))
	for name, change := range map[string]func(*agent.GrantRequest){
		"no kind":             func(g *agent.GrantRequest) { g.Kind = "" },
		"other kind":          func(g *agent.GrantRequest) { g.Kind = "export" },
		"no executable":       func(g *agent.GrantRequest) { g.Executable = "" },
		"relative executable": func(g *agent.GrantRequest) { g.Executable = "bin/true" },
		"no argv":             func(g *agent.GrantRequest) { g.Argv = nil },
		"no directory":        func(g *agent.GrantRequest) { g.Dir = "" },
		"bad ref":             func(g *agent.GrantRequest) { g.Refs = []secret.Ref{{App: "..", Env: "x", Name: "Y"}} },
		"refs and all":        func(g *agent.GrantRequest) { g.App, g.Env = "default", "development" },
		"other delivery":      func(g *agent.GrantRequest) { g.Delivery = map[string]string{"x": "mail"} },
		"too many":            func(g *agent.GrantRequest) { g.Refs = make([]secret.Ref, maxRefs+1) },
	} {
		q := good
		change(&q)
		if g, err := c.Grant(t.Context(), q); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("%s: Grant = %v, %v, want ErrUsage", name, g, err)
		}
	}
	if got := r.log.events("vault_run"); len(got) != 0 {
		t.Errorf("bad requests are on record as %q", got)
	}
}

func TestNotFoundOffersNames(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "DATABASE_URL", "STRIPE_KEY")
	_, err := c.Grant(t.Context(), runOf(dev("STRIPE_KEY"), dev("DATABSE_URL")))
	if !errors.Is(err, agent.ErrNotFound) || !slices.Equal(agent.Similar(err), []string{"DATABASE_URL"}) {
		t.Errorf("Grant: %v, similar %q", err, agent.Similar(err))
	}
	if _, err := c.Info(t.Context(), dev("stripe_key")); !errors.Is(err, agent.ErrNotFound) || !slices.Equal(agent.Similar(err), []string{"STRIPE_KEY"}) {
		t.Errorf("Info: %v, similar %q", err, agent.Similar(err))
	}
	if err := c.Delete(t.Context(), dev("QQQQ")); !errors.Is(err, agent.ErrNotFound) || len(agent.Similar(err)) != 0 {
		t.Errorf("Delete: %v, similar %q", err, agent.Similar(err))
	}
}

func TestPutRefuses(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	for name, p := range map[string]agent.PutRequest{
		"empty":   {Ref: dev("X"), Value: secret.Value{}},
		"short":   {Ref: dev("X"), Value: secret.New([]byte("abc"))},
		"masked":  {Ref: dev("X"), Value: secret.New([]byte("a [REDACTED:TOKEN] b"))},
		"long":    {Ref: dev("X"), Value: secret.New(make([]byte, secret.MaxValue+1))},
		"bad ref": {Ref: secret.Ref{App: "A", Env: "b", Name: "C"}, Value: secret.New([]byte("good-value"))},
		"mode":    {Ref: dev("X"), Mode: "replace", Value: secret.New([]byte("good-value"))},
	} {
		if _, err := c.Put(t.Context(), p); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("%s: Put = %v, want ErrUsage", name, err)
		}
	}
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Mode: agent.CreateOnly, Value: secret.New([]byte("again"))}); !errors.Is(err, agent.ErrExists) {
		t.Errorf("create of what is there: %v", err)
	}
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("NEW"), Mode: agent.UpdateOnly, Value: secret.New([]byte("again"))}); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("update of what is not there: %v", err)
	}
	if e := r.log.last(); e.Event != "FAILED" {
		t.Errorf("a failed write is on record as %q", e.Event)
	}
}

// Attack 22: no record, no value.
func TestAttack22NoAuditNoValue(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	full := errors.New("write: no space left on device")
	r.log.breakWith(full)
	if g, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); !errors.Is(err, agent.ErrAudit) || g != nil {
		t.Errorf("Grant = %v, %v, want ErrAudit", g, err)
	} else if agent.Hint(err) == "" {
		t.Error("the error has no hint")
	}
	if _, err := c.List(t.Context(), "default", "development", ""); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("List: %v, want ErrAudit", err)
	}
	if _, err := c.Info(t.Context(), dev("TOKEN")); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("Info: %v, want ErrAudit", err)
	}
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Value: secret.New([]byte("another"))}); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("Put: %v, want ErrAudit", err)
	}
	if err := c.Delete(t.Context(), dev("TOKEN")); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("Delete: %v, want ErrAudit", err)
	}
	r.log.breakWith(nil)
	g, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
	if err != nil || string(g.Secrets[0].Value.Reveal()) != "value-of-TOKEN" {
		t.Errorf("after the log works again: %v", err)
	}
}

func TestAbandonedGrantIsOnRecord(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	c := r.client(t, noPassword)
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Fatal(err)
	}
	c.Close()
	for range 200 {
		if got := r.log.events("vault_run"); len(got) == 2 {
			if got[1] != "default/development ABANDONED" {
				t.Errorf("audit has %q", got)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a grant that nobody completed is not on record as abandoned")
}

func TestMCPGetsNoNeedles(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	mask := agent.GrantRequest{Kind: agent.GrantMask, Refs: []secret.Ref{dev("TOKEN")}}
	mcp := r.client(t, noPassword, func(o *agent.Options) { o.Client = "mcp:some-agent" })
	if _, err := mcp.Grant(t.Context(), mask); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("Grant of needles to an MCP client: %v, want ErrDenied", err)
	}
	if got := r.log.events("vault_mask"); !slices.Equal(got, []string{"default/development DENIED"}) {
		t.Errorf("audit has %q", got)
	}
	if _, err := r.client(t, noPassword).Grant(t.Context(), mask); err != nil {
		t.Errorf("Grant of needles to the command line: %v", err)
	}
}
