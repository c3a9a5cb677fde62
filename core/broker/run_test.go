package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

const token = "tok-4f9aK2mmQz81-x"

func ref(name string) secret.Ref { return secret.Ref{App: "a", Env: "e", Name: name} }

func TestInjectedIsMasked(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", `echo "a $TOKEN b"; echo "$TOKEN" >&2; test ${#TOKEN} = 18`)
	x.ok(0, "a [REDACTED:TOKEN] b\n", "[REDACTED:TOKEN]\n")
	if x.opened != 1 {
		t.Errorf("told of %d secrets, want 1", x.opened)
	}
	done := x.agent.done[0]
	if want := (agent.Count{Name: "TOKEN", Lane: "exact", N: 2}); done.GrantID != "g1" || done.Failure != "" || !slices.Contains(done.Masked, want) {
		t.Errorf("completion %+v, want the grant and %+v", done, want)
	}
}

func TestByteByByte(t *testing.T) {
	newTrial(t, map[string]string{"TOKEN": token}).child("leak").ok(0, "[REDACTED:TOKEN]\n", "")
}

func TestRename(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", `echo "$GH ${TOKEN-unset}"`)
	x.req.Wants = []Want{{ref("TOKEN"), "GH"}}
	x.ok(0, "[REDACTED:TOKEN] unset\n", "")
	if g := x.agent.asked[0]; len(g.Refs) != 1 || g.Refs[0] != ref("TOKEN") || g.App != "" {
		t.Errorf("asked for %+v, want the one reference and no space", g)
	}
}

func TestDeclared(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "true", "an arg")
	x.req.Reason = "why"
	x.ok(0, "", "")
	g := x.agent.asked[0]
	if g.Kind != agent.GrantRun || !filepath.IsAbs(g.Executable) || !slices.Equal(g.Argv, x.req.Argv) || g.Dir != x.req.Dir ||
		g.App != "a" || g.Env != "e" || g.Refs != nil || g.Reason != "why" || g.Lanes != redact.All.String() {
		t.Errorf("declared %+v", g)
	}
}

func TestEnvironment(t *testing.T) {
	const show = `echo "${KEPT-unset} ${TOKEN-unset} ${OV_PASSWORD_FILE-unset} ${OV_HOME-unset}"`
	for _, c := range []struct {
		name           string
		pristine, keep bool
		extra          []string
		want           string
	}{
		{"inherits", false, false, nil, "yes [REDACTED:TOKEN] unset unset\n"},
		{"replaces", false, false, []string{"TOKEN=old"}, "yes [REDACTED:TOKEN] unset unset\n"},
		{"keeps", false, true, []string{"TOKEN=old"}, "yes old unset unset\n"},
		{"pristine", true, false, []string{"OV_HOME=/h"}, "unset [REDACTED:TOKEN] unset unset\n"},
		{"scrubs", false, false, []string{"OV_PASSWORD_FILE=/p", "OV_PASSWORD=x", "OV_HOME=/h"}, "yes [REDACTED:TOKEN] unset /h\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTrial(t, map[string]string{"TOKEN": token}, "/bin/sh", "-c", show)
			x.req.Pristine, x.req.KeepExisting = c.pristine, c.keep
			x.req.Environ = append(x.req.Environ, c.extra...)
			x.ok(0, c.want, "")
		})
	}
}

