//go:build linux || darwin

package proc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// shells are those present that a session can have.
func shells(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range []string{"/bin/sh", "bash", "dash", "zsh", "busybox"} {
		if path, err := exec.LookPath(name); err == nil && name != "busybox" {
			all = append(all, path)
		}
	}
	if len(all) == 0 {
		t.Fatal("no shell at all")
	}
	return all
}

func open(t *testing.T, shell string, limits Limits) *Session {
	t.Helper()
	n, err := StartSession(Spec{Path: shell, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "GIVEN=yes"}, Dir: "/"}, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func ask(t *testing.T, n *Session, argv ...string) (out, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	st, err := n.Run(ctx, argv, &o, &e)
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return o.String(), e.String(), st.Exit()
}

func TestSession(t *testing.T) {
	for _, shell := range shells(t) {
		t.Run(shell, func(t *testing.T) {
			n := open(t, shell, Limits{})
			for _, c := range []struct {
				argv        []string
				out, stderr string
				code        int
			}{
				{[]string{"pwd"}, "/\n", "", 0},
				{[]string{"cd", "/usr"}, "", "", 0},
				{[]string{"pwd"}, "/usr\n", "", 0},
				{[]string{"export", "A=x y'z\"$HOME`pwd`\\\n*"}, "", "", 0},
				{[]string{"sh", "-c", `printf %s "$A"`}, "x y'z\"$HOME`pwd`\\\n*", "", 0},
				{[]string{"printenv", "GIVEN"}, "yes\n", "", 0},
				{[]string{"printf", `%s|`, "a b", "", "$(x)", "é\xff", "\n\n", "~", "*", "-n"}, "a b||$(x)|é\xff|\n\n|~|*|-n|", "", 0},
				{[]string{"sh", "-c", "echo out; echo err >&2; exit 7"}, "out\n", "err\n", 7},
				{[]string{"false"}, "", "", 1},
				{[]string{"sh", "-c", "kill -TERM $$"}, "", "", 143},
				{[]string{"cat"}, "", "", 0},                    // an empty stdin, not the commands to come
				{[]string{"sh", "-c", "echo 0 >&3"}, "", "", 2}, // no way to tell a status
				{[]string{"sh", "-c", "ls /proc/self/fd >/dev/null"}, "", "", 0},
				{[]string{"set", "-e"}, "", "", 0},
				{[]string{"false"}, "", "", 1},
				{[]string{"set", "+e"}, "", "", 0},
				{[]string{"sh", "-c", "yes | head -c 3000000 | tr -d '\\n'; printf end"}, strings.Repeat("y", 1500000) + "end", "", 0},
			} {
				out, stderr, code := ask(t, n, c.argv...)
				if c.argv[len(c.argv)-1] == "echo 0 >&3" {
					if stderr == "" || code == 0 {
						t.Errorf("descriptor 3 is open to commands: %q %d", stderr, code)
					}
					continue
				}
				if c.code == 143 { // some shells say what became of it
					stderr = ""
				}
				if out != c.out || stderr != c.stderr || code != c.code {
					t.Errorf("%q: got %.80q, %.80q, %d", c.argv, out, stderr, code)
				}
			}
			if _, stderr, code := ask(t, n, "no-such-command-here"); code != 127 || stderr == "" {
				t.Errorf("unknown command: %d %q", code, stderr)
			}
			// The shell's own end is the command's status; later commands say so.
			if _, _, code := ask(t, n, "exit", "3"); code != 3 {
				t.Errorf("exit: %d", code)
			}
			if _, err := n.Run(context.Background(), []string{"true"}, nil, nil); !errors.Is(err, ErrSessionEnded) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// A session survives that its user gives the driver's own words another meaning, and
// keeps that meaning for the user, but for "command" alone.
func TestSessionRedefinedWords(t *testing.T) {
	for _, shell := range shells(t) {
		t.Run(shell, func(t *testing.T) {
			n := open(t, shell, Limits{})
			for _, word := range []string{"printf", "read", "eval", "test", "command", "echo", "[", "true", "exec", "set", "cd"} {
				if word == "[" && strings.HasSuffix(shell, "sh") && !strings.HasSuffix(shell, "bash") {
					continue // no name for a function there
				}
				if special := word == "eval" || word == "exec" || word == "set"; special && !strings.HasSuffix(shell, "bash") {
					continue // POSIX lets nobody redefine these
				}
				ask(t, n, "eval", word+"() { return 9; }")
				if _, _, code := ask(t, n, "sh", "-c", "exit 3"); code != 3 {
					t.Errorf("after %s is a function: status %d, want 3", word, code)
				}
			}
			n = open(t, shell, Limits{})
			ask(t, n, "eval", "printf() { /bin/echo mine; }")
			if out, _, code := ask(t, n, "printf", "x"); out != "mine\n" || code != 0 {
				t.Errorf("the user's own function: %q, %d", out, code)
			}
			ask(t, n, "eval", "alias printf=false command=false read=false; IFS=; set -f; set -u; PATH=")
			if _, _, code := ask(t, n, "/bin/sh", "-c", "exit 4"); code != 4 {
				t.Errorf("after aliases and options: status %d, want 4", code)
			}
		})
	}
}

func TestSessionCancel(t *testing.T) {
	n := open(t, "/bin/sh", Limits{})
	for _, argv := range [][]string{
		{"sleep", "1000"},
		{"sh", "-c", "trap '' TERM; sleep 1000; sleep 1000"},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err := n.Run(ctx, argv, io.Discard, io.Discard)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: %v", argv, err)
		}
		if out, _, code := ask(t, n, "echo", "still here"); out != "still here\n" || code != 0 {
			t.Errorf("after %q: %q %d", argv, out, code)
		}
	}
	// The shell itself does not come back: the session is over.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Run(ctx, []string{"eval", "while :; do :; done"}, os.Stdout, os.Stderr); !errors.Is(err, ErrSessionEnded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestSessionLimits(t *testing.T) {
	n := open(t, "/bin/sh", Limits{Idle: 100 * time.Millisecond})
	ask(t, n, "sleep", "0.3") // at work is not idle
	<-n.Done()
	if _, err := n.Run(context.Background(), []string{"true"}, nil, nil); !errors.Is(err, ErrIdle) {
		t.Error(err)
	}
	n = open(t, "/bin/sh", Limits{Hard: 100 * time.Millisecond})
	if _, err := n.Run(context.Background(), []string{"sleep", "1000"}, io.Discard, io.Discard); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
}

// Commands that are sent at once run one after the other, each with its own output.
func TestSessionTurns(t *testing.T) {
	n := open(t, "/bin/sh", Limits{})
	done := make(chan string)
	for range 8 {
		go func() {
			var out bytes.Buffer
			var errs bytes.Buffer
			_, err := n.Run(context.Background(), []string{"sh", "-c", "echo a; sleep 0.01; echo b"}, &out, &errs)
			if err != nil || errs.Len() > 0 {
				t.Errorf("%v, %q", err, errs.String())
			}
			done <- out.String()
		}()
	}
	for range 8 {
		if got := <-done; got != "a\nb\n" {
			t.Errorf("got %q", got)
		}
	}
}
