package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/inode"
)

// must is a spec of the child name that insists on the file as it is now.
func must(t *testing.T, s Spec) Spec {
	t.Helper()
	id, err := inode.Settled(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	s.File, s.Exact = id, true
	return s
}

// copyOf is the test program as another file.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err == nil {
		err = os.WriteFile(path, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExactlyAsEver: a child whose file is insisted on sees nothing of that, below a leader or not: its names, its rights and
// its status are what they would be.
func TestExactlyAsEver(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "multi-call")
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script.sh")
	bare := filepath.Join(dir, "bare")
	for path, text := range map[string]string{script: "#!/bin/sh -e\necho \"$0 $1 $(cat /proc/$$/comm)\"\n", bare: "echo \"$1\"\n"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, leader := range []bool{false, true} {
		s := must(t, Spec{Path: link, Args: []string{"as-i-please", "x"}, Env: []string{childKey + "=names"}})
		s.Leader = leader
		if r, want := finish(t, launch(t, s)), fmt.Sprintf("[as-i-please x] multi-call %s TracerPid:\t0", exe); r.out != want || r.status.Exit() != 0 {
			t.Errorf("leader %v: %q and %v, want %q", leader, r.out, r.status, want)
		}
		for path, want := range map[string]string{script: script + " a b script.sh\n", bare: "a b\n"} {
			s := must(t, Spec{Path: path, Args: []string{"name", "a b"}})
			s.Leader = leader
			if r := finish(t, launch(t, s)); r.out != want {
				t.Errorf("leader %v, %s: %q, want %q", leader, path, r.out, want)
			}
		}
		s = must(t, spec(t, "exit", "7"))
		s.Leader = leader
		if r := finish(t, launch(t, s)); r.status.Exit() != 7 {
			t.Errorf("leader %v: status %v", leader, r.status)
		}
		s = must(t, spec(t, "crash"))
		s.Leader = leader
		if r := finish(t, launch(t, s)); r.status.Exit() != 128+9 {
			t.Errorf("leader %v: status of a crash %v", leader, r.status)
		}
	}
}

// TestOddPrograms: what cannot be stopped at its start is started all the same.
func TestOddPrograms(t *testing.T) {
	dir := t.TempDir()
	setuid, closed := copyOf(t, filepath.Join(dir, "setuid")), copyOf(t, filepath.Join(dir, "closed"))
	if err := errors.Join(os.Chmod(setuid, 0o755|os.ModeSetuid|os.ModeSetgid), os.Chmod(closed, 0o111)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{setuid, closed} {
		s := must(t, Spec{Path: path, Args: []string{"x", "3"}, Env: []string{childKey + "=exit"}})
		if r := finish(t, launch(t, s)); r.status.Exit() != 3 {
			t.Errorf("%s: %v", path, r.status)
		}
	}
	// One of another kind of processor is the kernel's to judge.
	foreign := filepath.Join(dir, "foreign")
	b, err := os.ReadFile(setuid)
	if err == nil {
		b[18], b[19] = 0xF3, 0 // RISC-V
		err = os.WriteFile(foreign, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := program{path: foreign}
	if p.file, err = inode.Settled(foreign); err != nil {
		t.Fatal(err)
	}
	if plain, err := p.plain(); plain || err != nil {
		t.Errorf("a program of RISC-V: %v, %v", plain, err)
	}
}

// TestPrograms: interpreters find what belongs to them as ever.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	run := func(what, path, want string, args ...string) {
		t.Helper()
		s := must(t, Spec{Path: path, Args: append([]string{path}, args...), Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, Dir: dir})
		if r := finish(t, launch(t, s)); strings.TrimSpace(r.out) != want {
			t.Errorf("%s: %q and %q (%v), want %q", what, r.out, r.stderr, r.status, want)
		}
	}
	if python, err := exec.LookPath("python3"); err == nil {
		venv := filepath.Join(dir, "venv")
		if out, err := exec.Command(python, "-m", "venv", "--without-pip", venv).CombinedOutput(); err != nil {
			t.Logf("python3 -m venv: %v %s", err, out) // Debian has it in another package
		} else {
			run("python of a venv", filepath.Join(venv, "bin/python"), venv, "-c", "import sys; print(sys.prefix)")
		}
		run("python", python, "3", "-c", "print(1+2)")
	}
	if git, err := exec.LookPath("git"); err == nil {
		hooks := filepath.Join(dir, "repo/.git/hooks")
		run("git", git, "", "init", "-q", "repo")
		if err := os.WriteFile(filepath.Join(hooks, "pre-commit"), []byte("#!/bin/sh\necho hook >&2\nexit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		s := must(t, Spec{Path: git, Args: []string{"git", "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "x"},
			Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, Dir: filepath.Join(dir, "repo")})
		if r := finish(t, launch(t, s)); r.stderr != "hook\n" || r.status.Exit() != 1 {
			t.Errorf("git's hook: %q, %v", r.stderr, r.status)
		}
	}
}

// TestChangedIsNotStarted: a file that is another one than was decided on.
func TestChangedIsNotStarted(t *testing.T) {
	path := copyOf(t, filepath.Join(t.TempDir(), "program"))
	for _, leader := range []bool{false, true} {
		for _, exact := range []bool{false, true} {
			s := must(t, Spec{Path: path, Args: []string{"x", "0"}, Env: []string{childKey + "=exit"}, Leader: leader})
			s.Exact = exact
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.WriteString("x")
				f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			if p, err := Start(s); !errors.Is(err, ErrChanged) {
				t.Errorf("leader %v, exact %v: %v", leader, exact, err)
				if err == nil {
					p.Kill(0)
				}
			}
		}
	}
	// Somebody who could still write to it while it runs.
	s := must(t, Spec{Path: path, Args: []string{"x", "0"}, Env: []string{childKey + "=exit"}})
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if p, err := Start(s); err == nil {
		p.Kill(0)
		t.Error("a program was started that somebody has open for writing")
	}
}

// TestAttackExchangedWhileItIsStarted: a link is pointed from the program that was decided on to another one and back, as
// fast as can be. The other one never runs.
func TestAttackExchangedWhileItIsStarted(t *testing.T) {
	dir := t.TempDir()
	good, evil, link := copyOf(t, filepath.Join(dir, "good")), copyOf(t, filepath.Join(dir, "evil")), filepath.Join(dir, "program")
	for i, target := range []string{good, evil} {
		if err := os.Symlink(target, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	s := must(t, Spec{Path: link, Args: []string{"x"}, Env: []string{childKey + "=names"}})
	stop := make(chan struct{})
	var attacker sync.WaitGroup
	attacker.Go(func() {
		next := filepath.Join(dir, "next")
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				os.Symlink([]string{good, evil}[i%2], next)
				os.Rename(next, link)
			}
		}
	})
	started, refused := 0, 0
	for i := range 300 {
		s.Leader = i%10 == 0
		p, err := Start(s)
		if errors.Is(err, ErrChanged) || errors.Is(err, os.ErrNotExist) {
			refused++
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		started++
		if r := finish(t, p); !strings.Contains(r.out, good) {
			t.Errorf("start %d: %q ran", i, r.out)
		}
	}
	close(stop)
	attacker.Wait()
	if started == 0 || refused == 0 {
		t.Logf("%d started and %d refused: the attack was not one on this machine", started, refused)
	}
}