// What cannot be injected safely is an error when it was asked for by name, and
// left out with a notice among all secrets.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, value string
		allow       []string
		want        string // part of the refusal; empty: injected
	}{
		{"LD_PRELOAD", "/tmp/evil.so", nil, "load code"},
		{"LD_PRELOAD", "/tmp/evil.so", []string{"LD_PRELOAD"}, ""},
		{"PATH", "/tmp/evil", nil, "load code"},
		{"GIT_SSH_COMMAND", "evil", nil, "load code"},
		{"HOME", "/tmp/evil", nil, "load code"},
		{"QT_PLUGIN_PATH", "/tmp/evil", nil, "load code"},
		{"GEM_HOME", "/tmp/evil", nil, "load code"},
		{"OV_HOME", "/tmp/evil", nil, "steer ov"},
		{"SHORT", "abc", nil, "cannot be masked"},
		{"plain:SHORT", "abc", nil, ""},
		{"NUL", "abcd\x00efgh", nil, "NUL"},
		{"plain:NUL", "abcd\x00efgh", nil, "NUL"},
	} {
		for _, named := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", c.name, named), func(t *testing.T) {
				bare := strings.TrimPrefix(c.name, "plain:")
				x := newTrial(t, map[string]string{c.name: c.value}, "/bin/sh", "-c", "echo ran; env")
				x.agent.allow = c.allow
				if named {
					x.req.Wants = []Want{{ref(bare), bare}}
				}
				_, err := x.run()
				refusal := errText(err)
				if !named && err == nil {
					refusal = strings.Join(x.notices, "\n")
				}
				if c.want == "" && refusal != "" || !strings.Contains(refusal, c.want) {
					t.Errorf("refusal %q, want %q", refusal, c.want)
				}
				ran := strings.HasPrefix(x.stdout.String(), "ran\n")
				if should := !named || c.want == ""; ran != should {
					t.Errorf("ran: %v, want %v", ran, should)
				}
				if c.want != "" && strings.Contains(x.stdout.String(), bare+"="+c.value) {
					t.Errorf("injected all the same: %q", x.stdout.String())
				}
			})
		}
	}
}

// Nothing is decrypted for a command that is not there, and nothing runs
// without a grant.
func TestOrder(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "no-such-command-here")
	if _, err := x.run(); !errors.Is(err, proc.ErrNotFound) || len(x.agent.asked) != 0 {
		t.Errorf("missing command: %v, %d grants asked", err, len(x.agent.asked))
	}
	mark := filepath.Join(t.TempDir(), "ran")
	x = newTrial(t, nil, "touch", mark)
	x.agent.deny = errDenied
	if _, err := x.run(); !errors.Is(err, errDenied) {
		t.Errorf("denied: %v", err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran without a grant")
	}
}

// TestAttackChangedMeanwhile: what was declared and decided on is what runs. A file
// that is changed between the two runs nothing, and the record says so.
func TestAttackChangedMeanwhile(t *testing.T) {
	for _, exact := range []bool{false, true} {
		dir := t.TempDir()
		tool, mark := filepath.Join(dir, "tool"), filepath.Join(dir, "ran")
		if err := os.WriteFile(tool, []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		x := newTrial(t, map[string]string{"TOKEN": token}, tool)
		x.agent.exact = exact
		x.ok(0, "", "")
		if f := x.agent.asked[0].File; f == "" || !f.Is(tool) {
			t.Errorf("declared as the file %q", f)
		}
		x = newTrial(t, map[string]string{"TOKEN": token}, tool)
		x.agent.exact = exact
		x.agent.before = func() {
			if err := os.WriteFile(tool, []byte("#!/bin/sh\ntouch "+mark+"\n"), 0o700); err != nil {
				t.Error(err)
			}
		}
		if _, err := x.run(); !errors.Is(err, proc.ErrChanged) {
			t.Errorf("exact %v: %v", exact, err)
		}
		if _, err := os.Stat(mark); err == nil {
			t.Errorf("exact %v: the changed program ran", exact)
		}
		if done := x.agent.done; len(done) != 1 || done[0].Failure != "changed" {
			t.Errorf("exact %v: completed with %+v", exact, done)
		}
	}
}

func TestEmptyListOpensNothing(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "echo", "ran")
	x.req.Wants = []Want{}
	if _, err := x.run(); err == nil || len(x.agent.asked) != 0 {
		t.Errorf("error %v, %d grants asked", err, len(x.agent.asked))
	}
}

func TestExit(t *testing.T) {
	for script, want := range map[string]int{"exit 7": 7, "exit 125": 125, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", script).ok(want, "", "")
	}
}

func TestStdinIsTheChilds(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in := "\x00\xff binary \r\n " + strings.Repeat("x", 100)
	go func() { io.WriteString(w, in); w.Close() }()
	x := newTrial(t, map[string]string{"TOKEN": token}, "cat")
	x.req.Stdin = r
	x.ok(0, in, "")
}

// failing is a sink that takes n bytes.
type failing struct {
	n   int
	err error
}

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.n {
		n := f.n
		f.n = 0
		return n, f.err
	}
	f.n -= len(b)
	return len(b), nil
}

