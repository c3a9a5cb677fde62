package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/disktest"
)

// big says that `make attack` runs: the same tests at their full size.
func big() bool { return os.Getenv("ATTACK") != "" }

func size(small, full int) int {
	if big() {
		return full
	}
	return small
}

// An outcome of a program: what it printed and how it ended.
type result struct {
	stdout, stderr string
	code           int
	usage          *syscall.Rusage
}

// start prepares ov in w.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.env["OV_PROGRAM"], args...)
	cmd.Env, cmd.Dir = w.environ(), w.work
	return cmd
}

// ov runs ov in w.
func (w *world) ov(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	cmd := w.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), cmd.ProcessState.SysUsage().(*syscall.Rusage)}
}

// must is ov where nothing but success will do.
func (w *world) must(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	r := w.ov(t, stdin, args...)
	if r.code != 0 {
		t.Fatalf("ov %s exits %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// vaulted returns a world with a vault and the canary stored as CANARY.
func vaulted(t testing.TB) *world {
	w := newWorld(t, t.TempDir())
	t.Cleanup(func() { w.leave(t) })
	w.must(t, "", "vault", "init", "--kit", filepath.Join(w.work, "kit"))
	w.must(t, w.canary, "secret", "set", "CANARY", "--stdin")
	return w
}

// names lists what the vault holds.
func (w *world) names(t testing.TB) []string {
	t.Helper()
	var list []struct{ Name string }
	if err := json.Unmarshal([]byte(w.must(t, "", "secret", "list", "--json").stdout), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

// Five secrets in the environment, and the whole environment printed three ways.
func TestFiveSecrets(t *testing.T) {
	w := vaulted(t)
	values := map[string]string{"CANARY": w.canary, "PEM": "-----BEGIN KEY-----\nMIIEvQ" + random(30) + "\n" + random(48) + "\n-----END KEY-----",
		"JSON": `{"user":"svc","key":"` + random(24) + `"}`, "URL": "postgres://app:" + random(12) + "@db.example.com/x?a=b&c=d", "SPACED": "correct horse " + random(9)}
	for name, value := range values {
		w.must(t, value, "secret", "set", name, "--stdin", "--raw")
	}
	r := w.must(t, "", "run", "--", "sh", "-c", "env; env | base64 -w0; echo; env | xxd -p 2>/dev/null | tr -d '\n'; env >&2")
	for name, value := range values {
		if !strings.Contains(r.stdout, name+"=[REDACTED:"+name+"]") || !strings.Contains(r.stderr, "[REDACTED:"+name+"]") {
			t.Errorf("%s is not in the environment, or not masked:\n%s", name, r.stdout)
		}
		for how, form := range forms(value) {
			if strings.Contains(r.stdout+r.stderr, string(form)) {
				t.Errorf("%s came back (%s)", name, how)
			}
		}
	}
}

// What is not masked is passed on as it is.
func TestBytesPassUnchanged(t *testing.T) {
	w := vaulted(t)
	in := "\x00\xff\xfe caf\xe9\r\n\x1b[31mred\x1b[0m " + random(3000) + " no newline at the end"
	if r := w.must(t, in, "run", "--", "cat"); r.stdout != in {
		t.Errorf("%d bytes went in, %d came out or they differ", len(in), len(r.stdout))
	}
}

func TestBrokenPipe(t *testing.T) {
	w := vaulted(t)
	sh := exec.Command("bash", "-c", `set -o pipefail; "$OV_PROGRAM" run -- yes | head -1`)
	sh.Env, sh.Dir = w.environ(), w.work
	done := time.AfterFunc(time.Minute, func() { sh.Process.Kill() })
	defer done.Stop()
	out, _ := sh.CombinedOutput()
	if code := sh.ProcessState.ExitCode(); string(out) != "y\n" || code != 141 {
		t.Errorf("printed %q, status %d, want y and 141", out, code)
	}
}

// Writers at once: each one that was told "stored" has stored.
func TestWritersAtOnce(t *testing.T) {
	w := vaulted(t)
	w.must(t, "", "unlock")
	var wg sync.WaitGroup
	codes := make([]int, size(12, 64))
	for i := range codes {
		wg.Go(func() {
			codes[i] = w.ov(t, "value number "+random(12), "secret", "set", fmt.Sprintf("W%d", i), "--stdin").code
		})
	}
	same := make([]int, 6)
	for i := range same {
		wg.Go(func() { same[i] = w.ov(t, "value of the same "+random(12), "secret", "set", "SAME", "--stdin").code })
	}
	wg.Wait()
	names := w.names(t)
	for i, code := range codes {
		if stored := slices.Contains(names, fmt.Sprintf("W%d", i)); code != 0 && code != 6 || stored != (code == 0) {
			t.Errorf("writer %d exits %d, stored: %v", i, code, stored)
		}
	}
	if !slices.Contains(same, 0) || !slices.Contains(names, "SAME") {
		t.Errorf("none of %v stored the same secret", same)
	}
	w.must(t, "", "vault", "verify")
}

// kill -9 of the agent at any moment loses nothing that was acknowledged.
func TestKillAgent(t *testing.T) {
	w := vaulted(t)
	stored := map[string]bool{}
	var killers sync.WaitGroup
	var kills atomic.Int32
	for i, n := 0, size(24, 200); i < n; i++ {
		if i%8 == 0 {
			w.must(t, "", "unlock")
			killers.Go(func() { kills.Add(w.killAgentIn(time.Duration(i%5) * 7 * time.Millisecond)) })
		}
		name := fmt.Sprintf("K%d", i)
		if w.ov(t, "a value to keep "+random(9), "secret", "set", name, "--stdin").code == 0 {
			stored[name] = true
		}
	}
	killers.Wait()
	t.Logf("%d secrets acknowledged, %d agents killed", len(stored), kills.Load())
	if len(stored) == 0 || kills.Load() == 0 {
		t.Fatal("nothing was stored, or nothing killed: the test shows nothing")
	}
	names := w.names(t)
	for name := range stored {
		if !slices.Contains(names, name) {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	w.must(t, "", "vault", "verify")
	w.must(t, "", "audit", "verify")
}

// killAgentIn ends the world's daemon as nothing can catch, and counts.
func (w *world) killAgentIn(delay time.Duration) int32 {
	var st struct{ PID int }
	out, err := w.command("agent", "status", "--json").Output()
	if err != nil || json.Unmarshal(out, &st) != nil || st.PID == 0 {
		return 0 // it is gone already
	}
	time.Sleep(delay)
	if syscall.Kill(st.PID, syscall.SIGKILL) != nil {
		return 0
	}
	return 1
}

// A stream of any length passes in flat memory.
func TestFlatMemory(t *testing.T) {
	w := vaulted(t)
	n := size(64<<20, 1<<30)
	// The peak is the kernel's own figure for ov, the shell's parent.
	cmd := w.command("run", "--", "sh", "-c",
		`yes "2026-04-13T10:23:41Z level=info a line of a log with nothing in it" | head -c `+strconv.Itoa(n)+`; grep VmHWM /proc/$PPID/status >&2`)
	count, status := &counter{}, &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = count, status
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var peak int
	if _, err := fmt.Sscanf(status.String(), "VmHWM: %d kB", &peak); err != nil {
		t.Fatalf("read peak from %q: %v", status, err)
	}
	t.Logf("%d MiB through ov run: peak %.1f MiB resident", n>>20, float64(peak)/1024)
	if count.n != n {
		t.Errorf("%d bytes came out, want %d", count.n, n)
	}
	if peak > 32<<10 {
		t.Errorf("peak %d KiB, want at most 32 MiB", peak)
	}
}

type counter struct{ n int }

func (c *counter) Write(b []byte) (int, error) { c.n += len(b); return len(b), nil }

// A store that is damaged is named, is not made worse, and opens nothing.
func TestDamagedStore(t *testing.T) {
	w := vaulted(t)
	store := w.store(t)
	good, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":     {},
		"truncated": good[:len(good)/2],
		"header":    append([]byte("not a database  "), good[16:]...),
		"middle":    damaged(good, len(good)*3/4),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(store, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			r := w.ov(t, "", "run", "--", "sh", "-c", "echo ran; echo $CANARY")
			if r.code == 0 && !strings.Contains(r.stdout, "[REDACTED:CANARY]") || r.code != 0 && (r.code != 125 || r.stdout != "") {
				t.Errorf("ov run exits %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			if v := w.ov(t, "", "vault", "verify"); v.code == 0 && r.code != 0 {
				t.Errorf("ov run fails (%s) and ov vault verify is content: %s", r.stderr, v.stdout)
			}
			if strings.Contains(r.stderr, "goroutine ") {
				t.Errorf("a crash: %s", r.stderr)
			}
		})
	}
	if err := os.WriteFile(store, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := w.must(t, "", "run", "--", "sh", "-c", "echo $CANARY"); r.stdout != "[REDACTED:CANARY]\n" {
		t.Errorf("after the store was put back: %q", r.stdout)
	}
}

// store finds the database: the one file that begins as SQLite's do.
func (w *world) store(t testing.TB) string {
	t.Helper()
	var found string
	filepath.WalkDir(filepath.Join(w.work, "home"), func(path string, d os.DirEntry, err error) error {
		if b, err := os.ReadFile(path); err == nil && bytes.HasPrefix(b, []byte("SQLite format 3\x00")) {
			found = path
		}
		return nil
	})
	if found == "" {
		t.Fatal("no store found: the test looks in the wrong place")
	}
	return found
}

// damaged overwrites a stretch in the middle of b.
func damaged(b []byte, at int) []byte {
	c := slices.Clone(b)
	for i := at; i < min(at+64, len(c)); i++ {
		c[i] ^= 0x5a
	}
	return c
}

// A full disk: an error that says so, and nothing half-written.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, t.TempDir())
	home := filepath.Join(w.work, "home")
	disk := disktest.Mount(t, home, "768k")
	t.Cleanup(func() { w.leave(t) })
	w.must(t, "", "vault", "init", "--kit", filepath.Join(w.work, "kit"))
	w.must(t, w.canary, "secret", "set", "CANARY", "--stdin")
	stored, full := 0, result{}
	for i := range 200 {
		r := w.ov(t, strings.Repeat(random(33), 600), "secret", "set", fmt.Sprintf("F%d", i), "--stdin")
		if r.code != 0 {
			full = r
			break
		}
		stored++
	}
	if full.code != 1 || !strings.Contains(full.stderr, "space") && !strings.Contains(full.stderr, "full") {
		t.Errorf("a full disk exits %d after %d secrets: %s", full.code, stored, full.stderr)
	}
	// What was acknowledged is there once there is room again.
	disk.Grow("16m")
	if names := w.names(t); len(names) != stored+1 {
		t.Errorf("%d secrets are listed, %d were acknowledged", len(names), stored+1)
	}
	w.must(t, "", "vault", "verify")
	if r := w.must(t, "", "run", "--secrets", "CANARY", "--", "sh", "-c", "echo $CANARY"); r.stdout != "[REDACTED:CANARY]\n" {
		t.Errorf("after the disk was full: %q", r.stdout)
	}
}
