package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/scan"
)

// unbuildable is a scanner without which no masking starts, and which cannot start.
type unbuildable struct{ panics bool }

func (u unbuildable) Rules() []scan.Rule {
	if u.panics {
		panic("a bug")
	}
	return []scan.Rule{{}}
}

func (unbuildable) Check(int, []byte, int, bool) ([]scan.Span, bool) { return nil, false }

// A build that fails while the child runs ends the child, whatever it does, and
// nothing of its output is passed on.
func TestBuildThatFailsEndsTheChild(t *testing.T) {
	for _, child := range []string{"leak", "flood", "wait"} {
		for _, panics := range []bool{false, true} {
			x := newTrial(t, map[string]string{"TOKEN": token}).child(child)
			x.req.Redact.Level, x.req.Redact.Scanners = scan.Precise, []scan.Scanner{unbuildable{panics}}
			x.req.Grace = 50 * time.Millisecond
			_, err := x.run()
			if !errors.Is(err, ErrMasking) || x.stdout.Len()+x.stderr.Len() > 0 || x.agent.done[0].Failure != "masking" {
				t.Errorf("%s: %v, printed %q %q, recorded %+v", child, err, x.stdout.String(), x.stderr.String(), x.agent.done)
			}
		}
	}
}

// In a session whose set cannot be built no command runs.
func TestSessionWithoutSet(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh")
	x.req.Redact.Level, x.req.Redact.Scanners = scan.Precise, []scan.Scanner{unbuildable{}}
	s, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if _, err := s.Run(t.Context(), Command{Argv: []string{"touch", "ran"}, Stdout: &x.stdout, Stderr: &x.stderr}); !errors.Is(err, ErrMasking) {
		t.Errorf("%v, want ErrMasking", err)
	}
}

// A child that prints at once, and only once, is masked: the set is waited for.
func TestFirstOutputIsMasked(t *testing.T) {
	for range 20 {
		newTrial(t, map[string]string{"TOKEN": token}, "/bin/sh", "-c", `printf %s "$TOKEN"`).ok(0, "[REDACTED:TOKEN]", "")
	}
}

// A silent child waits for no set, and its values are wiped all the same.
func TestSilentChild(t *testing.T) {
	stuck := make(stuck)
	x := newTrial(t, map[string]string{"TOKEN": token}, "sleep", "0.05") // longer than the head start
	x.req.Redact.Level, x.req.Redact.Scanners = scan.Precise, []scan.Scanner{stuck}
	wiped := make(chan struct{})
	x.req.wiped = func() { close(wiped) }
	if code, err := Run(t.Context(), x.agent, x.req); code != 0 || err != nil { // it returns, or the test never ends
		t.Errorf("%d, %v", code, err)
	}
	close(stuck)
	<-wiped
	if v := x.agent.granted[0].Reveal(); string(v) != strings.Repeat("\x00", len(token)) {
		t.Errorf("the value is %q", v)
	}
}

// stuck is a scanner that does not compile until it is closed.
type stuck chan struct{}

func (s stuck) Rules() []scan.Rule { <-s; return nil }

func (stuck) Check(int, []byte, int, bool) ([]scan.Span, bool) { return nil, false }
