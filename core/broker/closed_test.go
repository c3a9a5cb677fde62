package broker

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

var errWire = errors.New("the wire is cut")

// once is a writer that fails at its first write and takes all others: a disk that somebody makes room on.
type once struct {
	strings.Builder
	failed bool
}

func (o *once) Write(b []byte) (int, error) {
	if !o.failed {
		o.failed = true
		return 0, errWire
	}
	return o.Builder.Write(b)
}

// TestSinkFailsForGood: what comes behind a gap is not passed on, though the sink could take it again.
func TestSinkFailsForGood(t *testing.T) {
	for _, gathers := range []bool{false, true} {
		out := &once{}
		s := &sink{dst: out}
		if gathers {
			s.gather()
		}
		s.Write([]byte("first"))
		s.flush()
		for range 3 {
			if _, err := s.Write([]byte("second")); !errors.Is(err, errWire) {
				t.Errorf("write: %v", err)
			}
			if err := s.flush(); !errors.Is(err, errWire) {
				t.Errorf("flush: %v", err)
			}
			if n, err := (&flushing{strings.NewReader("more"), s}).Read(make([]byte, 8)); n != 0 || !errors.Is(err, errWire) {
				t.Errorf("read %d, %v: the child is asked for more", n, err)
			}
		}
		if out.Len() > 0 {
			t.Errorf("%q came behind the gap", out.String())
		}
	}
}

// TestSinkFailsInBetween: a write that finds that what waits cannot be written is not written either.
func TestSinkFailsInBetween(t *testing.T) {
	for name, next := range map[string][]byte{"large": make([]byte, gathered/2), "too much": make([]byte, gathered/4-1), "huge": make([]byte, 2*gathered)} {
		out := &once{}
		s := &sink{dst: out}
		s.gather()
		for range 4 {
			s.Write(make([]byte, gathered/4-1)) // waits, up to a few bytes of room
		}
		if n, err := s.Write(next); n != 0 || !errors.Is(err, errWire) || out.Len() > 0 {
			t.Errorf("%s: %d, %v, and %d bytes came through", name, n, err, out.Len())
		}
	}
}

// TestAttackCutPipe: an output that cannot be read to its end is not taken for one that ended.
func TestAttackCutPipe(t *testing.T) {
	needle := []redact.Needle{{Name: "TOKEN", Value: secret.New([]byte(token))}}
	set, err := redact.Compile(needle, redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := func() (*redact.Set, error) { return set, nil }
	bad := func() (*redact.Set, error) { return nil, errWire }
	for name, tt := range map[string]struct {
		pipe   io.Reader
		set    func() (*redact.Set, error)
		frames bool
	}{
		"at once":            {iotest.ErrReader(errWire), good, false},
		"in the middle":      {io.MultiReader(strings.NewReader("some "+token[:9]), iotest.ErrReader(errWire)), good, false},
		"message":            {io.MultiReader(strings.NewReader(`{"a":"`+token[:9]), iotest.ErrReader(errWire)), good, true},
		"nothing to mask by": {strings.NewReader("some " + token), bad, false},
	} {
		var out strings.Builder
		s := &stream{pipe: tt.pipe, sink: &sink{dst: &out}, set: tt.set, frames: tt.frames}
		if err := s.pass(); !errors.Is(err, ErrMasking) || !errors.Is(err, errWire) {
			t.Errorf("%s: %v, want ErrMasking", name, err)
		}
		if strings.Contains(out.String(), token[:9]) {
			t.Errorf("%s: passed on %q", name, out.String())
		}
	}
}

// refuse makes masking impossible before there is a child.
func refuse(x *trial) { x.req.Redact.MinFragment = 3 }

// TestNoMaskingNoChild: whatever the way in, what cannot be masked does not run, and the record says that nothing was started.
func TestNoMaskingNoChild(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	x := newTrial(t, map[string]string{"TOKEN": token}, "touch", ran)
	refuse(x)
	if _, err := x.run(); err == nil || x.agent.done[0].Failure != "start" {
		t.Errorf("run: %v, recorded %+v", err, x.agent.done)
	}
	x = newTrial(t, map[string]string{"TOKEN": token}, "/bin/sh")
	refuse(x)
	if s, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{}); err == nil || s != nil || x.agent.done[0].Failure != "start" {
		t.Errorf("session: %v, recorded %+v", err, x.agent.done)
	}
	f := &fake{secrets: map[string]string{"TOKEN": token}}
	var out strings.Builder
	err := Mask(t.Context(), f, MaskRequest{In: strings.NewReader(token), Out: &out, Redact: redact.Options{MinFragment: 3}})
	if err == nil || out.Len() > 0 || len(f.done) != 1 || f.done[0].Failure != "start" {
		t.Errorf("mask: %v, %q, recorded %+v", err, out.String(), f.done)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command ran")
	}
}

// TestSessionRefused: a session that the agent denies, or that asks for an empty list, has no shell.
func TestSessionRefused(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "/bin/sh")
	x.req.Wants = []Want{}
	if _, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{}); !errors.Is(err, ErrNothing) || len(x.agent.asked) > 0 {
		t.Errorf("an empty list: %v, asked %+v", err, x.agent.asked)
	}
	x.req.Wants, x.agent.deny = nil, errDenied
	if _, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{}); !errors.Is(err, errDenied) || len(x.agent.done) > 0 {
		t.Errorf("denied: %v, completed %+v", err, x.agent.done)
	}
	x.agent.deny, x.agent.secrets, x.req.Wants = nil, map[string]string{"TOKEN": "abc"}, []Want{{ref("TOKEN"), "TOKEN"}}
	if _, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{}); err == nil || x.agent.done[0].Failure != "start" {
		t.Errorf("a value that cannot be masked: %v, completed %+v", err, x.agent.done)
	}
	x.req.Argv = []string{"no-such-shell"}
	x.agent.asked = nil
	if _, err := OpenSession(t.Context(), x.agent, x.req, proc.Limits{}); !errors.Is(err, proc.ErrNotFound) || len(x.agent.asked) > 0 {
		t.Errorf("no shell: %v, asked %+v", err, x.agent.asked)
	}
}

// unrecorded is an agent whose log fails at the end.
type unrecorded struct{ *fake }

func (u unrecorded) Complete(context.Context, agent.Completion) error { return errWire }

// TestUnrecordedEnd: an end that is not on record is said: of a filter as its error, of a command, which has its own status, as a notice.
func TestUnrecordedEnd(t *testing.T) {
	f := unrecorded{&fake{secrets: map[string]string{"TOKEN": token}}}
	if err := Mask(t.Context(), f, MaskRequest{In: strings.NewReader("x"), Out: io.Discard}); !errors.Is(err, errWire) {
		t.Errorf("mask: %v", err)
	}
	x := newTrial(t, map[string]string{"TOKEN": token}, "true")
	if code, err := Run(t.Context(), unrecorded{x.agent}, x.req); code != 0 || err != nil || len(x.notices) != 1 || !strings.Contains(x.notices[0], "audit") {
		t.Errorf("run: %d, %v, notices %q", code, err, x.notices)
	}
}
