package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opaquevault/ov/cmd/ov-mcp/stdio"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/secret"
)

const (
	defaultTimeout = 2 * time.Minute
	maxTimeout     = time.Hour
	defaultOutput  = 30_000
	maxOutput      = 200_000
	maxStdin       = 1 << 20
	commandGrace   = 400 * time.Millisecond // between TERM and KILL
)

type runArgs struct {
	place
	Command   []string          `json:"command"`
	Names     *[]string         `json:"secret_names"`
	Env       map[string]string `json:"env"`
	Stdin     string            `json:"stdin"`
	TimeoutMS int64             `json:"timeout_ms"`
	MaxOutput int               `json:"max_output_bytes"`
	SessionID string            `json:"session_id"`
}

type redaction struct {
	Name  string `json:"name"`
	Lane  string `json:"lane"`
	Count int64  `json:"count"`
}

type runResult struct {
	ExitCode    *int        `json:"exit_code"`
	Signal      string      `json:"signal,omitempty"`
	Status      string      `json:"status"`
	TimedOut    bool        `json:"timed_out"`
	Stdout      string      `json:"stdout"`
	Stderr      string      `json:"stderr"`
	Truncated   bool        `json:"truncated"`
	StdoutBytes int64       `json:"stdout_bytes"`
	StderrBytes int64       `json:"stderr_bytes"`
	Redactions  []redaction `json:"redactions"`
	Injected    []string    `json:"secrets_injected"`
	DurationMS  int64       `json:"duration_ms"`
}

func (a *runArgs) check() error {
	switch {
	case len(a.Command) == 0 || a.Command[0] == "":
		return badInput("command: want a program and its arguments")
	case a.TimeoutMS < 0 || a.TimeoutMS > maxTimeout.Milliseconds():
		return badInput("timeout_ms: 1 to %d", maxTimeout.Milliseconds())
	case a.MaxOutput != 0 && (a.MaxOutput < 256 || a.MaxOutput > maxOutput):
		return badInput("max_output_bytes: 256 to %d", maxOutput)
	case len(a.Stdin) > maxStdin:
		return badInput("stdin: at most %d bytes", maxStdin)
	case slices.ContainsFunc(a.Command, func(s string) bool { return strings.ContainsRune(s, 0) }):
		return badInput("command: a NUL byte")
	}
	for name, v := range a.Env {
		if err := checkVariable(name, v); err != nil {
			return err
		}
	}
	if a.TimeoutMS == 0 {
		a.TimeoutMS = defaultTimeout.Milliseconds()
	}
	if a.MaxOutput == 0 {
		a.MaxOutput = defaultOutput
	}
	return nil
}

func checkVariable(name, value string) error {
	if secret.CheckName(name) != nil || strings.ContainsRune(value, 0) {
		return badInput("env: %q is not a variable", name)
	}
	for _, p := range []string{"LD_", "DYLD_", "OV_"} {
		if strings.HasPrefix(name, p) {
			return badInput("env: %s* cannot be set", p)
		}
	}
	return nil
}

// run is vault_run.
func (t *Tools) run(c *call) (any, error) {
	var a runArgs
	if err := c.into(&a); err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.SessionID != "" {
		return t.runInSession(c, &a)
	}
	cfg, err := t.resolve(a.place, secret.Ref{}, a.Names == nil)
	if err != nil {
		return nil, err
	}
	want, err := wants(a.Names, cfg)
	if err != nil {
		return nil, err
	}
	for _, w := range want {
		if _, both := a.Env[w.As]; both {
			return nil, badInput("env: %s is one of the secrets", w.As)
		}
	}
	stdin, err := input(a.Stdin)
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	out := newCapture(a.MaxOutput)
	var report broker.Report
	begun := time.Now()
	stop := beat(ctx, begun, out)
	_, err = broker.Run(ctx, t.learning(c), broker.Request{
		Argv: a.Command, Dir: t.dir(a.place), Environ: childEnviron(t.c.Environ), Extra: pairs(a.Env),
		Wants: want, Nothing: want != nil && len(want) == 0, Space: cfg.Context(), Redact: c.masks.Redact,
		Timeout: time.Duration(a.TimeoutMS) * time.Millisecond, Reason: a.Reason,
		Leader: true, Helper: t.helper(), Grace: commandGrace, Stdin: stdin, Stdout: out.stdout, Stderr: out.stderr,
		Notice: func(string) {}, Opened: func(int) {}, Report: func(r broker.Report) { report = r },
	})
	stop()
	r := result(out, report, begun)
	switch {
	case errors.Is(err, broker.ErrTimeout):
		r.Status, r.TimedOut, r.ExitCode = "timed_out", true, nil
	case err != nil && c.ctx.Err() != nil:
		r.Status, r.ExitCode = "cancelled", nil
	case err != nil:
		return nil, err
	}
	t.count(r.Redactions)
	return r, nil
}

func (t *Tools) helper() string {
	if t.c.Helper == nil {
		return ""
	}
	return t.c.Helper()
}

func result(out *capture, report broker.Report, begun time.Time) *runResult {
	r := &runResult{
		Status: "exited", Stdout: out.stdout.text(), Stderr: out.stderr.text(),
		Truncated:   out.stdout.dropped()+out.stderr.dropped() > 0,
		StdoutBytes: out.stdout.total, StderrBytes: out.stderr.total,
		Redactions: redactions(report.Masked), Injected: report.Injected, DurationMS: time.Since(begun).Milliseconds(),
	}
	if r.Injected == nil {
		r.Injected = []string{}
	}
	if s := report.Status.Signal; s != 0 {
		r.Signal = s.String()
	} else {
		r.ExitCode = &report.Status.Code
	}
	return r
}

func redactions(counts []agent.Count) []redaction {
	all := []redaction{}
	for _, c := range counts {
		all = append(all, redaction{Name: or(c.Name, c.Rule), Lane: or(c.Lane, "pattern"), Count: c.N})
	}
	return all
}

func (t *Tools) count(rs []redaction) {
	for _, r := range rs {
		t.redactions.Add(r.Count)
	}
}

// input is a file that holds text and is nowhere on disk; without text it is
// empty.
func input(text string) (*os.File, error) {
	if text == "" {
		return os.Open(os.DevNull)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make stdin: %w", err)
	}
	go func() { // ends when it is written or when nobody reads any more
		io.WriteString(w, text)
		w.Close()
	}()
	return r, nil
}

// childEnviron is what a command gets of the server's environment: where things
// are, and that nobody is there to answer a question.
func childEnviron(environ []string) []string {
	var out []string
	for _, kv := range environ {
		k, _, _ := strings.Cut(kv, "=")
		switch k {
		case "HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "TERM", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
			"XDG_DATA_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
			"SystemRoot", "ComSpec", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "TEMP", "TMP":
			out = append(out, kv)
		default:
			if strings.HasPrefix(k, "LC_") {
				out = append(out, kv)
			}
		}
	}
	return append(out, "CI=1", "GIT_TERMINAL_PROMPT=0", "PAGER=cat")
}

func pairs(env map[string]string) []string {
	var out []string
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// beat reports progress once a second: how long it has been and how much was
// printed, never what.
func beat(ctx context.Context, begun time.Time, out *capture) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s := time.Since(begun)
				stdio.Progress(ctx, s.Seconds(), 0, fmt.Sprintf("running for %d s, %d bytes printed", int(s.Seconds()), out.bytes()))
			case <-done:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { close(done) }
}
