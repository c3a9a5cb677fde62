//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hostile builds the child that attacks, once.
var hostile = sync.OnceValues(func() (string, error) {
	dir, err := programs()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "hostile"), "./testdata/hostile")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "hostile"), nil
})

// surrounded is a world with an unlocked vault whose ov runs hostile children, and
// whose processes are not root's: what root may do is not what a child may.
func surrounded(t *testing.T) func(args ...string) result {
	t.Helper()
	child, err := hostile()
	if err != nil {
		t.Fatal(err)
	}
	w := vaulted(t)
	var as *syscall.Credential
	if os.Getuid() == 0 {
		as = &syscall.Credential{Uid: 65534, Gid: 65534}
		w.give(t, 65534)
		t.Cleanup(func() { w.give(t, 0) })
		if err := os.Chmod(filepath.Dir(child), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) *exec.Cmd {
		cmd := w.command(args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		return cmd
	}
	if out, err := command("unlock").CombinedOutput(); err != nil {
		t.Fatalf("unlock: %v %s", err, out)
	}
	t.Cleanup(func() { command("agent", "stop").Run() })
	return func(args ...string) result {
		t.Helper()
		cmd := command(append([]string{"run", "--", child}, args...)...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		cmd.WaitDelay = time.Minute
		cmd.Run()
		ended := cmd.ProcessState.Sys().(syscall.WaitStatus)
		code := ended.ExitStatus()
		if ended.Signaled() {
			code = 128 + int(ended.Signal())
		}
		r := result{stdout: stdout.String(), stderr: stderr.String(), code: code}
		for how, form := range forms(w.canary) {
			if strings.Contains(r.stdout+r.stderr, string(form)) {
				t.Errorf("%q: the value came out (%s)", args, how)
			}
		}
		for _, dump := range []string{"goroutine ", "PC=", "rax ", "runtime.", "panic"} {
			if strings.Contains(r.stderr, dump) {
				t.Errorf("%q: stderr shows the inside of ov: %.300q", args, r.stderr)
			}
		}
		return r
	}
}

// give makes everything of the world another user's.
func (w *world) give(t *testing.T, uid int) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(w.work), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Signals of faults, which the Go runtime answers with registers and a traceback,
// end the run with 125 and a line.
func TestSignalsOfFaults(t *testing.T) {
	run := surrounded(t)
	for _, s := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGSYS, syscall.SIGTRAP} {
		r := run("signal", strconv.Itoa(int(s)))
		if want := "ov: ended by a signal: " + s.String() + "\n"; r.code != 125 || r.stderr != want {
			t.Errorf("%v: %d, %q, want 125 and %q", s, r.code, r.stderr, want)
		}
	}
}

// Whatever else a child sends, the run goes on and masks, or ends and says nothing.
func TestEverySignal(t *testing.T) {
	run := surrounded(t)
	skip := []int{int(syscall.SIGKILL), int(syscall.SIGSTOP), int(syscall.SIGTSTP), int(syscall.SIGTTIN), int(syscall.SIGTTOU)}
	for n := 1; n <= 64; n++ {
		if slices.Contains(skip, n) || n == 32 || n == 33 {
			continue
		}
		if !big() && n > 34 {
			break
		}
		r := run("signal", strconv.Itoa(n))
		masked := r.code == 0 && r.stdout == "[REDACTED:CANARY]\n"
		if !masked && r.code != 125 && r.code != 128+n {
			t.Errorf("signal %d: %d, %q, %q", n, r.code, r.stdout, r.stderr)
		}
	}
}

// The memory, the environment and the files of ov are closed to its child.
func TestNothingToSeeInTheParent(t *testing.T) {
	run := surrounded(t)
	if r := run("look"); r.code != 0 || r.stdout != "looked [REDACTED:CANARY]\n" {
		t.Errorf("%d, the child could do this:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// A child may limit what its parent gets of the system. It gets no more out of
// that than an end.
func TestLimitedByTheChild(t *testing.T) {
	run := surrounded(t)
	for name, limit := range map[string][2]uint64{
		"address space": {syscall.RLIMIT_AS, 1 << 20}, "data": {syscall.RLIMIT_DATA, 1 << 16}, "descriptors": {syscall.RLIMIT_NOFILE, 0},
		"file size": {syscall.RLIMIT_FSIZE, 0}, "stack": {syscall.RLIMIT_STACK, 4096}, "processes": {6, 0}, "locked memory": {8, 0}, "core": {syscall.RLIMIT_CORE, 1 << 40},
	} {
		r := run("limit", strconv.Itoa(int(limit[0])), strconv.FormatUint(limit[1], 10))
		if r.code != 0 && r.code != 125 && r.code != 128+int(syscall.SIGABRT) || r.code == 0 && !strings.HasPrefix(r.stdout, "[REDACTED:CANARY]xxx") {
			t.Errorf("%s: %d, %.80q, %q", name, r.code, r.stdout, r.stderr)
		}
	}
}

// What the child types at its terminal is not typed at ours, and modes that it
// leaves behind are not ours.
func TestChildAtTheTerminal(t *testing.T) {
	child, err := hostile()
	if err != nil {
		t.Fatal(err)
	}
	w := vaulted(t)
	p := newPane(t, w)
	p.run("ov run -- " + child + " type; echo status $?")
	p.await("status 0")
	p.run("echo aft''er")
	p.await("after")
	if s := p.screen(); strings.Contains(s, "INJECTED") {
		t.Errorf("what the child typed was run by our shell:\n%s", s)
	}
	p.run("ov run -- " + child + " modes")
	p.cooked("137")
}

// Places and descriptors that few think of: what docs/run.md says of each.
func TestOddPlaces(t *testing.T) {
	w := vaulted(t)
	w.must(t, "", "unlock")
	for _, c := range []struct {
		name, script string
		code         int
		stdout       string // exactly, or what it begins with
		stderr       string // part of it
	}{
		{"stdin closed", `"$OV_PROGRAM" run -- cat <&-`, 0, "", ""},
		{"stdout closed", `"$OV_PROGRAM" run -- sh -c 'echo $CANARY; exit 3' >&-`, 3, "", ""},
		{"stderr closed", `"$OV_PROGRAM" run -- sh -c 'echo $CANARY; echo $CANARY >&2' 2>&-`, 0, "[REDACTED:CANARY]\n", ""},
		{"all closed", `"$OV_PROGRAM" run -- sh -c 'exit 4' <&- >&- 2>&-`, 4, "", ""},
		{"the child closes its stdout", `"$OV_PROGRAM" run -- sh -c 'exec >&-; sleep 0.1; echo $CANARY >&2; exit 5'`, 5, "", "[REDACTED:CANARY]"},
		{"full", `"$OV_PROGRAM" run -- sh -c 'echo $CANARY' >/dev/full`, 125, "", "no space left"},
		{"directory gone", `mkdir gone && cd gone && rmdir ../gone && "$OV_PROGRAM" run -- pwd`, 125, "", "working directory"},
		{"many descriptors", `i=10; while [ $i -lt 900 ]; do eval "exec $i</dev/null"; i=$((i+1)); done; "$OV_PROGRAM" run -- sh -c 'ls /proc/self/fd | wc -l'`, 0, "4\n", ""}, // one is ls's own
		{"large environment", `A=$(head -c 100000 /dev/zero | tr '\0' x); export A; B=$A; export B; "$OV_PROGRAM" run -- sh -c 'echo ${#A} ${#B}'`, 0, "100000 100000\n", ""},
		{"nobody reads", `"$OV_PROGRAM" run --timeout 1s -- flood | sleep 3; echo ${PIPESTATUS[0]}`, 0, "125\n", "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command("bash", "-c", c.script)
			cmd.Dir, cmd.Env = w.work, append(w.environ(), "FLOOD=100")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != c.code || stdout.String() != c.stdout || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("%d, %q, %q, want %d, %q, %q", code, stdout.String(), stderr.String(), c.code, c.stdout, c.stderr)
			}
			if strings.Contains(stdout.String()+stderr.String(), w.canary) {
				t.Error("the value came out")
			}
		})
	}
	t.Run("no /proc", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root can take /proc away")
		}
		if out, err := exec.Command("unshare", "-m", "umount", "-l", "/proc").CombinedOutput(); err != nil {
			t.Skipf("no mount namespace of our own here: %s", out)
		}
		for _, c := range []struct {
			flags, stdout string
			code          int
		}{{"", "[REDACTED:CANARY]\n", 4}, {"--pty", "", 125}} {
			cmd := exec.Command("unshare", "-m", "sh", "-c", `umount -l /proc; "$OV_PROGRAM" run `+c.flags+` -- sh -c 'echo $CANARY; exit 4'`)
			cmd.Dir, cmd.Env = w.work, w.environ()
			out, _ := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); code != c.code || string(out) != c.stdout {
				t.Errorf("%q: %d, %q, want %d, %q", c.flags, code, out, c.code, c.stdout)
			}
		}
	})
}
