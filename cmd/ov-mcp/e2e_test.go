package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs builds the server and its siblings once and returns their folder.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ov-mcp-programs-*")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../ov", "../ov-agent", "../ov-mcp", "../ov-import", "../ov-provider")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := programs(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// world is an unlocked vault with one secret, and a server over it that is
// started the way clients do it: with hardly any environment.
type world struct {
	t      *testing.T
	bin    string
	home   string // $HOME
	canary string

	password string // a file with the master password

	more []string // variables of the server beside the usual
}

func newWorld(t *testing.T) *world {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 18)
	rand.Read(raw)
	w := &world{t: t, bin: bin, home: t.TempDir(), canary: "cnr+" + base64.RawStdEncoding.EncodeToString(raw) + "/=<&"}
	pw := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(pw, []byte("correct horse battery staple 42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.password = pw
	w.ov("", pw, "vault", "init", "--kit", filepath.Join(t.TempDir(), "kit"))
	w.ov(w.canary, pw, "secret", "create", "CANARY", "--stdin")
	w.ov("", pw, "unlock")
	t.Cleanup(func() { w.ov("", "", "agent", "stop") })
	return w
}

func (w *world) environ() []string {
	return []string{"HOME=" + w.home, "PATH=" + os.Getenv("PATH"), "USER=u", "SHELL=/bin/sh", "TERM=dumb"}
}

// policy stores a policy as a person does, with the password.
func (w *world) policy(text string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "policy.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.ov("", w.password, "policy", "edit", "--file", file)
}

func (w *world) ov(stdin, password string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.bin, "ov"), args...)
	cmd.Env = w.environ()
	if password != "" {
		cmd.Env = append(cmd.Env, "OV_PASSWORD_FILE="+password)
	}
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("ov %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// peer is an MCP client; it keeps everything that was said.
type peer struct {
	w    *world
	cmd  *exec.Cmd
	in   io.WriteCloser
	mu   sync.Mutex
	said bytes.Buffer
	note func(line []byte) // sees all that the server says; may be nil
	wait map[int]chan []byte
	next int
}

func (w *world) serve() *peer {
	w.t.Helper()
	p := w.start(nil)
	p.request("initialize", map[string]any{"protocolVersion": "2025-06-18", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "Test Client", "version": "1"}})
	return p
}

// start starts the server and says nothing yet.
func (w *world) start(note func([]byte)) *peer {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.bin, "ov"), "mcp", "serve")
	cmd.Env, cmd.Dir, cmd.Stderr = append(w.environ(), w.more...), w.home, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	p := &peer{w: w, cmd: cmd, in: in, note: note, wait: map[int]chan []byte{}}
	go p.listen(out)
	w.t.Cleanup(func() { in.Close(); cmd.Wait() })
	return p
}

func (p *peer) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var m struct{ ID int }
		line := bytes.Clone(lines.Bytes())
		json.Unmarshal(line, &m)
		if p.note != nil {
			p.note(line)
		}
		p.mu.Lock()
		p.said.Write(line)
		c := p.wait[m.ID]
		delete(p.wait, m.ID)
		p.mu.Unlock()
		if c != nil {
			c <- line
		}
	}
}

func (p *peer) start(method string, params any) chan []byte {
	p.w.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	c := make(chan []byte, 1)
	p.wait[p.next] = c
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": p.next, "method": method, "params": params})
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.said.Write(b)
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.w.t.Fatal(err)
	}
	return c
}

func (p *peer) request(method string, params any) []byte {
	p.w.t.Helper()
	select {
	case b := <-p.start(method, params):
		return b
	case <-time.After(time.Minute):
		p.w.t.Fatalf("no answer to %s", method)
		return nil
	}
}

// result is a tool's answer: its structured content, or the text of its error.
type result struct {
	Text string
	Data map[string]any
	Err  bool
}

