package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A world is a folder with 50 values in the form of each tool.
type world struct {
	dir, bin, peers string
	values          map[string]string
	doppler         net.Listener
}

func newWorld(bin, peers string) (*world, error) {
	dir, err := os.MkdirTemp("", "ov-start-*")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, bin: bin, peers: peers, values: map[string]string{}}
	for i := 1; i <= 50; i++ {
		raw := make([]byte, 30)
		rand.Read(raw)
		w.values[fmt.Sprintf("S%02d", i)] = base64.RawURLEncoding.EncodeToString(raw)
	}
	if err := w.fill(); err != nil {
		w.leave()
		return nil, err
	}
	return w, nil
}

func (w *world) leave() {
	w.do(w.ov(), "agent", "stop")
	if w.doppler != nil {
		w.doppler.Close()
	}
	os.RemoveAll(w.dir)
}

func (w *world) ov() string { return filepath.Join(w.bin, "ov") }

func (w *world) environ() []string {
	return []string{"HOME=" + w.dir, "PATH=" + w.peers + ":" + os.Getenv("PATH"), "OV_PASSWORD_FILE=" + filepath.Join(w.dir, "password"),
		"SOPS_AGE_KEY_FILE=" + filepath.Join(w.dir, "age.txt"), "LANG=C.UTF-8"}
}

// fill writes the values where each tool reads them. What is a peer's and fails
// leaves that peer out later.
func (w *world) fill() error {
	var env, yaml strings.Builder
	for name, v := range w.values {
		fmt.Fprintf(&env, "%s=%s\n", name, v)
		fmt.Fprintf(&yaml, "%s: %s\n", name, v)
	}
	for name, text := range map[string]string{".env": env.String(), "crypt/.env": env.String(), "plain.yaml": yaml.String(), "direnv/.env": env.String(),
		"direnv/.envrc": "dotenv\n", "password": "a long password of a benchmark\n"} {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"vault", "init", "--kit", filepath.Join(w.dir, "kit")}, {"unlock"}} {
		if err := w.do(w.ov(), args...); err != nil {
			return err
		}
	}
	if err := w.do(w.ov(), "import", ".env", "--yes"); err != nil {
		return err
	}
	w.do("age-keygen", "-o", filepath.Join(w.dir, "age.txt"))
	w.do("sh", "-c", `sops encrypt --age "$(age-keygen -y age.txt)" plain.yaml >sops.yaml`)
	w.do(filepath.Join(w.peers, "node_modules/.bin/dotenvx"), "encrypt", "-f", "crypt/.env")
	w.do("direnv", "allow", "direnv")
	return w.serve()
}

// serve answers like Doppler's service, on loopback: what is measured is the
// tool, without a network.
func (w *world) serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.doppler = l
	body, err := json.Marshal(w.values)
	if err != nil {
		return err
	}
	go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Write(body)
	}))
	return nil
}

func (w *world) do(name string, args ...string) error {
	if at := filepath.Join(w.peers, name); !strings.Contains(name, "/") {
		if _, err := os.Stat(at); err == nil {
			name = at
		}
	}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = w.dir, w.environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// tools are the ways that work here.
func (w *world) tools() ([]*tool, error) {
	peer := func(name string) string { return filepath.Join(w.peers, name) }
	node := func(name string) string { return filepath.Join(w.peers, "node_modules/.bin", name) }
	const plain, sealed = "a plain file", "an encrypted file, its key in a file beside it"
	nothing := []string{"true"}
	all := []*tool{
		{name: "ov run -- true", rest: "sealed; key in ov-agent", argv: []string{w.ov(), "run", "--"}, masks: true},
		{name: "ov run -- echo", rest: "sealed; key in ov-agent", argv: []string{w.ov(), "run", "--"}, masks: true, command: []string{"echo", "x"}},
		{name: "sh -c '. ./.env; exec true'", rest: plain, argv: []string{"sh", "-c", `set -a; . ./.env; exec "$@"`, "sh"}},
		{name: "godotenv true", rest: plain, argv: []string{peer("godotenv"), "-f", ".env"}},
		{name: "dotenv -- true (dotenv-cli)", rest: plain, argv: []string{node("dotenv"), "-e", ".env", "--"}},
		{name: "direnv exec . true", rest: plain, argv: []string{peer("direnv"), "exec", "direnv"}},
		{name: "dotenvx run -- true", rest: sealed, argv: []string{node("dotenvx"), "run", "-q", "-f", "crypt/.env", "--"}},
		{name: "doppler run -- true", rest: "at the service (here: loopback)", argv: []string{peer("doppler"), "run", "--no-fallback", "--api-host", "http://" + w.doppler.Addr().String(), "--"},
			env: []string{"DOPPLER_TOKEN=dp.st.dev.0123456789", "DOPPLER_ENABLE_VERSION_CHECK=false"}},
		{name: "true", rest: "-"},
	}
	all = w.usable(all)
	sops := &tool{name: "sops exec-env x.yaml true", rest: sealed, argv: []string{peer("sops"), "exec-env", "sops.yaml"}}
	if err := w.run(sops, `test -n "$S01" && test -n "$S50"`); err == nil { // it takes a line of shell
		all = append(all, sops)
	} else {
		fmt.Fprintf(os.Stderr, "start: sops is left out: %v\n", err)
	}
	for _, t := range all {
		if t.command == nil {
			t.command = nothing
		}
	}
	if len(all) == 0 || !all[0].masks {
		return nil, fmt.Errorf("ov run does not work here")
	}
	return all, nil
}
