package broker

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

var errDenied = errors.New("denied by the test")

// TestMain is also the children that the tests run.
func TestMain(m *testing.M) {
	if code, ok := proc.Reexec(); ok {
		os.Exit(code)
	}
	switch os.Getenv("CHILD") {
	case "leak": // byte by byte
		for _, b := range []byte(os.Getenv("TOKEN") + "\n") {
			os.Stdout.Write([]byte{b})
			time.Sleep(100 * time.Microsecond)
		}
		os.Exit(0)
	case "flood": // until somebody stops it
		line := bytes.Repeat([]byte("0123456789abcdef\n"), 256)
		for {
			if _, err := os.Stdout.Write(line); err != nil {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
		}
	case "signal": // says which one came
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGUSR1)
		os.Stdout.WriteString("ready\n")
		<-c
		os.Stdout.WriteString("got it\n")
		os.Exit(3)
	case "wait":
		time.Sleep(time.Minute)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A fake is an agent that has some secrets.
type fake struct {
	secrets map[string]string // NAME to value; "plain:NAME" for a plain one
	allow   []string
	deny    error
	exact   bool
	before  func() // runs before a grant is given

	mu      sync.Mutex
	asked   []agent.GrantRequest
	done    []agent.Completion
	granted []secret.Value
}

func (f *fake) Grant(_ context.Context, r agent.GrantRequest) (*agent.Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r)
	if f.before != nil {
		f.before()
	}
	if f.deny != nil {
		return nil, f.deny
	}
	g := &agent.Grant{ID: "g1", AllowNames: f.allow, Exact: f.exact}
	for name, value := range f.secrets {
		bare, plain := strings.CutPrefix(name, "plain:")
		ref := secret.Ref{App: "a", Env: "e", Name: bare}
		v := secret.New([]byte(value))
		f.granted = append(f.granted, v)
		g.Secrets = append(g.Secrets, agent.Secret{Ref: ref, Plain: plain, Value: v})
	}
	return g, nil
}

func (f *fake) Complete(_ context.Context, c agent.Completion) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = append(f.done, c)
	return nil
}

// A trial is one Run and what came of it.
type trial struct {
	t              *testing.T
	agent          *fake
	req            Request
	stdout, stderr bytes.Buffer
	notices        []string
	opened         int
	ctx            context.Context
}

func newTrial(t *testing.T, secrets map[string]string, argv ...string) *trial {
	x := &trial{t: t, agent: &fake{secrets: secrets}, ctx: t.Context()}
	x.req = Request{
		Argv: argv, Dir: t.TempDir(), Environ: []string{"PATH=" + os.Getenv("PATH"), "KEPT=yes"},
		Space: secret.Ref{App: "a", Env: "e"}, Redact: redact.Options{Lanes: redact.All},
		Stdout: &x.stdout, Stderr: &x.stderr,
		Notice: func(s string) { x.notices = append(x.notices, s) },
		Opened: func(n int) { x.opened = n },
	}
	return x
}

// child makes the trial run one of TestMain's.
func (x *trial) child(name string) *trial {
	self, err := os.Executable()
	if err != nil {
		x.t.Fatal(err)
	}
	x.req.Argv = []string{self}
	x.req.Environ = append(x.req.Environ, "CHILD="+name, "GOCOVERDIR="+x.t.TempDir()) // with -cover, a child without one complains
	return x
}

func (x *trial) run() (int, error) {
	wiped := make(chan struct{})
	x.req.wiped = sync.OnceFunc(func() { close(wiped) })
	code, err := Run(x.ctx, x.agent, x.req)
	if len(x.agent.granted) > 0 {
		<-wiped
	}
	for name, value := range x.agent.secrets {
		if strings.HasPrefix(name, "plain:") || len(value) < secret.MinMaskable {
			continue
		}
		for where, text := range map[string]string{"stdout": x.stdout.String(), "stderr": x.stderr.String(), "notices": strings.Join(x.notices, "\n"), "the error": errText(err)} {
			if strings.Contains(text, value) {
				x.t.Errorf("%s holds the value of %s: %q", where, name, text)
			}
		}
	}
	for _, v := range x.agent.granted {
		if strings.Trim(string(v.Reveal()), "\x00") != "" {
			x.t.Error("a value was not wiped")
		}
	}
	if len(x.agent.granted) > 0 && len(x.agent.done) != 1 {
		x.t.Errorf("%d completions of one grant", len(x.agent.done))
	}
	return code, err
}

// ok runs and wants this status and this output.
func (x *trial) ok(code int, stdout, stderr string) {
	x.t.Helper()
	got, err := x.run()
	if err != nil || got != code || x.stdout.String() != stdout || x.stderr.String() != stderr {
		x.t.Errorf("status %d, %v\nstdout %q\nstderr %q\nwant %d, %q, %q", got, err, x.stdout.String(), x.stderr.String(), code, stdout, stderr)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