func parse(t *testing.T, raw []byte) result {
	t.Helper()
	var m struct {
		Result struct {
			Content           []struct{ Text string }
			StructuredContent map[string]any
			IsError           bool
		}
		Error any
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.Error != nil {
		t.Fatalf("answer %s (%v)", raw, err)
	}
	r := result{Data: m.Result.StructuredContent, Err: m.Result.IsError}
	for _, c := range m.Result.Content {
		r.Text += c.Text
	}
	return r
}

func (p *peer) tool(name string, args map[string]any) result {
	p.w.t.Helper()
	return parse(p.w.t, p.request("tools/call", map[string]any{"name": name, "arguments": args}))
}

func (p *peer) ok(name string, args map[string]any) map[string]any {
	p.w.t.Helper()
	r := p.tool(name, args)
	if r.Err {
		p.w.t.Fatalf("%s %v: %s", name, args, r.Text)
	}
	return r.Data
}

func (p *peer) fails(code, name string, args map[string]any) {
	p.w.t.Helper()
	if r := p.tool(name, args); !r.Err || !strings.HasPrefix(r.Text, code+": ") {
		p.w.t.Errorf("%s %v: %q, want %s", name, args, r.Text, code)
	}
}

// spellings are what must appear in no message and in no file.
func spellings(v string) []string {
	return []string{v, base64.StdEncoding.EncodeToString([]byte(v)), hex.EncodeToString([]byte(v)), url.QueryEscape(v), strings.ToUpper(hex.EncodeToString([]byte(v)))}
}

// TestWholeSession is what an agent does in a day; the value is in no message.
func TestWholeSession(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	if s := p.ok("vault_status", nil); s["locked"] != false || s["secrets"] != 1.0 {
		t.Errorf("status %v", s)
	}
	ten := `printf '%s\n' "$CANARY"; printf %s "$CANARY" | base64 -w0; echo; printf %s "$CANARY" | od -An -tx1; printf %s "$CANARY" | tr a-z A-Z; echo;
printf %s "$CANARY" | rev; echo; printf 'user:%s' "$CANARY" | base64 -w0; echo; printf '%s' "$CANARY" | fold -w 5; echo; echo "$CANARY" >&2; printf %s "$CANARY" | cut -c1-16; printf %s "$CANARY" | od -An -to1`
	r := p.ok("vault_run", map[string]any{"command": []string{"sh", "-c", ten}})
	if r["exit_code"] != 0.0 || strings.Count(fmt.Sprint(r["stdout"], r["stderr"]), "[REDACTED:CANARY]") < 9 {
		t.Errorf("run %v", r)
	}
	made := p.ok("vault_create_secret", map[string]any{"name": "MADE", "generate": map[string]any{"length": 40}})
	if made["how"] != "generated" || made["version"] != 1.0 {
		t.Errorf("created %v", made)
	}
	listed := p.ok("vault_list_secrets", nil)
	if n := len(listed["secrets"].([]any)); n != 2 {
		t.Errorf("%d secrets listed", n)
	}
	id := p.ok("vault_inject_env", map[string]any{"secrets": []string{"CANARY", "RENAMED=MADE"}})["session_id"]
	in := func(argv ...string) string {
		return p.ok("vault_run", map[string]any{"session_id": id, "command": argv})["stdout"].(string)
	}
	in("cd", "/usr")
	in("export", "WORD=kept")
	if out := in("sh", "-c", `pwd; echo $WORD ${#RENAMED} $CANARY`); out != "/usr\nkept 40 [REDACTED:CANARY]\n" {
		t.Errorf("session printed %q", out)
	}
	p.ok("vault_inject_env", map[string]any{"action": "close", "session_id": id})
	p.fails("session_expired", "vault_run", map[string]any{"session_id": id, "command": []string{"true"}})
	if u := p.ok("vault_update_secret", map[string]any{"name": "MADE", "from_command": []string{"sh", "-c", "echo from-a-command-4711"}}); u["version"] != 2.0 {
		t.Errorf("updated %v", u)
	}
	p.ok("vault_delete_secret", map[string]any{"name": "MADE"})
	if f := p.ok("vault_scan", map[string]any{"text": "a\ntoken = ghp_" + "0123456789abcdefghijABCDEFGHIJ012345\n"}); f["total"] != 1.0 || strings.Contains(fmt.Sprint(f), "0123456789abcdef") {
		t.Errorf("scan found %v", f)
	}
	w.clean(p)
}

// clean fails the test when the value is in a message or on disk.
func (w *world) clean(p *peer) {
	w.t.Helper()
	p.mu.Lock()
	said := p.said.String()
	p.mu.Unlock()
	for _, form := range spellings(w.canary) {
		quoted, _ := json.Marshal(form)
		if strings.Contains(said, form) || strings.Contains(said, strings.Trim(string(quoted), `"`)) {
			w.t.Errorf("a message holds the value as %q", form)
		}
	}
	filepath.WalkDir(w.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			w.t.Error(err)
		}
		for _, form := range append(spellings(w.canary), "a-command-that-must-not-be-logged") {
			if bytes.Contains(b, []byte(form)) {
				w.t.Errorf("%s holds %q", path, form)
			}
		}
		return nil
	})
}

