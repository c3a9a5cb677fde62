package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A serverProc is a script's own ov-server: the real program, on a port and in a
// folder that stay the same when it is stopped and started.
type serverProc struct {
	program, data, log, address string
	env                         []string // more than it needs
	cmd                         *exec.Cmd
}

type serverKey struct{}

// newServerProc names the server of a script; most never start it.
func newServerProc(e *testscript.Env) *serverProc {
	dir, err := programs()
	if err != nil {
		e.T().Fatal(err)
	}
	s := &serverProc{program: filepath.Join(dir, "ov-server"), data: filepath.Join(e.WorkDir, "server"), log: filepath.Join(e.WorkDir, "server.log")}
	e.Defer(s.stop)
	return s
}

// serverCmd is the command of the scripts:
//
//	server start            sets $SERVER
//	server stop
//	server save NAME        keeps what it holds
//	server load NAME        goes back to that, as from an old backup
func serverCmd(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*serverProc)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: server start | stop | save NAME | load NAME")
	}
	switch args[0] {
	case "start":
		ts.Check(s.start())
		ts.Setenv("SERVER", "http://"+s.address)
	case "stop":
		s.stop()
	case "save":
		s.stop()
		ts.Check(exec.Command("cp", "-a", s.data, s.data+"."+args[1]).Run())
		ts.Check(s.start())
	case "load":
		s.stop()
		ts.Check(os.RemoveAll(s.data))
		ts.Check(exec.Command("cp", "-a", s.data+"."+args[1], s.data).Run())
		ts.Check(s.start())
	default:
		ts.Fatalf("server %s?", args[0])
	}
}

// start starts the server and waits until it answers.
func (s *serverProc) start() error {
	if s.address == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.address = l.Addr().String()
		l.Close()
	}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(s.program, "serve", "--data", s.data, "--listen", s.address)
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(s.data)}, s.env...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for range 600 {
		if resp, err := http.Get("http://" + s.address + "/healthz"); err == nil {
			resp.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(s.log)
	return fmt.Errorf("ov-server does not answer:\n%s", said)
}

func (s *serverProc) stop() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		<-done
	}
	s.cmd = nil
}

// The examples of docs/ci.md are run as they stand there, as plain scripts with
// the environment that the CI service would give them.
func TestCIExamples(t *testing.T) {
	work := t.TempDir()
	w := newWorld(t, work)
	dir := filepath.Dir(w.env["OV_PROGRAM"])
	s := &serverProc{program: filepath.Join(dir, "ov-server"), data: filepath.Join(work, "server"), log: filepath.Join(work, "server.log")}
	defer s.stop()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	run := func(env []string, script string) (string, error) {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = work, env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	admin := append(w.environ(), "SERVER=http://"+s.address, "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := run(admin, `ov vault init --server "$SERVER" --kit kit
		ov secret set deploy/production/DEPLOY_TOKEN --stdin <canary
		ov auth derive-machine-key --app deploy --env production --name ci --out ci.key
		rm canary`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key, err := os.ReadFile(filepath.Join(work, "ci.key"))
	if err != nil {
		t.Fatal(err)
	}
	examples := ciScripts(t)
	if len(examples) < 2 {
		t.Fatalf("%d examples in docs/ci.md, want GitHub's and GitLab's", len(examples))
	}
	for name, script := range examples {
		runner := filepath.Join(work, "runner-"+name)
		if err := os.MkdirAll(runner, 0o700); err != nil {
			t.Fatal(err)
		}
		env := []string{"CI=true", "HOME=" + runner, "TMPDIR=" + runner, "PATH=" + dir + ":" + os.Getenv("PATH"), "OV_MACHINE_KEY=" + strings.TrimSpace(string(key))}
		out, err := run(env, "cd \"$HOME\"\nprintf '%s\\n' 'echo \"deploying with $DEPLOY_TOKEN\"; ! env | grep OV_MACHINE_KEY' >deploy.sh\n"+script)
		if err != nil || !strings.Contains(out, "deploying with [REDACTED:DEPLOY_TOKEN]") || strings.Contains(out, w.canary) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		found := false
		filepath.WalkDir(runner, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				b, _ := os.ReadFile(path)
				found = found || strings.Contains(string(b), "ovmk1_") || strings.Contains(string(b), w.canary)
			}
			return nil
		})
		if found {
			t.Errorf("%s: the key, or the secret, is on the runner's disk", name)
		}
	}
	// Revoked, the same script says why, and runs nothing.
	if out, err := run(admin, "ov auth revoke ci"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, script := range examples {
		env := []string{"CI=true", "HOME=" + work, "PATH=" + dir + ":" + os.Getenv("PATH"), "OV_MACHINE_KEY=" + strings.TrimSpace(string(key))}
		out, err := run(env, "printf 'echo ran' >deploy.sh\n"+script)
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 125 || strings.Contains(out, "ran\n") || !strings.Contains(out, "revoked") {
			t.Errorf("%s, revoked: %v\n%s", name, err, out)
		}
	}
	os.Remove(filepath.Join(work, "ci.key"))
	w.search(t)
}

// ciScripts returns the shell of the examples in docs/ci.md: the blocks between
// <!-- run NAME --> and the next fence, with YAML's "run: |" and "- " taken off.
func ciScripts(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i, part := range strings.Split(string(doc), "<!-- run ") {
		if i == 0 {
			continue
		}
		name, rest, _ := strings.Cut(part, " -->")
		_, block, ok := strings.Cut(rest, "```yaml\n")
		block, _, ok2 := strings.Cut(block, "```")
		if !ok || !ok2 {
			t.Fatalf("docs/ci.md: no block after %q", name)
		}
		var script strings.Builder
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			line = strings.TrimPrefix(strings.TrimPrefix(line, "- "), "run: ")
			if strings.HasPrefix(line, "ov ") {
				fmt.Fprintln(&script, line)
			}
		}
		out[name] = script.String()
	}
	return out
}

