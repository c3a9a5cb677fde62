package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/postgres/pgtest"
)

var suite pgtest.Suite // of this test binary

func TestMain(m *testing.M) {
	code := suite.Run(m)
	for _, dir := range built {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// campaign is set for the long forms.
func campaign() bool { return os.Getenv("ATTACK") != "" }

// programs builds what these tests run and returns its folder.
var programs = sync.OnceValues(func() (string, error) { return build() })

var built []string // folders of programs

func build(flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "ov-faults-*")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", dir, "../../ov", "../../ov-agent", "../../ov-server")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	built = append(built, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
}

// A world is a folder with the homes of several people and one server.
type world struct {
	t         *testing.T
	bin, work string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return worldOf(t, bin)
}

func worldOf(t *testing.T, bin string) *world {
	t.Helper()
	work, err := os.MkdirTemp("", "ovw") // short: an agent's socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(work) })
	return &world{t: t, bin: bin, work: work}
}

func (w *world) path(name string) string { return filepath.Join(w.work, name) }

// A home is one person on one machine: OV_HOME and a password.
type home struct {
	*world
	dir   string
	env   []string
	enter []string // what its commands begin with, in a namespace
}

func (w *world) home(name string) *home {
	w.t.Helper()
	password := w.path(name + ".password")
	if err := os.WriteFile(password, []byte("the password of "+name+", a long one\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	h := &home{world: w, dir: w.path(name)}
	h.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.work, "TMPDIR=" + w.work, "OV_HOME=" + h.dir, "OV_PASSWORD_FILE=" + password}
	return h
}

// another is a home of the same person on another machine.
func (h *home) another(name string) *home {
	n := h.world.home(name)
	n.env[len(n.env)-1] = h.env[len(h.env)-1]
	return n
}

// A result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
	took           time.Duration
}

func (r result) String() string {
	return fmt.Sprintf("exit %d after %s\n%s%s", r.code, r.took.Round(time.Millisecond), r.stdout, r.stderr)
}

// command is a program of the world; the first word may be ov or a sibling.
func (w *world) command(enter, env []string, program string, args ...string) *exec.Cmd {
	line := append(append([]string{}, enter...), append([]string{filepath.Join(w.bin, program)}, args...)...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env, cmd.Dir = env, w.work
	return cmd
}

// ov runs ov at home.
func (h *home) ov(stdin string, args ...string) result {
	h.t.Helper()
	return h.finish(h.command(h.enter, h.env, "ov", args...), stdin)
}

func (h *home) finish(cmd *exec.Cmd, stdin string) result {
	h.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(begin)}
}

// must is ov where nothing but success will do.
func (h *home) must(stdin string, args ...string) result {
	h.t.Helper()
	r := h.ov(stdin, args...)
	if r.code != 0 {
		h.t.Fatalf("ov %s: %s", strings.Join(args, " "), r)
	}
	return r
}

// fails expects an exit code and words in what is said.
func (h *home) fails(stdin string, code int, says string, args ...string) result {
	h.t.Helper()
	r := h.ov(stdin, args...)
	if r.code != code || !regexp.MustCompile(says).MatchString(r.stderr) {
		h.t.Errorf("ov %s: want exit %d and %q: %s", strings.Join(args, " "), code, says, r)
	}
	return r
}

// set and read are of one secret in shop/development. What is read is shown by
// its length: a value does not get out.
func (h *home) set(name, value string) result {
	h.t.Helper()
	return h.ov(value, "secret", "set", "shop/development/"+name, "--stdin")
}

func (h *home) mustSet(name, value string) {
	h.t.Helper()
	if r := h.set(name, value); r.code != 0 {
		h.t.Fatalf("set %s: %s", name, r)
	}
}

// holds runs a command that says whether the secret is value, by its hash.
func (h *home) holds(name, value string) result {
	h.t.Helper()
	script := fmt.Sprintf(`test "$(printf %%s "$%s" | sha256sum)" = "$(printf %%s %s | sha256sum)" || exit 77`, name, value)
	return h.ov("", "run", "--app", "shop", "--env", "development", "--", "sh", "-c", script)
}

func (h *home) mustHold(name, value string) result {
	h.t.Helper()
	r := h.holds(name, value)
	if r.code != 0 {
		h.t.Errorf("%s at %s is not %q: %s", name, filepath.Base(h.dir), value, r)
	}
	return r
}

// seq is the number of the commit that the home has seen, from vault verify.
func (h *home) seq() uint64 {
	h.t.Helper()
	var v struct{ Seq uint64 }
	r := h.ov("", "vault", "verify", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || v.Seq == 0 {
		h.t.Fatalf("vault verify: %v: %s", err, r)
	}
	return v.Seq
}

// id is the vault's.
func (h *home) id() string {
	h.t.Helper()
	m := regexp.MustCompile(`vault id ([0-9a-f]{32})`).FindStringSubmatch(h.ov("", "vault", "status").stdout)
	if m == nil {
		h.t.Fatal("no vault id")
	}
	return m[1]
}

// wordsOf are the first words in a list, from where it says.
var wordsOf = regexp.MustCompile(`"words": "([a-z-]+)"`)

// member lets a person with a home of their own into shop/development, to "read"
// or to "write".
func (h *home) member(name, url, role string) *home {
	h.t.Helper()
	m := h.world.home(name)
	owner := wordsOf.FindStringSubmatch(h.must("", "device", "list", "--json").stdout)
	if owner == nil {
		h.t.Fatal("no words of the owner's device")
	}
	asked := make(chan result, 1)
	cmd := m.command(m.enter, m.env, "ov", "share", "ask", "--server", url, "--vault", h.id(), "--device", name, "--owner-words", owner[1])
	go func() { asked <- m.finish(cmd, "") }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, requests, _ := strings.Cut(h.must("", "device", "list", "--json").stdout, `"requests": [`)
		if found := wordsOf.FindStringSubmatch(requests); found != nil {
			h.must("", "share", "shop/development", "--with", found[1], "--role", role)
			break
		}
		if time.Now().After(deadline) {
			h.t.Fatal("nobody asks")
		}
	}
	if r := <-asked; r.code != 0 {
		h.t.Fatalf("share ask: %s", r)
	}
	return m
}

// machine makes a machine key for shop/development, and its home.
func (h *home) machine(name string) *home {
	h.t.Helper()
	m := h.world.home(name)
	h.must("", "auth", "derive-machine-key", "--app", "shop", "--env", "development", "--name", name, "--out", m.dir+".key")
	m.env[len(m.env)-1] = "OV_MACHINE_KEY_FILE=" + m.dir + ".key"
	return m
}

// A server is a running ov-server.
type server struct {
	*world
	name, address string
	args          []string
	enter         []string
	env           []string
	ready         func() bool // nil: /readyz on loopback says so
	cmd           *exec.Cmd
}

// server returns a server that keeps its files under name; dsn is "" for SQLite.
func (w *world) server(name, dsn string) *server {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	s := &server{world: w, name: name, address: l.Addr().String(), args: []string{"--data", w.path(name)},
		env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.work}}
	if dsn != "" {
		s.args = append(s.args, "--database", dsn)
	}
	w.t.Cleanup(s.stop)
	return s
}

func (s *server) url() string { return "http://" + s.address }

// run runs another of ov-server's commands on the same database.
func (s *server) run(verb string, args ...string) {
	s.t.Helper()
	out, err := s.command(s.enter, s.env, "ov-server", append(append([]string{verb}, s.args...), args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("ov-server %s: %v\n%s", verb, err, out)
	}
}

func (s *server) start() {
	s.t.Helper()
	log, err := os.OpenFile(s.path(s.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.cmd = s.command(s.enter, s.env, "ov-server", append([]string{"serve", "--listen", s.address}, s.args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for range 600 {
		if s.answers() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(log.Name())
	s.t.Fatalf("ov-server does not answer:\n%s", said[max(0, len(said)-2000):])
}

func (s *server) answers() bool {
	if s.ready != nil {
		return s.ready()
	}
	resp, err := http.Get("http://" + s.address + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (s *server) stop() {
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
