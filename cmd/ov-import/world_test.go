package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A world is a vault, the programs beside each other, and a service to import from.
type world struct {
	dir, home, tmp string
	env            []string
	service        *service
}

// programs are built once.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ov-programs-*")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../ov", "../ov-agent", "../ov-import", "../ov-provider", "../../sdk/example/folder")
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

func newWorld(t *testing.T) *world {
	t.Helper()
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &world{dir: dir, home: filepath.Join(dir, "home"), tmp: filepath.Join(dir, "tmp"), service: newService(t)}
	password := filepath.Join(dir, "password")
	for _, err := range []error{os.Mkdir(w.tmp, 0o700), os.WriteFile(password, []byte("correct horse battery staple 42\n"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "OV_HOME=" + w.home, "OV_PASSWORD_FILE=" + password,
		"TMPDIR=" + w.tmp, "VAULT_ADDR=" + w.service.URL, "VAULT_TOKEN=good"}
	w.must(t, "vault", "init", "--kit", filepath.Join(dir, "kit"))
	w.must(t, "unlock")
	t.Cleanup(func() { w.ov("agent", "stop") })
	return w
}

type result struct {
	out, err string
	code     int
}

func (w *world) command(args ...string) *exec.Cmd {
	bin, _ := programs()
	cmd := exec.Command(filepath.Join(bin, "ov"), args...)
	cmd.Env, cmd.Dir = w.env, w.dir
	return cmd
}

func (w *world) ov(args ...string) result {
	cmd := w.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return result{err: err.Error(), code: -1}
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func (w *world) must(t *testing.T, args ...string) result {
	t.Helper()
	return w.exits(t, 0, args...)
}

// exits runs ov and wants this status; words must all be in what it prints.
func (w *world) exits(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := w.ov(args...)
	if r.code != code {
		t.Fatalf("ov %s exits %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.out, r.err)
	}
	return r
}

func (r result) says(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(r.out+r.err, w) {
			t.Errorf("nothing says %q:\n%s%s", w, r.out, r.err)
		}
	}
}

// versions returns what an app holds, by name.
func (w *world) versions(t *testing.T, app string) map[string]uint64 {
	t.Helper()
	r := w.must(t, "secret", "list", "-a", app, "--json")
	var list []struct {
		Name    string
		Version uint64
	}
	if err := json.Unmarshal([]byte(r.out), &list); err != nil {
		t.Fatalf("%v\n%s", err, r.out)
	}
	got := map[string]uint64{}
	for _, s := range list {
		got[s.Name] = s.Version
	}
	return got
}

// value has a command write one secret, and reads it there.
func (w *world) value(t *testing.T, app, name string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "value")
	w.must(t, "run", "-a", app, "--secrets", name, "--", "sh", "-c", `printf %s "$`+name+`" > `+at)
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(at)
	return string(b)
}

// clean searches home and temporary files for values, in three spellings.
func (w *world) clean(t *testing.T, values ...string) {
	t.Helper()
	files := 0
	for _, dir := range []string{w.home, w.tmp} {
		filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			files++
			text, _ := os.ReadFile(at)
			for _, v := range values {
				for _, form := range []string{v, hex.EncodeToString([]byte(v)), base64.StdEncoding.EncodeToString([]byte(v))[:len(v)]} {
					if bytes.Contains(text, []byte(form)) {
						t.Errorf("%s holds a value", at)
					}
				}
			}
			return nil
		})
	}
	if files < 3 {
		t.Fatalf("%d files were searched: the search looks in the wrong place", files)
	}
}

// A service is a KV version 2 mount of HashiCorp Vault, in memory.
type service struct {
	*httptest.Server
	mu       sync.Mutex
	data     map[string]string // path -> JSON object
	versions map[string]int
	denied   map[string]bool
	reads    int
	busy     int // how many calls are throttled from now on
	expire   int // reads until the token is no longer good; 0: never
}

func newService(t *testing.T) *service {
	s := &service{data: map[string]string{}, versions: map[string]int{}, denied: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// set stores a value as the secret at path.
func (s *service) set(path, value string) {
	object, _ := json.Marshal(map[string]string{"value": value})
	s.setObject(path, string(object))
}

func (s *service) setObject(path, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[path] = object
	s.versions[path]++
}

// took returns the reads since it was last called.
func (s *service) took() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.reads
	s.reads = 0
	return n
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch at := strings.TrimPrefix(r.URL.Path, "/v1/secret/"); {
	case s.busy > 0:
		s.busy--
		http.Error(w, `{"errors":["busy"]}`, http.StatusTooManyRequests)
	case strings.HasSuffix(r.URL.Path, "/mounts/secret"):
		fmt.Fprint(w, `{"data":{"type":"kv","options":{"version":"2"}}}`)
	case r.Method == "SCAN":
		s.scan(w)
	case s.denied[strings.TrimPrefix(at, "data/")], s.expire > 0 && s.reads >= s.expire:
		http.Error(w, `{"errors":["permission denied"]}`, http.StatusForbidden)
	case s.data[strings.TrimPrefix(at, "data/")] == "":
		http.Error(w, `{"errors":[]}`, http.StatusNotFound)
	default:
		s.reads++
		at = strings.TrimPrefix(at, "data/")
		fmt.Fprintf(w, `{"data":{"data":%s,"metadata":{"version":%d}}}`, s.data[at], s.versions[at])
	}
}

func (s *service) scan(w http.ResponseWriter) {
	keys, info := []string{}, map[string]any{}
	for at := range s.data {
		keys = append(keys, at)
		info[at] = map[string]any{"current_version": s.versions[at], "updated_time": "2026-01-02T03:04:05Z"}
	}
	json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"keys": keys, "key_info": info}})
}
