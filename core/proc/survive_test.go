//go:build linux

package proc

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// limit is generous: the machine may be slow, and nothing below waits for all of it unless it fails.
const limit = 20 * time.Second

// eventually fails the test when what never comes true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// alive tells whether the process runs still; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	p, ok := parseStat(pid, stat)
	return ok && !p.zombie
}

// ovlike is a command that runs a child of ours as ov would: the flags of runLikeOv, then the child's arguments.
func ovlike(t *testing.T, play string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		flags, args = append(flags, args[0]), args[1:]
	}
	c := exec.Command(exe, append(append(flags, exe), args...)...)
	c.Env = append(os.Environ(), childKey+"=ovlike", "NEXT_CHILD="+play)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a stop of its job must not be ours
	t.Cleanup(func() {
		if c.Process != nil {
			c.Process.Kill()
			c.Wait()
		}
	})
	return c
}

// pids reads n process ids, one a line.
func pids(t *testing.T, r io.Reader, n int) (all []int) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for len(all) < n && lines.Scan() {
		pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			t.Fatalf("not a process id: %q", lines.Text())
		}
		all = append(all, pid)
	}
	if len(all) < n {
		t.Fatalf("%d of %d process ids", len(all), n)
	}
	t.Cleanup(func() {
		for _, pid := range all {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return all
}

// watched waits until the process has a watcher: before, only its child itself is protected.
func watched(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "a watcher", func() bool {
		for _, p := range processes() {
			if p.parent == pid {
				if comm, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/comm"); string(comm) == watcherName+"\n" {
					return true
				}
			}
		}
		return false
	})
}

func TestNothingSurvivesWhenWeAreKilled(t *testing.T) {
	for _, c := range []struct {
		name, flag string
		tty        bool
		family     []string
	}{
		{"pipes", "--no-pty", false, []string{"plain", "group", "session"}},
		{"leader", "--leader", false, []string{"plain", "group", "session", "daemon"}},
		{"terminal", "--pty", false, []string{"plain", "group", "session", "daemon"}},
		{"our terminal", "", true, []string{"plain", "group", "session", "daemon"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.family
			if c.flag != "" {
				args = append([]string{c.flag}, args...)
			}
			cmd := ovlike(t, "family", args...)
			var out io.Reader
			var err error
			if c.tty {
				cmd.SysProcAttr = nil
				out, err = pty.Start(cmd)
			} else if out, err = cmd.StdoutPipe(); err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			all := pids(t, out, len(c.family)+1)
			if c.flag == "--no-pty" {
				watched(t, cmd.Process.Pid)
			}
			cmd.Process.Kill()
			for i, pid := range all {
				eventually(t, "the end of "+append(c.family, "the child")[i], func() bool { return !alive(pid) })
			}
		})
	}
}

// A leader that is killed takes the child with it; what the child has started is found by us.
func TestNothingSurvivesTheLeader(t *testing.T) {
	s := spec(t, "family", "plain", "group")
	s.Leader = true
	p := launch(t, s)
	all := pids(t, p.Stdout, 3)
	syscall.Kill(p.child.(*led).leader, syscall.SIGKILL)
	if _, err := p.Wait(); err != errLeader {
		t.Errorf("got %v", err)
	}
	for _, pid := range all {
		eventually(t, "the end", func() bool { return !alive(pid) })
	}
}

func TestKillEndsTheWholeFamily(t *testing.T) {
	for _, leader := range []bool{false, true} {
		s := spec(t, "family", "plain", "group", "session", "daemon")
		s.Leader = leader
		p := launch(t, s)
		all := pids(t, p.Stdout, 5)
		p.Kill(0)
		for i, pid := range all {
			eventually(t, "the end of number "+strconv.Itoa(i), func() bool { return !alive(pid) })
		}
	}
}

// A background process is not ours to end when the run is over: nobody would have without us.
func TestBackgroundSurvivesTheUsualEnd(t *testing.T) {
	for _, flag := range []string{"--no-pty", "--leader", "--pty"} {
		cmd := ovlike(t, "family", flag, "plain", "daemon")
		cmd.Env = append(cmd.Env, "LEAVE=1")
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		all := pids(t, out, 3)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
		if !alive(all[0]) || !alive(all[1]) || alive(all[2]) {
			t.Errorf("%s: background alive: %v, %v; child alive: %v", flag, alive(all[0]), alive(all[1]), alive(all[2]))
		}
	}
}

func TestOutputAfterTheEndIsReadForALimitedTime(t *testing.T) {
	for _, c := range []struct {
		name, delay, want string
		leader            bool
	}{
		{"in time", "1ms", "early\nlate\n", false},
		{"in time below a leader", "1ms", "early\nlate\n", true},
		{"too late", "20s", "early\n", false},
	} {
		s := spec(t, "late")
		s.Env = append(s.Env, "DELAY="+c.delay)
		s.Leader = c.leader
		s.Linger = 2 * time.Second
		p := launch(t, s)
		if r := finish(t, p); r.out != c.want || r.status.Exit() != 0 {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
	// What is in the pipe is never lost, however late its reader: the child is gone, the pipe held, the time over.
	s := spec(t, "late")
	s.Env = append(s.Env, "DELAY=1ms")
	s.Linger = time.Millisecond
	p := launch(t, s)
	p.Wait()
	time.Sleep(500 * time.Millisecond)
	if r := finish(t, p); !strings.HasPrefix(r.out, "early\n") {
		t.Errorf("late reader: %+v", r)
	}
}
