//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bash runs a script in the world's folder and holds that the value is in nothing that it printed.
func (w *world) bash(t *testing.T, script string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir, cmd.Env = w.work, w.environ()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String()+errs.String(), w.canary) {
		t.Errorf("%s: the value came out", script)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestTightPlaces: what a run needs of the system is short. It works or fails and says so; the value comes out of neither.
func TestTightPlaces(t *testing.T) {
	w := vaulted(t)
	w.must(t, random(48000), "secret", "set", "big/BIG", "--stdin", "--raw")
	w.must(t, "", "unlock")
	const run = `"$OV_PROGRAM" run `
	for _, c := range []struct {
		name, script string
		code         int
		stdout       string // exactly
		stderr       string // part of it
	}{
		// 128 KiB are what a stack of half a megabyte leaves for arguments and environment.
		{"E2BIG", `export PAD=$(head -c 90000 /dev/zero | tr '\0' x); ulimit -s 512; ` + run + `--env big -- sh -c 'echo ran'`, 126, "", "argument list too long"},
		{"E2BIG at a terminal", `export PAD=$(head -c 90000 /dev/zero | tr '\0' x); ulimit -s 512; ` + run + `--pty --env big -- sh -c 'echo ran'`, 126, "", "argument list too long"},
		{"the way out of it", `export PAD=$(head -c 90000 /dev/zero | tr '\0' x); ulimit -s 512; ` + run + `--env big --deliver BIG=file -- sh -c 'wc -c <$BIG_FILE'`, 0, "64000\n", ""},
		{"no TMPDIR", `TMPDIR=/nonexistent ` + run + `-- sh -c 'echo $CANARY'`, 0, "[REDACTED:CANARY]\n", ""},
		{"a file without TMPDIR", `TMPDIR=/nonexistent ` + run + `--deliver CANARY=file -- sh -c 'cat $CANARY_FILE'`, 0, "[REDACTED:CANARY]", ""},
		{"no /dev/tty", `setsid -w ` + run + `-- sh -c '(: </dev/tty) 2>/dev/null || echo none; echo $CANARY'`, 0, "none\n[REDACTED:CANARY]\n", ""},
		{"a reader that is satisfied", run + `-- sh -c 'while echo $CANARY; do :; done' | head -1; echo ${PIPESTATUS[0]}`, 0, "[REDACTED:CANARY]\n141\n", ""},
		{"a child deaf to that", run + `-- sh -c 'trap "" PIPE; while echo $CANARY; do :; done 2>/dev/null; exit 9' | head -1; echo ${PIPESTATUS[0]}`, 0, "[REDACTED:CANARY]\n9\n", ""},
		{"a grandchild that prints for ever", run + `-- sh -c '(while echo $CANARY; do sleep 0.1; done) & exit 6' | tail -1; echo ${PIPESTATUS[0]}`, 0, "[REDACTED:CANARY]\n6\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := w.bash(t, c.script)
			if code != c.code || stdout != c.stdout || !strings.Contains(stderr, c.stderr) {
				t.Errorf("%d, %.300q, %.300q, want %d, %q, %q", code, stdout, stderr, c.code, c.stdout, c.stderr)
			}
		})
	}
	t.Run("limits", func(t *testing.T) {
		var worked []string
		for _, limit := range []string{"-n 5", "-n 8", "-n 12", "-n 32", "-v 900000", "-v 1300000", "-v 1700000", "-v 6000000"} {
			code, stdout, stderr := w.bash(t, "ulimit "+limit+"; "+run+`-- sh -c 'echo $CANARY'`)
			switch {
			case code == 0 && stdout == "[REDACTED:CANARY]\n":
				worked = append(worked, limit)
			case code == 0 || stdout != "" && stdout != "[REDACTED:CANARY]\n":
				t.Errorf("ulimit %s: %d, %q, %.300q", limit, code, stdout, stderr)
			}
		}
		if text := strings.Join(worked, ","); !strings.Contains(text, "-n 32") || !strings.Contains(text, "-v 6000000") {
			t.Errorf("it worked with %s only", text)
		}
	})
	t.Run("mounts", func(t *testing.T) {
		if os.Getuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
			t.Skip("only root can mount what is wanted here")
		}
		ptys := `mount -t devpts -o newinstance,ptmxmode=0666,max=1 x /dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx && exec 7<>/dev/ptmx; ` +
			run + `--pty -- echo ran; echo $?; ` + run + `-- sh -c "echo \$CANARY"`
		code, stdout, stderr := w.bash(t, "unshare -m bash -c '"+ptys+"'")
		if code != 0 || stdout != "125\n[REDACTED:CANARY]\n" {
			t.Errorf("no pseudo-terminals: %d, %q, %q", code, stdout, stderr)
		}
	})
}

// TestManyDescriptors: a caller that has tens of thousands of files open passes on none of them.
func TestManyDescriptors(t *testing.T) {
	w := vaulted(t)
	w.must(t, "", "unlock")
	const many = 100_000
	limit := syscall.Rlimit{Cur: 2*many + 100, Max: 2*many + 100} // who starts the program has each twice for a moment
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {  // only root may
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	n := min(many, int(limit.Max-100)/2)
	t.Logf("%d descriptors", n)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	files := []uintptr{null.Fd(), out.Fd(), out.Fd()}
	for len(files) < n {
		files = append(files, null.Fd())
	}
	argv := []string{"ov", "run", "--", "sh", "-c", "ls /proc/self/fd | wc -l; echo $CANARY"}
	pid, err := syscall.ForkExec(w.env["OV_PROGRAM"], argv, &syscall.ProcAttr{Dir: w.work, Env: w.environ(), Files: files})
	out.Close()
	if err != nil {
		t.Fatalf("%d descriptors: %v", n, err)
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws.ExitStatus() != 0 || text.String() != "4\n[REDACTED:CANARY]\n" { // one is ls's own
		t.Errorf("%d descriptors: %v, %v, %q", n, ws.ExitStatus(), err, text.String())
	}
}

// TestStopped: who stops ov stops ov, and not who happens to be in its group; when it goes on nothing is lost.
func TestStopped(t *testing.T) {
	w := vaulted(t)
	w.must(t, "", "unlock")
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGTSTP} {
		ov := exec.Command(w.env["OV_PROGRAM"], "run", "--", "sh", "-c", `for i in 1 2 3 4 5 6; do echo $i $CANARY; sleep 0.2; done`)
		ov.Dir, ov.Env = w.work, w.environ()
		var out bytes.Buffer
		ov.Stdout = &out
		ov.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		neighbour := exec.Command("sleep", "60")
		if err := ov.Start(); err != nil {
			t.Fatal(err)
		}
		neighbour.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: ov.Process.Pid}
		if err := neighbour.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // any moment of the run will do
		if err := ov.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		stopped := false
		for end := time.Now().Add(10 * time.Second); !stopped && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			stopped = strings.HasPrefix(stateOf(ov.Process.Pid), "T")
		}
		if state := stateOf(neighbour.Process.Pid); !stopped || strings.HasPrefix(state, "T") {
			t.Errorf("%v: ov stopped: %v; its neighbour is %q", sig, stopped, state)
		}
		if err := ov.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if err := ov.Wait(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		var want strings.Builder
		for i := 1; i <= 6; i++ {
			fmt.Fprintf(&want, "%d [REDACTED:CANARY]\n", i)
		}
		if out.String() != want.String() {
			t.Errorf("%v: %q", sig, out.String())
		}
		neighbour.Process.Kill()
		neighbour.Wait()
	}
}

// stateOf is the letter that ps(1) shows.
func stateOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest
}
