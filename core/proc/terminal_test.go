//go:build linux

package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// screen is a person's terminal with a program on it: everything that was printed, and keys to type.
type screen struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	tty    *os.File

	mu   sync.Mutex
	text bytes.Buffer
}

// show starts a program on a terminal of 80 columns and 24 lines. Of its standard descriptors, those that cmd has set already
// stay what they are.
func show(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	blocking, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer blocking.Close()
	master, err := pollable(blocking) // a close must not wait for a read
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, cmd: cmd, master: master, tty: tty}
	s.resize(80, 24)
	if cmd.Stdin == nil {
		cmd.Stdin = tty
	}
	if cmd.Stdout == nil {
		cmd.Stdout = tty
	}
	if cmd.Stderr == nil {
		cmd.Stderr = tty
	}
	cmd.ExtraFiles = []*os.File{tty}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 32<<10)
		for {
			n, err := master.Read(b)
			s.mu.Lock()
			s.text.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		master.Close()
		tty.Close()
	})
	return s
}

func (s *screen) resize(cols, rows uint16) {
	pty.Setsize(s.master, &pty.Winsize{Cols: cols, Rows: rows})
}

func (s *screen) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) await(text string) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%q on the screen, which shows %q", text, s.seen()), func() bool { return strings.Contains(s.seen(), text) })
}

func (s *screen) keys(text string) { io.WriteString(s.master, text) }

// exits waits for the program's end and looks at what it leaves: its status, and a terminal as it was.
func (s *screen) exits(code int) {
	s.t.Helper()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || s.cmd.ProcessState.ExitCode() != code {
		s.t.Errorf("%v, want %d; the screen shows %q", err, code, s.seen())
	}
	s.restored()
}

func (s *screen) restored() {
	s.t.Helper()
	eventually(s.t, "a terminal as it was", func() bool {
		t, err := termios(s.tty)
		return err == nil && t.Lflag&unix.ICANON != 0 && t.Lflag&unix.ECHO != 0 && t.Oflag&unix.OPOST != 0 && t.Iflag&unix.ICRNL != 0
	})
}

// The table of docs/run.md: what the child's descriptors are, for each mix of terminals among ours.
func TestWhichDescriptorsAreTerminals(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct{ ours, flag, want string }{
		{"in out err", "", "true true true true"},
		{"out err", "", "false true true true"},
		{"in err", "", "true false true true"},
		{"in out", "", "true true false true"},
		{"in", "", "true false false true"},
		{"out", "", "false true false true"},
		{"err", "", "false false true true"},
		{"", "", "false false false false"},
		{"in out err", "--no-pty", "true false false false"},
		{"", "--pty", "false true true true"},
		{"in", "--pty", "true true true true"},
	} {
		args := []string{}
		if c.flag != "" {
			args = append(args, c.flag)
		}
		cmd := ovlike(t, "ttys", args...)
		// The child reports on its stderr: ours is the terminal or a file.
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(c.ours, "in") {
			cmd.Stdin = null
		}
		if !strings.Contains(c.ours, "out") {
			cmd.Stdout = null
			if c.flag == "--pty" { // both in one stream
				cmd.Stdout = file
			}
		}
		if !strings.Contains(c.ours, "err") {
			cmd.Stderr = file
		}
		s := show(t, cmd)
		s.exits(0)
		// What was written to the terminal is read here a little after the program's end.
		eventually(t, fmt.Sprintf("%q for terminals %q, %q", c.want, c.ours, c.flag), func() bool {
			report, _ := os.ReadFile(file.Name())
			return strings.Contains(string(report)+s.seen(), c.want)
		})
	}
}

func TestSizeIsPassedOn(t *testing.T) {
	s := show(t, ovlike(t, "size"))
	s.await("80x24\r\n")
	s.resize(123, 45)
	s.await("123x45\r\n")
	s.keys("\x03")
	s.exits(130)
}