// A reader that went away is the child's to notice, as it would be without ov.
func TestBrokenPipe(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "yes")
	x.req.Stdout = &failing{100, syscall.EPIPE}
	if code, err := x.run(); err != nil || code != 141 {
		t.Errorf("status %d, %v, want 141", code, err)
	}
}

// Output that cannot be written, or masked, ends the child.
func TestFailClosed(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}).child("flood")
	x.req.Stdout = &failing{100, syscall.ENOSPC}
	if _, err := x.run(); !errors.Is(err, ErrSink) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full disk: %v", err)
	}
	if f := x.agent.done[0].Failure; f != "output" {
		t.Errorf("recorded failure %q, want output", f)
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a bug") }

func TestBugInMaskingIsAnError(t *testing.T) {
	set, err := redact.Compile([]redact.Needle{{Name: "TOKEN", Value: secret.New([]byte(token))}}, redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&stream{pipe: panicking{}, sink: &sink{dst: io.Discard}, set: func() (*redact.Set, error) { return set, nil }}).pass(); !errors.Is(err, ErrMasking) {
		t.Errorf("got %v, want ErrMasking", err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}).child("wait")
	x.req.Timeout = 50 * time.Millisecond
	if _, err := x.run(); !errors.Is(err, ErrTimeout) || x.agent.done[0].Failure != "timeout" {
		t.Errorf("timeout: %v, recorded %q", err, x.agent.done[0].Failure)
	}
	x = newTrial(t, map[string]string{"TOKEN": token}).child("wait")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	x.ctx = ctx
	if _, err := x.run(); !errors.Is(err, context.DeadlineExceeded) || x.agent.done[0].Failure != "cancelled" {
		t.Errorf("cancelled: %v, recorded %q", err, x.agent.done[0].Failure)
	}
}

// TestRecordedEnd: the audit record says how a run came to its end, and whose fault it was.
func TestRecordedEnd(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		change       func(*trial)
		want         agent.Completion
	}{
		{name: "its own", script: "exit 3", want: agent.Completion{Exit: 3}},
		{name: "a signal of its own", script: "kill -KILL $$", want: agent.Completion{Exit: 137, Signal: "SIGKILL"}},
		{name: "a signal to ov", script: "exec sleep 60", want: agent.Completion{Exit: 143, Signal: "SIGTERM", Failure: "cancelled"}, change: func(x *trial) {
			ctx, end := context.WithCancelCause(t.Context())
			time.AfterFunc(50*time.Millisecond, func() { end(errors.New("ended by a signal")) })
			x.ctx = ctx
		}},
		{name: "an interpreter that is not there", want: agent.Completion{Failure: "start"}, change: func(x *trial) {
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.WriteFile(bad, []byte("#!/no/such/interpreter\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			x.req.Argv = []string{bad}
		}},
		{name: "a value that cannot be masked", script: "exit 0", want: agent.Completion{Failure: "start"}, change: func(x *trial) {
			x.agent.secrets = map[string]string{"TOKEN": "abc"}
			x.req.Wants = []Want{{ref("TOKEN"), "TOKEN"}}
		}},
	} {
		x := newTrial(t, map[string]string{"TOKEN": token}, "/bin/sh", "-c", tt.script)
		if tt.change != nil {
			tt.change(x)
		}
		_, err := x.run()
		got := x.agent.done[0]
		if got.Exit != tt.want.Exit || got.Signal != tt.want.Signal || got.Failure != tt.want.Failure || (err == nil) != (tt.want.Failure == "") {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestSignalsArePassedOn(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}).child("signal")
	x.req.Relay = true
	x.req.Stdout = onFirst{&x.stdout, func() { syscall.Kill(os.Getpid(), syscall.SIGUSR1) }}
	x.ok(3, "ready\ngot it\n", "")
}

// onFirst calls f at the first write.
type onFirst struct {
	w io.Writer
	f func()
}

func (o onFirst) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "ready") {
		o.f()
	}
	return o.w.Write(b)
}

func TestMask(t *testing.T) {
	f := &fake{secrets: map[string]string{"TOKEN": token, "SHORT": "abc", "plain:REGION": "eu-west-1"}}
	var out strings.Builder
	in := "x" + token + "y abc eu-west-1\n"
	if err := Mask(t.Context(), f, MaskRequest{Space: secret.Ref{App: "a", Env: "e"}, Redact: redact.Options{Lanes: redact.Exact}, In: strings.NewReader(in), Out: &out}); err != nil {
		t.Fatal(err)
	}
	if want := "x[REDACTED:TOKEN]y abc eu-west-1\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if f.asked[0].Kind != agent.GrantMask || len(f.done) != 1 || f.done[0].Masked[0].N != 1 {
		t.Errorf("asked %+v, done %+v", f.asked, f.done)
	}
	f.deny = errDenied
	out.Reset()
	if err := Mask(t.Context(), f, MaskRequest{In: strings.NewReader(in), Out: &out}); !errors.Is(err, errDenied) || out.Len() > 0 {
		t.Errorf("denied: %v, passed on %q", err, out.String())
	}
}