// A person who changes what another device has changed is shown both, and asked.
func TestConflictAtATerminal(t *testing.T) {
	work := t.TempDir()
	w := newWorld(t, work)
	defer w.leave(t)
	dir := filepath.Dir(w.env["OV_PROGRAM"])
	s := &serverProc{program: filepath.Join(dir, "ov-server"), data: filepath.Join(work, "server"), log: filepath.Join(work, "server.log")}
	defer s.stop()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	w.must(t, "", "vault", "init", "--server", "http://"+s.address, "--device", "desk", "--kit", filepath.Join(work, "kit"))
	w.must(t, "first-value-of-the-desk", "secret", "set", "TOKEN", "--stdin")
	there := filepath.Join(work, "laptop")
	w.must(t, "", "--home", there, "vault", "join", "--server", "http://"+s.address, "--device", "laptop", "--kit", filepath.Join(work, "kit"))
	p := newPane(t, w)
	for n, answer := range []string{"n", "y"} {
		w.must(t, fmt.Sprintf("value-%d-of-the-laptop", n), "--home", there, "secret", "set", "TOKEN", "--stdin")
		p.run("clear; ov secret set TOKEN")
		p.await("Value of default/development/TOKEN")
		p.text("typed-value-of-the-desk")
		p.await(fmt.Sprintf(`the device "laptop" changed it to version %d`, n+2))
		p.await("Replace it?")
		p.text(answer)
		p.await([]string{"nothing was stored", "stored default/development/TOKEN, version 4"}[n])
		p.prompt()
		p.text("clear")
	}
}

// memberCmd is the command of the scripts that lets somebody read an environment
// of $OV_HOME's vault, or write it as well: member NAME HOME APP/ENVIRONMENT [ROLE].
func memberCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: member NAME HOME APP/ENVIRONMENT [ROLE]")
	}
	role := append(args, "read")[3]
	run := func(home string, args ...string) (string, error) {
		cmd := exec.Command(ts.Getenv("OV_PROGRAM"), args...)
		cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "OV_HOME=" + home, "OV_PASSWORD_FILE=" + ts.Getenv("OV_PASSWORD_FILE")}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	status, err := run(ts.Getenv("OV_HOME"), "vault", "status")
	_, rest, ok := strings.Cut(status, "vault id ")
	if err != nil || !ok {
		ts.Fatalf("%v\n%s", err, status)
	}
	id, _, _ := strings.Cut(rest, "\n")
	list, err := run(ts.Getenv("OV_HOME"), "device", "list", "--json")
	_, owner, ok := strings.Cut(list, `"words": "`)
	owner, _, _ = strings.Cut(owner, `"`)
	if err != nil || !ok {
		ts.Fatalf("%v\n%s", err, list)
	}
	var asked string
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		asked, failed = run(args[1], "share", "ask", "--server", ts.Getenv("SERVER"), "--vault", id, "--device", args[0], "--owner-words", owner)
	}()
	for {
		list, err := run(ts.Getenv("OV_HOME"), "device", "list", "--json")
		if err != nil {
			ts.Fatalf("%v\n%s", err, list)
		}
		if _, rest, ok := strings.Cut(list, `"requests": [`); ok && strings.Contains(rest, `"words": "`) {
			_, words, _ := strings.Cut(rest, `"words": "`)
			words, _, _ = strings.Cut(words, `"`)
			if out, err := run(ts.Getenv("OV_HOME"), "share", args[2], "--with", words, "--role", role); err != nil {
				ts.Fatalf("%v\n%s", err, out)
			}
			break
		}
		select {
		case <-done:
			ts.Fatalf("%v\n%s", failed, asked)
		case <-time.After(200 * time.Millisecond):
		}
	}
	<-done
	if failed != nil {
		ts.Fatalf("%v\n%s", failed, asked)
	}
}

// grabCmd is the command of the scripts that sets a variable from what the last
// command printed: grab NAME stdout|stderr REGEXP, the first group of which it is.
func grabCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: grab NAME stdout|stderr REGEXP")
	}
	m := regexp.MustCompile(args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) != 2 {
		ts.Fatalf("%s has no %s:\n%s", args[1], args[2], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], m[1])
}