// TestErrors: each code that a model can act on.
func TestErrors(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	run := func(v ...string) map[string]any { return map[string]any{"command": v} }
	p.fails("command_not_found", "vault_run", run("nonesuch"))
	p.fails("secret_not_found", "vault_run", map[string]any{"command": []string{"true"}, "secret_names": []string{"CANARI"}})
	p.fails("invalid_arguments", "vault_run", map[string]any{"command": []string{}})
	p.fails("invalid_arguments", "vault_run", map[string]any{"command": "echo"})
	p.fails("invalid_arguments", "vault_run", map[string]any{"command": []string{"true"}, "colour": "red"})
	p.fails("invalid_arguments", "vault_run", map[string]any{"command": []string{"true"}, "env": map[string]string{"LD_PRELOAD": "x"}})
	p.fails("invalid_arguments", "vault_run", map[string]any{"command": []string{"true"}, "env": map[string]string{"CANARY": "x"}, "secret_names": []string{"CANARY"}})
	p.fails("invalid_arguments", "vault_create_secret", map[string]any{"name": "no good"})
	p.fails("secret_exists", "vault_create_secret", map[string]any{"name": "CANARY", "generate": map[string]any{}})
	p.fails("denied_by_policy", "vault_create_secret", map[string]any{"name": "V", "value": "something"})
	p.fails("value_needed", "vault_create_secret", map[string]any{"name": "V"})
	device := filepath.Join(w.home, ".ov", "device")
	os.Symlink(device, filepath.Join(w.home, "link"))
	for _, file := range []string{device, filepath.Join(w.home, "link"), w.home + "/./.ov/../.ov/device"} {
		p.fails("denied_by_policy", "vault_create_secret", map[string]any{"name": "V", "from_file": file})
	}
	if r := p.ok("vault_run", map[string]any{"command": []string{"sleep", "30"}, "timeout_ms": 200}); r["timed_out"] != true || r["exit_code"] != nil {
		t.Errorf("timeout: %v", r)
	}
	p.ok("vault_run", run("sh", "-c", "echo a-command-that-must-not-be-logged"))
	w.ov("", "", "lock")
	p.fails("vault_locked", "vault_run", run("true"))
	p.fails("vault_locked", "vault_list_secrets", nil)
	if s := p.ok("vault_status", nil); s["locked"] != true {
		t.Errorf("status of a locked vault: %v", s)
	}
	w.clean(p)
}

// TestLoad: two hundred commands at once, and status in between.
func TestLoad(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	var runs []chan []byte
	for range 200 {
		runs = append(runs, p.start("tools/call", map[string]any{"name": "vault_run", "arguments": map[string]any{"command": []string{"sleep", "1"}}}))
	}
	begun := time.Now()
	p.ok("vault_status", nil)
	t.Logf("vault_status took %v behind 200 runs", time.Since(begun))
	for _, c := range runs {
		if r := parse(t, <-c); r.Err || r.Data["exit_code"] != 0.0 {
			t.Fatalf("a run failed: %s", r.Text)
		}
	}
}

// TestFlood: what a command prints does not stay in the server.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	r := p.ok("vault_run", map[string]any{"command": []string{"sh", "-c", "head -c 200000000 /dev/zero | tr '\\0' 'x'; echo $CANARY"}, "max_output_bytes": 200000})
	if r["truncated"] != true || r["stdout_bytes"].(float64) < 200e6 || len(r["stdout"].(string)) > 201000 || !strings.HasSuffix(r["stdout"].(string), "[REDACTED:CANARY]\n") {
		t.Errorf("flood: truncated %v, %v bytes", r["truncated"], r["stdout_bytes"])
	}
	if peak := peakMemory(t, p.cmd.Process.Pid); peak > 64<<20 {
		t.Errorf("peak memory %d MiB", peak>>20)
	} else {
		t.Logf("peak memory %d MiB", peak>>20)
	}
}

func peakMemory(t *testing.T, pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("read peak memory: %v", err)
		}
		t.Skip("no /proc: peak memory cannot be read here")
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kb, _ := strconv.Atoi(f[1])
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestNothingIsLeftBehind: whatever ends the server, its commands end too, the
// detached ones among them, and within two seconds where it has a say.
func TestNothingIsLeftBehind(t *testing.T) {
	for name, end := range map[string]func(*peer){
		"input ends": func(p *peer) { p.in.Close() },
		"SIGTERM":    func(p *peer) { p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGKILL":    func(p *peer) { p.cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			p := w.serve()
			mark := filepath.Join(w.home, "pids")
			p.start("tools/call", map[string]any{"name": "vault_run", "arguments": map[string]any{"command": []string{"sh", "-c",
				"trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; echo $$ >> " + mark + "; sleep 600' & echo $$ >> " + mark + "; sleep 600"}}})
			var pids []string
			for range 500 {
				b, _ := os.ReadFile(mark)
				if pids = strings.Fields(string(b)); len(pids) == 2 {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if len(pids) != 2 {
				t.Fatalf("the command did not start: %v", pids)
			}
			begun := time.Now()
			end(p)
			p.cmd.Wait()
			t.Logf("ended in %v", time.Since(begun))
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the server took %v to end", took)
			}
			for _, pid := range pids {
				if !gone(pid) {
					t.Errorf("process %s was left behind", pid)
				}
			}
		})
	}
}

func gone(pid string) bool {
	for range 250 {
		st, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(st), ") Z ") {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}