// TestNothing: a run without secrets asks for no grant, and is still masked and
// reported.
func TestNothing(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": "never-granted-value"}, "sh", "-c", "echo $EXTRA $KEPT; exit 4")
	var report Report
	x.req.Wants, x.req.Nothing = []Want{}, true
	x.req.Extra = []string{"EXTRA=more", "KEPT=changed"}
	x.req.Report = func(r Report) { report = r }
	x.ok(4, "more changed\n", "")
	if len(x.agent.asked)+len(x.agent.done) != 0 {
		t.Errorf("asked for %d grants", len(x.agent.asked))
	}
	if report.Status.Code != 4 || len(report.Injected) != 0 {
		t.Errorf("reported %+v", report)
	}
}

// TestReport: what the child got and what was masked, and Extra is declared.
func TestReport(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": "reported-value-0001"}, "sh", "-c", "echo $TOKEN")
	var report Report
	x.req.Extra = []string{"EXTRA=more"}
	x.req.Report = func(r Report) { report = r }
	x.ok(0, "[REDACTED:TOKEN]\n", "")
	if len(report.Injected) != 1 || report.Injected[0] != "TOKEN" || len(report.Masked) != 1 || report.Masked[0].N != 1 {
		t.Errorf("reported %+v", report)
	}
	if d := x.agent.asked[0].ExtraEnv; len(d) != 1 || d[0] != "EXTRA=more" {
		t.Errorf("declared %v", d)
	}
}

// TestSweep: what the run has left is looked for with its own needles, as long as they are there, and is in the record.
func TestSweep(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token, "plain:REGION": "eu-west-1"}, "sh", "-c", "exit 3")
	swept := 0
	x.req.Sweep = func(set *redact.Set) []agent.Count {
		swept++
		var out strings.Builder
		w := redact.NewWriter(&out, set, nil)
		w.Write([]byte("x" + token + "y eu-west-1 AKIAIOSFODNN7EXAMPL2"))
		w.Close()
		if want := "x[REDACTED:TOKEN]y eu-west-1 AKIAIOSFODNN7EXAMPL2"; out.String() != want {
			t.Errorf("the sweep's needles make %q, want %q", out.String(), want)
		}
		return []agent.Count{{Name: "TOKEN", Lane: "sweep", N: 5}}
	}
	x.ok(3, "", "")
	if d := x.agent.done; swept != 1 || len(d) != 1 || len(d[0].Masked) != 1 || d[0].Masked[0].N != 5 || d[0].Exit != 3 {
		t.Errorf("swept %d times, completed %+v", swept, d)
	}
	x = newTrial(t, map[string]string{"TOKEN": token}, "./nonesuch")
	x.req.Sweep = func(*redact.Set) []agent.Count { t.Error("swept after nothing"); return nil }
	if _, err := x.run(); err == nil {
		t.Error("a command that is not there has run")
	}
}

// The agent says which lanes may be switched off, and does not link masking: both sides must mean the same.
func TestLanesOfBothSides(t *testing.T) {
	if got := strings.Join(agent.Lanes(), ","); got != redact.All.String() {
		t.Errorf("the agent knows the lanes %q, masking has %q", got, redact.All)
	}
}
