package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A pane is a real terminal, tmux's, with a shell in which a person types.
type pane struct {
	t      *testing.T
	w      *world
	socket string
}

// need skips a test for want of a program; where everything is to be tested, that is a failure.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is needed for this test", p)
			}
			t.Skipf("%s is not installed", p)
		}
	}
}

// ifThere skips a test of a program that is one more of its kind, and that few machines have.
func (p *pane) ifThere(program string) {
	if _, err := exec.LookPath(program); err != nil {
		p.t.Skipf("%s is not installed; vim and bash stand for its kind", program)
	}
}

func newPane(t *testing.T, w *world) *pane {
	need(t, "tmux", "bash")
	dir, err := os.MkdirTemp("", "ov") // short: a socket's path must be
	if err != nil {
		t.Fatal(err)
	}
	p := &pane{t, w, filepath.Join(dir, "s")}
	t.Cleanup(func() {
		p.tmux("kill-server")
		os.RemoveAll(dir)
	})
	rc := filepath.Join(dir, "rc")
	if err := os.WriteFile(rc, []byte("PS1='at> '\nov() { \"$OV_PROGRAM\" \"$@\"; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tmux", "-S", p.socket, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "bash --noprofile --rcfile "+rc)
	cmd.Dir, cmd.Env = w.work, append(w.environ(), "TERM=xterm-256color", "SHELL=/bin/bash", "HISTFILE=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v %s", err, out)
	}
	return p
}

func (p *pane) tmux(args ...string) string {
	out, _ := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...).CombinedOutput()
	return string(out)
}

// screen is what a person sees, and never holds the secret.
func (p *pane) screen() string {
	p.t.Helper()
	s := p.tmux("capture-pane", "-p", "-J")
	if strings.Contains(s, p.w.canary) {
		p.t.Fatalf("the secret is on the screen:\n%s", s)
	}
	return s
}

// await waits until the screen shows text.
func (p *pane) await(text string) {
	p.t.Helper()
	p.until("shows "+text, func(s string) bool { return strings.Contains(s, text) })
}

func (p *pane) until(what string, ok func(screen string) bool) {
	p.t.Helper()
	var s string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s = p.screen(); ok(s) {
			return
		}
	}
	p.t.Fatalf("never: the screen %s. It shows:\n%s", what, s)
}

// keys types: tmux's names of keys, or text.
func (p *pane) keys(keys ...string) { p.tmux(append([]string{"send-keys"}, keys...)...) }

// text types text and Enter.
func (p *pane) text(line string) {
	p.tmux("send-keys", "-l", line)
	p.keys("Enter")
}

// run gives the shell a command on a cleared screen.
func (p *pane) run(line string) {
	p.prompt()
	p.text("clear")
	p.until("is empty but for a prompt", func(s string) bool { return strings.TrimSpace(s) == "at>" })
	p.text(line)
}

// prompt waits for the shell's.
func (p *pane) prompt() {
	p.t.Helper()
	p.until("ends with a prompt", func(s string) bool { return strings.HasSuffix(strings.TrimRight(s, " \n"), "at>") })
}

// cooked checks that the terminal is as the shell left it.
func (p *pane) cooked(status string) {
	p.t.Helper()
	p.prompt()
	p.text(`echo "status $?"; stty -a | grep -ow -e -icanon -e icanon -e -echo -e echo -e -opost -e opost | xargs`)
	p.await("\nopost icanon echo\n")
	p.await("status " + status + "\n")
}

