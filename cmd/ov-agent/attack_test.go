//go:build linux

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// scan searches the memory of a process for needles and returns which it found.
// Mappings that the kernel does not let anyone read are skipped.
func scan(t *testing.T, pid int, needles map[string][]byte) map[string]bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	found := map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		var lo, hi int64
		var perm string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &lo, &hi, &perm); err != nil || perm[0] != 'r' {
			continue
		}
		const step, overlap = 1 << 20, 1 << 10
		buf := make([]byte, step+overlap)
		for at := lo; at < hi; at += step {
			n, _ := mem.ReadAt(buf[:min(int64(len(buf)), hi-at)], at)
			for name, needle := range needles {
				if bytes.Contains(buf[:n], needle) {
					found[name] = true
				}
			}
		}
	}
	return found
}

// needles are what must not lie about: the value, the password, the Secret Key
// as it is typed, and keys that only the unlocked vault can derive.
func needles(t *testing.T, home string, names ...string) map[string][]byte {
	t.Helper()
	store := sqlite.Open(filepath.Join(home, "vault.db"))
	defer store.Close()
	v, err := vault.Unlock(t.Context(), store, home, secret.New([]byte(testPassword())), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{"password": []byte(testPassword())}
	for i, key := range v.AuditKeys() {
		out["audit key "+strconv.Itoa(i)] = bytes.Clone(key)
	}
	v.Close()
	kit, err := os.ReadFile(filepath.Join(home, "kit"))
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(kit), "Secret Key:  ")
	out["Secret Key, typed"] = []byte(strings.Fields(key)[0])
	for _, n := range names {
		out["value of "+n] = []byte(canary(n))
		out["value of "+n+", hex"] = []byte(hex.EncodeToString([]byte(canary(n))))
	}
	return out
}

// Attack 25: after a lock nothing of the secrets is in the agent's memory, and
// while it is unlocked no value or password is.
func TestAttack25NoCopyInMemory(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run this as root")
		}
		t.Skip("only root can read the agent's memory at all")
	}
	home, password := newVault(t, "TOKEN", "OTHER")
	pid := unlock(t, home, password, agent.TTLs{})
	for range 20 {
		if err := open(t, newClient(t, home, ""), "TOKEN"); err != nil {
			t.Fatal(err)
		}
	}
	c := newClient(t, home, "")
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: ref("OTHER"), Value: secret.New([]byte(canary("OTHER")))}); err != nil {
		t.Fatal(err)
	}
	want := needles(t, home, "TOKEN", "OTHER")
	want["control"] = []byte(home)
	while := scan(t, pid, want)
	for range 30 { // what the password's hash leaves is written over a moment later
		if !while["password"] {
			break
		}
		time.Sleep(100 * time.Millisecond)
		while = scan(t, pid, want)
	}
	if !while["control"] {
		t.Fatal("the scan does not find what must be there")
	}
	for name := range while {
		if strings.HasPrefix(name, "value") || name == "password" || strings.HasPrefix(name, "Secret Key") {
			t.Errorf("unlocked, after its grants, the agent's memory holds the %s", name)
		}
		t.Log("in memory while unlocked:", name)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitReady(t, home, pid)
	after := scan(t, pid, want)
	if !after["control"] {
		t.Fatal("the scan does not find what must be there")
	}
	delete(after, "control")
	for name := range after {
		t.Errorf("locked, the agent's memory holds the %s", name)
	}
}

