//go:build unix

package pgtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNone says that the machine has no PostgreSQL.
var ErrNone = errors.New("no PostgreSQL programs found (initdb, postgres); Debian: apt-get install postgresql")

// A Cluster is a running PostgreSQL.
type Cluster struct {
	dir  string // data, socket and log
	bin  string
	cred *syscall.Credential // nil: ours
	sync bool
	port int      // on loopback as well; 0: the socket alone
	more []string // settings
	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// shared is the cluster of one test binary.
type shared struct {
	once sync.Once
	c    *Cluster
	err  error
}

// A Suite starts one cluster for all tests of a binary, when the first asks.
type Suite struct{ s shared }

// Run is for TestMain: it runs the tests, and stops the cluster.
func (s *Suite) Run(m *testing.M) int {
	code := m.Run()
	if s.s.c != nil {
		s.s.c.Stop()
	}
	return code
}

// DSN returns the address of a new database. Without PostgreSQL the test is
// skipped, on a developer's machine; where CI is set it fails.
func (s *Suite) DSN(t testing.TB) string {
	t.Helper()
	s.s.once.Do(func() { s.s.c, s.s.err = Start(false) })
	Need(t, s.s.err)
	return s.s.c.Database(t)
}

// Need skips the test without PostgreSQL, and fails it for every other error.
func Need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNone) && os.Getenv("CI") == "":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}

// binaries returns the folder of the newest PostgreSQL of the machine.
func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.SortFunc(dirs, func(a, b string) int { return major(b) - major(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	more, _ := filepath.Glob("/opt/homebrew/opt/postgresql*/bin")
	for _, dir := range append(append(dirs, more...), "/usr/local/pgsql/bin") {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", ErrNone
}

func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// unprivileged is whom PostgreSQL runs as when we are root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither postgres nor nobody")
}

// Start makes a cluster and starts it. Without sync nothing is durable, and fast.
func Start(sync bool) (*Cluster, error) {
	c, err := newCluster(sync)
	if err != nil {
		return nil, err
	}
	return c, c.empty()
}

// empty makes new data and starts the server.
func (c *Cluster) empty() error {
	return c.begin("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
}

// begin makes the data with a program of PostgreSQL's and starts the server.
func (c *Cluster) begin(program string, args ...string) error {
	if out, err := c.command(program, args...).CombinedOutput(); err != nil {
		os.RemoveAll(c.dir)
		return fmt.Errorf("%s: %w: %s", program, err, out)
	}
	if err := c.Up(); err != nil {
		c.Stop()
		return err
	}
	return nil
}

// newCluster makes the folder of a cluster.
func newCluster(sync bool) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // short: a socket's path has 107 bytes
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, bin: bin, cred: cred, sync: sync}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "d") }

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = attributes(c.cred)
	return cmd
}

// Up starts the server and waits until it answers.
func (c *Cluster) Up() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	durable := "off"
	if c.sync {
		durable = "on"
	}
	host := ""
	if c.port != 0 {
		host = loopback
	}
	cmd := c.command("postgres", append([]string{
		"-D", c.data(), "-k", c.dir, "-h", host, "-p", strconv.Itoa(cmp.Or(c.port, 5432)),
		"-c", "fsync=" + durable, "-c", "synchronous_commit=" + durable, "-c", "full_page_writes=" + durable,
		"-c", "max_connections=100", "-c", "shared_buffers=64MB", "-c", "logging_collector=off", "-c", "log_statement=none",
	}, c.more...)...)
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its status is in the log
		close(done)
	}()
	c.cmd, c.done = cmd, done
	return c.answers()
}

// answers waits until the server takes connections, for at most a minute.
func (c *Cluster) answers() error {
	deadline := time.Now().Add(time.Minute)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		conn, err := pgx.Connect(ctx, c.dsn("postgres"))
		if err == nil {
			err = errors.Join(conn.Ping(ctx), conn.Close(ctx))
		}
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return fmt.Errorf("PostgreSQL ended: %s", c.Log())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, c.Log())
		}
	}
}

// Log returns what the server has logged.
func (c *Cluster) Log() []byte {
	b, _ := os.ReadFile(filepath.Join(c.dir, "log")) // none: nothing was logged
	return bytes.TrimSpace(b)
}

// Down stops the server: at once, as a crash does, or after its clients' work.
func (c *Cluster) Down(crash bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	sig := syscall.SIGINT // fast shutdown
	if crash {
		sig = syscall.SIGQUIT // immediate shutdown: recovery from the WAL follows
	}
	if err := c.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.done:
	case <-time.After(30 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	c.cmd = nil
	return nil
}

// Kill ends the server and every process of it at once, as the loss of its
// machine does.
func (c *Cluster) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	if err := errors.Join(c.signal(syscall.SIGSTOP), c.signal(syscall.SIGKILL)); err != nil {
		return err
	}
	<-c.done
	c.cmd = nil
	return nil
}

// Freeze stops every process of the server where it is: connections stay open
// and nothing answers. Thaw has them go on.
func (c *Cluster) Freeze() error { return c.locked(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (c *Cluster) Thaw() error { return c.locked(syscall.SIGCONT) }

func (c *Cluster) locked(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signal(sig)
}

// signal reaches the server first, so that it does nothing about its children.
func (c *Cluster) signal(sig syscall.Signal) error {
	for _, pid := range family(c.cmd.Process.Pid) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// Stop stops the server and removes all of it.
func (c *Cluster) Stop() {
	_ = c.Down(true)
	_ = os.RemoveAll(c.dir)
}

func (c *Cluster) dsn(name string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s&port=%d", name, c.dir, cmp.Or(c.port, 5432))
}

// Database makes a new database and returns its address.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return c.dsn(c.create(t))
}

// create makes a new database and returns its name.
func (c *Cluster) create(t testing.TB) string {
	t.Helper()
	name := "t" + fmt.Sprintf("%x", random())
	conn, err := pgx.Connect(t.Context(), c.dsn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	return name
}

func random() []byte {
	b := make([]byte, 8)
	rand.Read(b)
	return b
}
