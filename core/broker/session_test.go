package broker

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
)

func openSession(t *testing.T, x *trial) *Session {
	t.Helper()
	s, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{Idle: time.Minute, Hard: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	return s
}

func say(t *testing.T, s *Session, argv ...string) (stdout string, r Report, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	r, err = s.Run(t.Context(), Command{Argv: argv, Timeout: time.Minute, Stdout: &out, Stderr: &errs})
	if strings.Contains(out.String()+errs.String(), "session-value-0001") {
		t.Errorf("%v printed the value", argv)
	}
	return out.String(), r, err
}

// TestSessionPersists: directory and exports are there for the next command;
// each command is declared, masked and completed.
func TestSessionPersists(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": "session-value-0001"}, "/bin/sh")
	s := openSession(t, x)
	for _, step := range []struct {
		argv []string
		want string
		code int
	}{
		{[]string{"cd", "/usr"}, "", 0},
		{[]string{"pwd"}, "/usr\n", 0},
		{[]string{"export", "KEPT=a b"}, "", 0},
		{[]string{"sh", "-c", `echo "$KEPT $TOKEN"; exit 3`}, "a b [REDACTED:TOKEN]\n", 3},
		{[]string{"printf", "%s", "$TOKEN; no shell in between"}, "$TOKEN; no shell in between", 0},
		{[]string{"nonesuch-command"}, "", 127},
	} {
		out, r, err := say(t, s, step.argv...)
		if err != nil || out != step.want || r.Status.Code != step.code {
			t.Errorf("%v: %q, %d, %v; want %q, %d", step.argv, out, r.Status.Code, err, step.want, step.code)
		}
	}
	if len(x.agent.asked) != 7 || len(x.agent.done) != 6 {
		t.Errorf("%d grants and %d completions, want 7 and 6", len(x.agent.asked), len(x.agent.done))
	}
	if g := x.agent.asked[0]; g.Kind != agent.GrantSession {
		t.Errorf("the session was declared as %s", g.Kind)
	}
	for _, g := range x.agent.asked[1:] {
		if g.Kind != agent.GrantRun || g.Session != "g1" || len(g.Refs) != 0 || g.App != "" {
			t.Errorf("a command was declared as %+v", g)
		}
	}
	if m := x.agent.done[3].Masked; len(m) != 1 || m[0].N != 1 {
		t.Errorf("masked %v", m)
	}
}

// TestSessionCommandIsRefused: what the agent denies does not run.
func TestSessionCommandIsRefused(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": "session-value-0001"}, "/bin/sh")
	s := openSession(t, x)
	x.agent.deny = errDenied
	out, _, err := say(t, s, "echo", "ran")
	if !errors.Is(err, errDenied) || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestSessionTimeout(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": "session-value-0001"}, "/bin/sh")
	s := openSession(t, x)
	_, err := s.Run(t.Context(), Command{Argv: []string{"sleep", "60"}, Timeout: 100 * time.Millisecond, Stdout: new(bytes.Buffer), Stderr: new(bytes.Buffer)})
	if !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want ErrTimeout", err)
	}
	if out, _, err := say(t, s, "echo", "next"); err != nil || out != "next\n" {
		t.Errorf("afterwards %q, %v", out, err)
	}
}
