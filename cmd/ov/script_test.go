package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/opaquevault/ov/core/agent/agenttest"
)

// TestMain is also the children that the scripts run: `leak`, `crash` and the
// rest are words in testdata/script. `ov` there is the real program, started by
// a witness that keeps a copy of what it prints.
func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){
		"ov": witness,
		// leak writes $CANARY one byte at a time.
		"leak": func() {
			for _, b := range []byte(os.Getenv("CANARY") + "\n") {
				os.Stdout.Write([]byte{b})
				time.Sleep(time.Millisecond)
			}
		},
		// leak-it writes $TOKEN, once.
		"leak-it": func() { fmt.Printf("<%s>\n", os.Getenv("TOKEN")) },
		// spell prints $CANARY in every way that five lines of a script would.
		"spell": func() {
			for _, form := range spellings(os.Getenv("CANARY")) {
				fmt.Printf("<%s>\n", form)
			}
		},
		// crash panics with the value in its message.
		"crash": func() { panic("cannot log in with " + os.Getenv("CANARY")) },
		// binary prints bytes that are no text, the value among them.
		"binary": func() {
			os.Stdout.Write([]byte("\x00\xff\xfe" + os.Getenv("CANARY") + "\xc3\x28\r\n\x00"))
		},
		// flood writes $FLOOD MiB of lines, the value in one line of each.
		"flood": func() {
			n, _ := strconv.Atoi(os.Getenv("FLOOD"))
			line := []byte(strings.Repeat("x", 1023) + "\n")
			for range n {
				for range 1023 {
					os.Stdout.Write(line)
				}
				fmt.Println(os.Getenv("CANARY"))
			}
		},
		// deaf does not hear when it is asked to end.
		"deaf": func() {
			signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
			fmt.Println(os.Getpid(), os.Getenv("CANARY"))
			time.Sleep(time.Hour)
		},
		// orphan leaves a child behind that prints later.
		"orphan": func() {
			cmd := exec.Command("sh", "-c", "sleep 0.2; echo late $CANARY")
			cmd.Stdout = os.Stdout
			if err := cmd.Start(); err != nil {
				panic(err)
			}
			fmt.Println("early")
		},
	})
}

// tidy removes the programs after the tests.
type tidy struct{ m *testing.M }

func (t tidy) Run() int {
	code := t.m.Run()
	if dir, err := programs(); err == nil {
		os.RemoveAll(dir)
	}
	return code
}

// programs builds ov and its siblings once and returns their folder.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ov-programs-*")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../ov", "../ov-agent", "../ov-mcp", "../ov-import", "../ov-provider", "../ov-server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return dir, nil
})

// witness runs the real ov and appends what it prints to $OV_SEEN.
func witness() {
	seen, err := os.OpenFile(os.Getenv("OV_SEEN"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(os.Getenv("OV_PROGRAM"), os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, io.MultiWriter(os.Stdout, seen), io.MultiWriter(os.Stderr, seen)
	err = cmd.Run()
	if cmd.ProcessState == nil {
		panic(err)
	}
	os.Exit(cmd.ProcessState.ExitCode())
}

// A world is one home folder with programs, a password and a canary: a value
// that must be found nowhere afterwards.
type world struct {
	work, canary string
	env          map[string]string
}

const password = "correct horse battery staple 42"

// The canary has one slash, near its end: a file name that is the value with the
// slash replaced still holds a long run of it.
func newWorld(t testing.TB, work string) *world {
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{work: work, canary: "cnr+" + strings.ReplaceAll(random(18), "/", "+") + "/=<&"}
	w.env = map[string]string{
		"HOME": w.dir(t, "home"), "TMPDIR": w.dir(t, "tmp"), "OV_SEEN": filepath.Join(work, "seen"),
		"OV_PASSWORD_FILE": w.file(t, "password", password+"\n"), "OV_PROGRAM": filepath.Join(bin, "ov"),
	}
	w.file(t, "canary", w.canary+"\n")
	return w
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawStdEncoding.EncodeToString(b)
}

func (w *world) dir(t testing.TB, name string) string {
	path := filepath.Join(w.work, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *world) file(t testing.TB, name, content string) string {
	path := filepath.Join(w.work, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// environ is the environment of a process in this world.
func (w *world) environ() []string {
	env := []string{"PATH=" + os.Getenv("PATH")}
	for k, v := range w.env {
		env = append(env, k+"="+v)
	}
	return env
}

// leave ends the world: its agent stops, and nothing holds the canary.
func (w *world) leave(t testing.TB) {
	stop := exec.Command(w.env["OV_PROGRAM"], "agent", "stop")
	stop.Env, stop.Dir = w.environ(), w.work
	if out, err := stop.CombinedOutput(); err != nil {
		t.Errorf("stop agent: %v\n%s", err, out)
	}
	w.search(t)
}

// search looks for the canary in every file of the world but the one that the
// test itself put it into.
func (w *world) search(t testing.TB) {
	files := 0
	err := filepath.WalkDir(w.work, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a one-shot agent ends a moment after its command
		}
		if err != nil || !d.Type().IsRegular() || path == filepath.Join(w.work, "canary") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		files++
		for name, form := range forms(w.canary) {
			if bytes.Contains(b, form) {
				t.Errorf("%s holds the canary (%s)", path, name)
			}
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("searched %d files: %v", files, err)
	}
}

// forms are the encodings that are searched for. Of base64 it is the part that
// does not depend on what stands before and behind, at each alignment.
func forms(s string) map[string][]byte {
	f := map[string][]byte{
		"plain": []byte(s), "hex": []byte(hex.EncodeToString([]byte(s))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(s)))),
		"percent": []byte(url.QueryEscape(s)), "utf-16": utf16le(s),
	}
	for shift := range 3 {
		e := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + s))
		f[fmt.Sprintf("base64 at %d", shift)] = []byte(e[(shift*8+5)/6 : (len(s)+shift)*8/6])
	}
	return f
}

func utf16le(s string) []byte {
	var b []byte
	for _, c := range []byte(s) {
		b = append(b, c, 0)
	}
	return b
}

// spellings are forms in a fixed order.
func spellings(s string) []string {
	var all []string
	for _, form := range forms(s) {
		all = append(all, string(form))
	}
	slices.Sort(all)
	return append(all, base64.StdEncoding.EncodeToString([]byte("user:"+s)))
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			w := newWorld(e.T().(testing.TB), e.WorkDir)
			for k, v := range w.env {
				e.Setenv(k, v)
			}
			e.Setenv("FLOOD", strconv.Itoa(size(64, 1024)))
			e.Values[serverKey{}] = newServerProc(e)
			e.Defer(func() { w.leave(e.T().(testing.TB)) })
			return nil
		},
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "approves": approves, "server": serverCmd, "member": memberCmd, "grab": grabCmd},
		Condition: func(word string) (bool, error) { return word == "agent" && agenttest.Around() != "", nil },
	})
}

// exits runs ov and compares its exit status: `exits 125 run -- true`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS ARG...")
	}
	err := ts.Exec("ov", args[1:]...)
	status := 0
	if exit := (*exec.ExitError)(nil); err != nil {
		if e, ok := err.(*exec.ExitError); ok {
			exit = e
			status = exit.ExitCode()
			if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
				status = 128 + int(ws.Signal())
			}
		} else {
			ts.Fatalf("run ov: %v", err)
		}
	}
	if fmt.Sprint(status) != args[0] {
		ts.Fatalf("ov %s exits %d, want %s", strings.Join(args[1:], " "), status, args[0])
	}
}
