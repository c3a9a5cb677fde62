package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

const fresh = "new-8Kd02mXq71pLz4"

func newTake(t *testing.T, script string) *trial {
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", script)
	x.req.Take = &Take{Name: "TOKEN"}
	return x
}

// TestTake: the value goes to nobody but the caller, in no encoding, and what
// the child says about it is masked as if it had been known.
func TestTake(t *testing.T) {
	x := newTake(t, `echo "made `+fresh+` for $TOKEN" >&2; printf %s `+fresh+` | base64 >&2; echo `+fresh)
	x.ok(0, "", "made [REDACTED:TOKEN] for [REDACTED:TOKEN]\n[REDACTED:TOKEN]\n")
	if got := string(x.req.Take.Value.Reveal()); got != fresh {
		t.Errorf("took %q", got)
	}
}

// TestTakeStatus: the child's status is told, and its words, when it makes none.
func TestTakeStatus(t *testing.T) {
	x := newTake(t, `echo "cannot sign in with $TOKEN" >&2; exit 4`)
	x.ok(4, "", "cannot sign in with [REDACTED:TOKEN]\n")
	if n := x.req.Take.Value.Len(); n != 0 {
		t.Errorf("took %d bytes of nothing", n)
	}
}

// TestTakeTooLong: more than a value can hold is no value, and stderr, which
// may hold it, is not shown.
func TestTakeTooLong(t *testing.T) {
	x := newTake(t, `echo whole `+fresh+` >&2; head -c 70000 /dev/zero | tr '\0' x`)
	_, err := x.run()
	if !errors.Is(err, ErrTake) || !errors.Is(err, secret.ErrTooLong) {
		t.Errorf("%v, want ErrTake", err)
	}
	if got := x.stdout.String() + x.stderr.String(); got != "" {
		t.Errorf("printed %q", got)
	}
}

// TestAttackTakeCutOff: a child that prints the value on stderr and is cut off
// in the middle of it on stdout, by a timeout, a signal or its own failure,
// shows neither half: what is known is not all of it.
func TestAttackTakeCutOff(t *testing.T) {
	const half = `printf 'issued ` + fresh + `\n' >&2; printf %s new-8Kd02m; `
	for end, timeout := range map[string]time.Duration{"sleep 60": 500 * time.Millisecond, "kill -KILL $$": 0, "exit 9": 0} {
		x := newTake(t, half+end)
		x.req.Timeout, x.req.Grace = timeout, 100*time.Millisecond
		code, err := x.run()
		if code == 0 && err == nil {
			t.Errorf("%s: it ended well", end)
		}
		if shown := x.stdout.String() + x.stderr.String() + errText(err); shown != "" && strings.Contains(shown, "Xq71pLz4") {
			t.Errorf("%s: shown is %q", end, shown)
		}
		if !strings.Contains(strings.Join(x.notices, "\n"), "not shown") {
			t.Errorf("%s: nobody is told: %q", end, x.notices)
		}
	}
}

// TestTakeFlood: a child that floods stderr is drained, and ends.
func TestTakeFlood(t *testing.T) {
	x := newTake(t, `head -c 3000000 /dev/zero | tr '\0' y >&2; echo `+fresh)
	if code, err := x.run(); code != 0 || err != nil {
		t.Fatalf("%d, %v", code, err)
	}
	if n := x.stderr.Len(); n != maxHeld || strings.Trim(x.stderr.String(), "y") != "" {
		t.Errorf("%d bytes of stderr, want the first %d", n, maxHeld)
	}
}