// waitReady waits until the agent has replaced itself and listens again.
func waitReady(t *testing.T, home string, pid int) {
	t.Helper()
	for range 500 {
		if st, err := newClient(t, home, "").Status(t.Context()); err == nil && st.Running && st.Locked && st.PID == pid {
			if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); bytes.Contains(line, []byte("--listener-fd")) {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the agent did not come back after the lock")
}

// asNobody runs a test of this program as another user, in a folder that this
// user can enter.
func asNobody(t *testing.T, test string, env ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run this as root")
		}
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"agent.test", program} {
		copyProgram(t, filepath.Join(dir, name))
	}
	const nobody = 65534
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "tmp"), 0o700), os.Chown(filepath.Join(dir, "tmp"), nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(dir, "agent.test"), "-test.run=^"+test+"$", "-test.v")
	cmd.Dir = filepath.Join(dir, "tmp")
	cmd.Env = append([]string{"OV_TEST_NOBODY=1", "TMPDIR=" + filepath.Join(dir, "tmp"), "HOME=" + filepath.Join(dir, "tmp")}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+test)) {
		t.Errorf("as another user: %v: %s", err, out)
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(out.Chmod(0o755), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// Attack 25: processes of the same, ordinary user cannot look into the agent.
func TestAttack25SameUserLooksIn(t *testing.T) { asNobody(t, "TestNobodyLooksIn") }

func TestNobodyLooksIn(t *testing.T) {
	if os.Getenv("OV_TEST_NOBODY") == "" {
		return // only a part of TestAttack25SameUserLooksIn
	}
	home, password := newVault(t, "TOKEN")
	pid := unlock(t, home, password, agent.TTLs{})
	for _, file := range []string{"mem", "environ", "maps", "auxv", "fd", "exe"} {
		path := fmt.Sprintf("/proc/%d/%s", pid, file)
		if f, err := os.Open(path); err == nil {
			f.Close()
			t.Errorf("%s can be opened by the same user", path)
		}
	}
	if err := unix.PtraceAttach(pid); err == nil {
		unix.PtraceDetach(pid)
		t.Error("the agent can be traced by the same user")
	}
	buf := make([]byte, 8)
	local := []unix.Iovec{{Base: &buf[0], Len: 8}}
	if _, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("process_vm_readv: %v, want EPERM", err)
	}
	// A crash leaves no core file.
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_CORE, nil, &limit); err == nil && limit.Max != 0 {
		t.Errorf("the agent may write a core of %d bytes", limit.Max)
	}
	syscall.Kill(pid, syscall.SIGABRT)
	for range 500 {
		if syscall.Kill(pid, 0) != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if cores, _ := filepath.Glob(filepath.Join(home, "*core*")); len(cores) > 0 {
		t.Errorf("core files: %q", cores)
	}
}

// Attack 25: another user cannot talk to the agent, not even when the socket
// lies open.
func TestAttack25OtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		asNobody(t, "")
		return
	}
	home, password := newVault(t, "TOKEN")
	unlock(t, home, password, agent.TTLs{})
	path := ""
	for _, p := range agent.SocketPaths(home) {
		if _, err := os.Stat(p); err == nil {
			path = p
		}
	}
	if path == "" {
		t.Fatal("no socket")
	}
	asNobody(t, "TestNobodyConnects", "OV_TEST_SOCKET="+path, "OV_TEST_WANT=refused")
	for _, p := range []string{filepath.Dir(path), home, path} {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	asNobody(t, "TestNobodyConnects", "OV_TEST_SOCKET="+path, "OV_TEST_WANT=closed", "OV_TEST_HOME="+home)
	// And a client does not trust a folder that lies open.
	if err := open(t, newClient(t, home, ""), "TOKEN"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("client, with an open folder: %v, want ErrDenied", err)
	}
	os.Chmod(filepath.Dir(path), 0o700)
	if err := open(t, newClient(t, home, ""), "TOKEN"); !errors.Is(err, agent.ErrDenied) || !strings.Contains(agent.Hint(err), "chmod go-w") {
		t.Errorf("client, with an open vault: %v, want ErrDenied", err)
	}
	os.Chmod(home, 0o700)
	if err := open(t, newClient(t, home, ""), "TOKEN"); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestNobodyConnects(t *testing.T) {
	path := os.Getenv("OV_TEST_SOCKET")
	if path == "" {
		return // only a part of TestAttack25OtherUser
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	if os.Getenv("OV_TEST_WANT") == "refused" {
		if err == nil {
			t.Error("another user reached the socket")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	header := fmt.Sprintf(`{"id":1,"op":"hello","args":{"protocol":1,"home":%q,"client":"cli"}}`, os.Getenv("OV_TEST_HOME"))
	frame := append([]byte("ov\x00\x01\x00\x00\x00"), byte(len(header)), 0, 0, 0, 0)
	unix.Write(fd, append(frame, header...))
	if n, err := unix.Read(fd, make([]byte, 100)); n > 0 {
		t.Errorf("another user was answered: %d bytes, %v", n, err)
	}
}

// Attack 20: killing the agent in the middle of writes loses nothing that was
// acknowledged.
func TestAttack20KilledInTheMiddle(t *testing.T) {
	rounds := 3
	if os.Getenv("ATTACK") != "" {
		rounds = 40
	}
	home, password := newVault(t)
	var acknowledged sync.Map
	var count atomic.Int64
	for round := range rounds {
		pid := unlock(t, home, password, agent.TTLs{})
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				c := newClient(t, home, "")
				for i := 0; ; i++ {
					name := fmt.Sprintf("R%d_W%d_%d", round, w, i)
					_, err := c.Put(t.Context(), agent.PutRequest{Ref: ref(name), Value: secret.New([]byte(canary(name)))})
					if err != nil {
						return
					}
					acknowledged.Store(name, true)
					count.Add(1)
				}
			})
		}
		time.Sleep(time.Duration(100+37*round%90) * time.Millisecond)
		syscall.Kill(pid, syscall.SIGKILL)
		wg.Wait()
	}
	c := newClient(t, home, password)
	report, err := c.Verify(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
	var refs []secret.Ref
	acknowledged.Range(func(name, _ any) bool {
		refs = append(refs, ref(name.(string)))
		return true
	})
	if len(refs) < rounds {
		t.Fatalf("only %d writes were acknowledged: the test tests nothing", len(refs))
	}
	g, err := c.Grant(t.Context(), runOf(refs...))
	if err != nil {
		t.Fatalf("%d acknowledged writes: %v", len(refs), err)
	}
	for _, s := range g.Secrets {
		if string(s.Value.Reveal()) != canary(s.Ref.Name) {
			t.Errorf("%s has another value", s.Ref.Name)
		}
	}
	if r, err := c.AuditVerify(t.Context()); err != nil || r.Problem != "" {
		t.Errorf("audit after %d kills: %+v, %v", rounds, r, err)
	}
	t.Logf("%d writes acknowledged over %d kills", len(refs), rounds)
}

// Attack 22, with real files: where the audit log was there is no folder any
// more. Neither an agent that had the log open nor a new one opens anything.
func TestAttack22NoFolder(t *testing.T) {
	home, password := newVault(t, "TOKEN")
	unlock(t, home, password, agent.TTLs{})
	audit := filepath.Join(home, "audit")
	if err := errors.Join(os.Rename(audit, audit+".away"), os.WriteFile(audit, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := open(t, newClient(t, home, ""), "TOKEN"); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("the running agent: %v, want ErrAudit", err)
	}
	newClient(t, home, "").Stop(t.Context())
	if err := open(t, newClient(t, home, password), "TOKEN"); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("a new agent: %v, want ErrAudit", err)
	}
	if err := errors.Join(os.Remove(audit), os.Rename(audit+".away", audit)); err != nil {
		t.Fatal(err)
	}
	if err := open(t, newClient(t, home, password), "TOKEN"); err != nil {
		t.Errorf("with the folder back: %v", err)
	}
}