func TestAtATerminal(t *testing.T) {
	w := vaulted(t)
	p := newPane(t, w)
	w.must(t, "", "unlock")
	lines := filepath.Join(w.work, "lines")
	if err := os.WriteFile(lines, []byte(strings.Repeat("a line of text\n", 200)+"the last\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := func(name string, f func(p *pane), programs ...string) {
		t.Run(name, func(t *testing.T) {
			need(t, programs...)
			q := *p
			q.t = t
			f(&q)
		})
	}
	script("vim", func(p *pane) {
		p.run("ov run -- vim -n -u NONE " + lines)
		p.await("a line of text")
		p.text(":r !echo secret $CANARY end")
		p.await("secret [REDACTED:CANARY] end")
		p.keys("C-z")
		p.await("Stopped")
		p.prompt()
		p.run("fg")
		p.await("a line of text")
		p.keys("Escape")
		p.text(":q!")
		p.cooked("0")
	}, "vim")
	script("less", func(p *pane) {
		p.run("ov run -- less " + lines)
		p.await("a line of text")
		p.text("/the last")
		p.await("the last")
		p.keys("q")
		p.cooked("0")
	}, "less")
	script("git log and its pager", func(p *pane) {
		p.run("git init -q g; git -C g -c user.name=n -c user.email=e commit -q --allow-empty -m \"$(seq 60)\"; LESS= ov run -- git -C g log")
		p.await("Author: n <e>")
		p.keys("G")
		p.await("(END)")
		p.keys("q")
		p.cooked("0")
	}, "git", "less")
	script("python", func(p *pane) {
		p.run("ov run -- python3 -q -i")
		p.await(">>>")
		p.text("import os, getpass; os.environ['CANARY'] + ' end'")
		p.await("[REDACTED:CANARY] end")
		p.text("len(getpass.getpass('Type: '))")
		p.await("Type:")
		p.text("hunter22")
		p.await("8")
		if strings.Contains(p.screen(), "hunter22") {
			p.t.Error("a password was echoed")
		}
		p.keys("C-c")
		p.await("KeyboardInterrupt")
		p.keys("C-d")
		p.cooked("0")
	}, "python3")
	script("psql asks for a password", func(p *pane) {
		p.run("ov run -- psql -W -h 127.0.0.1 -p 1 -U nobody postgres")
		p.await("Password:")
		p.text("hunter22")
		p.await("refused")
		if strings.Contains(p.screen(), "hunter22") {
			p.t.Error("a password was echoed")
		}
		p.cooked("2")
	}, "psql")
	script("npm", func(p *pane) {
		p.run("ov run -- npm --version")
		p.until("shows a version", func(s string) bool { return strings.Count(s, ".") >= 2 })
		p.cooked("0")
	}, "npm")
	script("two pipes of the shell", func(p *pane) {
		p.run(`ov run -- diff <(echo one) <(echo "$(cat canary)")`)
		p.await("< one")
		p.await("> [REDACTED:CANARY]")
		p.cooked("1")
	}, "diff")
	script("htop", func(p *pane) {
		p.ifThere("htop")
		p.run("ov run -- env HTOPRC=/dev/null htop -d 5")
		p.await("Load average")
		p.await("F10")
		p.tmux("resize-window", "-x", "90", "-y", "20")
		p.until("fits the new size", func(s string) bool { return strings.Contains(s, "F10") && len(strings.Split(s, "\n")) <= 21 })
		p.keys("F2") // its setup, and back
		p.await("Categories")
		p.keys("Escape")
		p.until("is back", func(s string) bool { return !strings.Contains(s, "Categories") && strings.Contains(s, "F10") })
		p.keys("q")
		p.cooked("0")
		p.tmux("resize-window", "-x", "100", "-y", "30")
	})
	script("zsh", func(p *pane) {
		p.ifThere("zsh")
		p.run("SHELL=$(command -v zsh) PS1='z> ' ov run -- zsh -f -i")
		p.await("z>")
		p.text("echo first $CANARY end")
		p.await("first [REDACTED:CANARY] end")
		p.keys("Up") // its own line editor
		p.await("z> echo first $CANARY end")
		p.keys("C-a", "C-k")
		p.text("sleep 1000")
		time.Sleep(300 * time.Millisecond)
		p.keys("C-z")
		p.await("suspended")
		p.text("jobs; kill %1; wait; echo job $?")
		p.await("terminated")
		p.text("exit 6")
		p.cooked("6")
	})
	script("ssh", func(p *pane) {
		p.run("ov run -- ssh -V")
		p.await("OpenSSH")
		p.cooked("0")
	}, "ssh")
}

func TestJobsAtATerminal(t *testing.T) {
	w := vaulted(t)
	p := newPane(t, w)
	w.must(t, "", "unlock")

	p.run("ov run -- sleep 1000") // Ctrl-C
	p.await("1 secret")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-c")
	p.cooked("130")

	p.run("ov run -- sleep 1000 | cat") // Ctrl-Z and fg of a pipeline, Ctrl-C of all of it
	p.await("1 secret")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-z")
	p.await("Stopped")
	p.run("fg")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-c")
	p.prompt()

	p.run("ov run -- cat | cat") // asks for keys when it needs them
	p.await("1 secret")
	p.text("hello")
	p.until("shows it twice", func(s string) bool { return strings.Count(s, "hello") >= 2 })
	p.keys("C-d")
	p.cooked("0")

	p.run("ov run -- sh -c 'yes line | head -100' | less") // the pager has the keys
	p.await("line\nline\n")
	p.keys("C-z")
	p.await("Stopped")
	p.run("fg")
	p.await("line\nline\n")
	p.keys("q")
	p.prompt()

	p.run("\"$OV_PROGRAM\" run -- sleep 1000 </dev/null >/dev/null 2>&1") // Ctrl-Z without a terminal of the command's own
	time.Sleep(300 * time.Millisecond)
	p.keys("C-z")
	p.await("Stopped")
	p.run("fg")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-c")
	p.cooked("130")

	p.run("ov run -- sleep 1000 &") // in the background
	p.await("1 secret")
	p.text("jobs")
	p.await("Running")
	p.text("fg")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-c")
	p.prompt()

	p.run("ov run -- cat &") // in the background, and wants keys: stopped, as any other
	p.until("shows the job as stopped", func(s string) bool {
		if !strings.Contains(s, "Stopped") {
			p.keys("Enter")
		}
		return strings.Contains(s, "Stopped")
	})
	p.run("fg")
	p.text("to the foreground")
	p.until("shows it twice", func(s string) bool { return strings.Count(s, "to the foreground") >= 2 })
	p.keys("C-d")
	p.prompt()

	p.run(`ov run -- sh -c 'echo $CANARY >/dev/tty; echo out' | cat`) // around the pipe
	p.await("[REDACTED:CANARY]")
	p.await("out")

	p.run(`ov run -- bash -c 'printf "%s\033[31m%s\033[0m%s end\n" "${CANARY:0:5}" "${CANARY:5:6}" "${CANARY:11}"'`) // colours in the middle
	p.await("[REDACTED:CANARY]")

	p.run("ov run -- sh -c 'kill -9 $PPID'") // the session leader is killed: its child is too, and ov says so
	p.await("session leader was killed")
	p.cooked("125")
}

func TestShell(t *testing.T) {
	w := vaulted(t)
	p := newPane(t, w)
	w.must(t, "", "unlock")
	p.run("ov shell")
	p.await("(ov ")
	p.text("echo $CANARY; cd /usr; pwd")
	p.await("[REDACTED:CANARY]")
	p.await("/usr")
	p.text("sleep 1000")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-z")
	p.await("Stopped")
	p.text("fg")
	time.Sleep(300 * time.Millisecond)
	p.keys("C-c")
	p.text("exit 7")
	p.cooked("7")

	if r := w.ov(t, "", "shell"); r.code != 125 || !strings.Contains(r.stderr, "needs a terminal") {
		t.Errorf("without a terminal: %d, %s", r.code, r.stderr)
	}
}

// A program that waits for an answer has shown all of its question, however many secrets its end might begin.
func TestPromptsAtATerminal(t *testing.T) {
	w := vaulted(t)
	w.must(t, "", "unlock")
	r := rand.New(rand.NewPCG(7, 50)) // always the same: a secret whose digits begin with 1230 may hold a clock back
	for i := range 50 {
		value := fmt.Sprintf("%x", []uint64{r.Uint64(), r.Uint64(), r.Uint64()})
		if i%2 == 0 {
			value = base64.StdEncoding.EncodeToString([]byte(value)[1:25])
		}
		w.must(t, strings.Trim(value, "[]"), "secret", "set", fmt.Sprintf("S%d", i), "--stdin")
	}
	p := newPane(t, w)
	for _, prompt := range []string{"bash-5.2# ", "host% ", ">>> ", "12:30 $ ", "(venv) user@host:~/x$ ", "mysql> ", "Password: ", "Go on? [y/N] ", "root@3f2a:/# ", "db=# "} {
		p.run(fmt.Sprintf(`ov run -- bash -c 'printf "%%s" "$1"; read -r answer; echo "got $answer"' x '%s'`, prompt))
		p.until("ends with "+prompt, func(s string) bool {
			return strings.HasSuffix(strings.TrimRight(s, " \n"), "\n"+strings.TrimRight(prompt, " "))
		})
		p.text("this")
		p.await("got this")
	}
}