func TestPasswordIsNotEchoed(t *testing.T) {
	null, _ := os.Open(os.DevNull)
	defer null.Close()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, stdin := range map[string]*os.File{"at a terminal": nil, "stdin is a file": null} {
		for where, stdout := range map[string]*os.File{"": nil, ", stdout too": file} {
			cmd := ovlike(t, "password")
			if stdin != nil {
				cmd.Stdin = stdin
			}
			if stdout != nil {
				cmd.Stdout = stdout
			}
			s := show(t, cmd)
			s.await("Password: ")
			s.keys("hunter2\r")
			s.exits(0)
			s.await("read 7 <nil>")
			if got := s.seen(); strings.Contains(got, "hunter2") {
				t.Errorf("%s%s: the screen shows %q", name, where, got)
			}
		}
	}
}

// What a full-screen program prints and reads is passed on byte for byte, a large paste included.
func TestFullScreen(t *testing.T) {
	s := show(t, ovlike(t, "raw"))
	s.await("\x1b[?1049h\x1b[?2004hready")
	paste := "\x1b[200~" + strings.Repeat("line\ttwo\r\x16\x1a\x03\x11\x13", 3000) + "\x1b[201~"
	go s.keys(paste)
	s.await(paste)
	s.keys("q")
	s.exits(4)
	eventually(t, "the last byte", func() bool { return strings.HasSuffix(s.seen(), "q") })
	if got, want := s.seen(), "\x1b[?1049h\x1b[?2004hready"+paste+"q"; got != want {
		t.Errorf("the screen got %d bytes, want %d", len(got), len(want))
	}
}

func TestTerminalIsRestored(t *testing.T) {
	s := show(t, ovlike(t, "raw", "die")) // the child is killed while raw
	s.exits(137)

	s = show(t, ovlike(t, "raw")) // we are
	s.await("ready")
	if now, _ := termios(s.tty); now.Lflag&unix.ICANON != 0 {
		t.Error("not raw")
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
	s.restored()
}

// A hang-up of the terminal ends the child as it would have without us.
func TestHangup(t *testing.T) {
	cmd := ovlike(t, "sleep")
	s := show(t, cmd)
	s.await("ready")
	s.tty.Close()
	s.master.Close()
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Error("still there")
	}
}

func TestSignalsReachTheChild(t *testing.T) {
	for _, flag := range []string{"--no-pty", "--leader", "--pty"} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
			cmd := ovlike(t, "-")
			cmd.Args = []string{"ovlike", flag, "sh", "-c", "echo ready; exec sleep 1000"}
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(out, make([]byte, len("ready")))
			cmd.Process.Signal(sig)
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != 128+int(sig) {
				t.Errorf("%s %v: %d", flag, sig, got)
			}
		}
	}
}

func TestSecondInterruptKills(t *testing.T) {
	for _, flag := range []string{"--no-pty", "--leader", "--pty"} {
		cmd := ovlike(t, "deaf", flag)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(out, make([]byte, len("ready")))
		eventually(t, "the end", func() bool {
			cmd.Process.Signal(os.Interrupt)
			time.Sleep(20 * time.Millisecond)
			return !alive(cmd.Process.Pid)
		})
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 137 {
			t.Errorf("%s: %d", flag, got)
		}
	}
}

func TestIgnoredSignalsStayIgnored(t *testing.T) {
	for _, flag := range []string{"--no-pty", "--leader"} {
		cmd := ovlike(t, "sleep", flag)
		cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(out, make([]byte, len("ready")))
		cmd.Process.Signal(syscall.SIGHUP)
		time.Sleep(50 * time.Millisecond)
		if !alive(cmd.Process.Pid) {
			t.Errorf("%s: a hang-up that nohup ignores ended it", flag)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 143 {
			t.Errorf("%s: %d", flag, got)
		}
	}
}

// A child that writes without end is stopped by a reader that went away, with the status that a shell reports.
func TestBrokenPipeReachesTheChild(t *testing.T) {
	cmd := exec.Command("bash", "-c", `set -o pipefail; "$0" --no-pty yes | head -n 1; echo "${PIPESTATUS[0]}"`)
	self := ovlike(t, "-")
	cmd.Args = append(cmd.Args, self.Path)
	cmd.Env = append(os.Environ(), childKey+"=ovlike")
	out, err := cmd.Output()
	if got := string(out); got != "y\n141\n" {
		t.Errorf("%q, %v", got, err)
	}
}
