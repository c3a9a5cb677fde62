package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/sqlite"
)

// absent fails the test for every one of the words, in any spelling, that is in
// one of the places; a place with next to nothing in it was not looked at.
func absent(t *testing.T, places map[string][]byte, words map[string]string) {
	t.Helper()
	for place, b := range places {
		if len(b) < 500 {
			t.Errorf("%s: %d bytes only", place, len(b))
		}
		for what, word := range words {
			for form, spelled := range forms(word) {
				if bytes.Contains(b, spelled) {
					t.Errorf("%s holds the %s (%s)", place, what, form)
				}
			}
			if s := base64.RawURLEncoding.EncodeToString([]byte(word)); bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds the %s (base64 for URLs)", place, what)
			}
		}
	}
}

// addIDs adds to words the blinded ids of the records of the vault whose copy is
// in home.
func (w *world) addIDs(t *testing.T, home string, words map[string]string) {
	t.Helper()
	st := sqlite.Open(filepath.Join(home, "vault.db"))
	defer st.Close()
	entries, err := st.Changes(t.Context(), 0)
	if err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
	for i, e := range entries {
		words[fmt.Sprintf("id of record %d", i)] = string(e.ID[:])
	}
}

// vaultID returns the id of the vault of home, as bytes.
func (w *world) vaultID(t *testing.T, home string) string {
	t.Helper()
	_, rest, ok := strings.Cut(w.must(t, "", "--home", home, "vault", "status").stdout, "vault id ")
	text, _, _ := strings.Cut(rest, "\n")
	id, err := hex.DecodeString(strings.TrimSpace(text))
	if !ok || err != nil || len(id) != 16 {
		t.Fatalf("%q, %v", rest, err)
	}
	return string(id)
}

// startServer starts a real ov-server for a world.
func startServer(t *testing.T, w *world) *serverProc {
	t.Helper()
	s := &serverProc{program: filepath.Join(filepath.Dir(w.env["OV_PROGRAM"]), "ov-server"), data: filepath.Join(w.work, "server"), log: filepath.Join(w.work, "server.log")}
	t.Cleanup(s.stop)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// Attack 15, the whole flow with the real programs: make, join, set, sync,
// conflict, machine key and revocation go through a proxy that ends TLS and logs
// everything. It learns no id, name, value or password, and what it changes,
// sends again or swaps is refused.
func TestAttack15WholeFlow(t *testing.T) {
	w := newWorld(t, t.TempDir())
	t.Cleanup(func() { w.leave(t) })
	s := startServer(t, w)
	p := servertest.NewProxy(t, "http://"+s.address)
	ca := w.file(t, "proxy.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})))
	a, b, kit := filepath.Join(w.work, "a"), filepath.Join(w.work, "b"), filepath.Join(w.work, "kit")
	on := func(home string, args ...string) []string { return append([]string{"--home", home}, args...) }
	const app, name, second = "canary-app-7d31", "CANARY_NAME_7D31", "CANARY_SECOND_7D31"
	ref := app + "/production/" + name

	w.must(t, "", on(a, "vault", "init", "--server", p.URL, "--ca", ca, "--device", "canary-desk-7d31", "--kit", kit)...)
	w.must(t, w.canary, on(a, "secret", "set", ref, "--stdin")...)
	w.must(t, "", on(b, "vault", "join", "--server", p.URL, "--ca", ca, "--device", "canary-laptop-7d31", "--kit", kit)...)
	w.must(t, w.canary+"2", on(b, "secret", "set", app+"/production/"+second, "--stdin")...)
	w.must(t, "", on(a, "unlock")...)
	w.must(t, "", on(a, "sync")...)
	w.must(t, w.canary+"3", on(b, "secret", "set", ref, "--stdin")...)
	if r := w.ov(t, w.canary+"4", on(a, "secret", "set", ref, "--stdin")...); r.code != 6 || !strings.Contains(r.stderr, "canary-laptop-7d31") {
		t.Errorf("the same secret: exit %d\n%s", r.code, r.stderr)
	}
	key := filepath.Join(w.work, "ci.key")
	w.must(t, "", on(a, "auth", "derive-machine-key", "--app", app, "--env", "production", "--name", "canary-ci-7d31", "--out", key)...)
	cert, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	w.dir(t, "runner")
	w.file(t, "runner/server-ca.pem", string(cert)) // as docs/ci.md says
	machine := func() result {
		cmd := w.command("--home", filepath.Join(w.work, "runner"), "run", "--app", app, "--env", "production", "--", "sh", "-c", "echo $"+name)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.work, "OV_MACHINE_KEY_FILE=" + key}
		out, _ := cmd.CombinedOutput()
		return result{stdout: string(out), code: cmd.ProcessState.ExitCode()}
	}
	if r := machine(); r.code != 0 || r.stdout != "[REDACTED:"+name+"]\n" {
		t.Errorf("a machine: exit %d\n%s", r.code, r.stdout)
	}
	refuseChanges(t, w, p, a, b)
	w.must(t, "", on(a, "auth", "revoke", "canary-ci-7d31")...)
	if r := machine(); r.code != 125 || !strings.Contains(r.stdout, "revoked") {
		t.Errorf("a machine that was revoked: exit %d\n%s", r.code, r.stdout)
	}
	w.must(t, "", on(a, "device", "revoke", "--yes", "canary-laptop-7d31")...)
	if r := w.ov(t, "", on(b, "sync")...); r.code == 0 || !strings.Contains(r.stderr, "revoked") {
		t.Errorf("a device that was revoked: exit %d\n%s", r.code, r.stderr)
	}

	words := map[string]string{"value": w.canary, "app": app, "name": name, "second name": second, "device": "canary-desk-7d31", "password": password,
		"machine": "canary-ci-7d31", "vault": w.vaultID(t, a), "path": "/v1/vaults", "signature": "OV1 key="}
	w.addIDs(t, a, words)
	log := p.Log()
	requests := bytes.Count(log, []byte("POST /v1/sealed"))
	if requests < 20 {
		t.Fatalf("the proxy saw %d requests", requests)
	}
	absent(t, map[string][]byte{"the proxy's log": log}, words)
	os.Remove(key)
	w.must(t, "", on(a, "agent", "stop")...)
	if t.Failed() {
		return
	}
	fmt.Printf("attack 15, real programs: %d requests of a whole flow logged, %d bytes: none of %d ids, names, values and passwords in them; bodies that were edited, replayed or swapped are refused\n", requests, len(log), len(words))
}

// refuseChanges has the proxy lie: the device behind it takes nothing over and
// sends nothing, and is as before once the proxy is honest.
func refuseChanges(t *testing.T, w *world, p *servertest.Proxy, a, b string) {
	t.Helper()
	w.must(t, "", "--home", b, "unlock")
	defer w.must(t, "", "--home", b, "agent", "stop")
	flip := func(b []byte, at int) []byte {
		if len(b) > 0 {
			b[at%len(b)] ^= 4
		}
		return b
	}
	requests, answers := p.Bodies()
	n, m := len(requests), len(answers)
	if n < 20 || m < 20 {
		t.Fatalf("%d requests, %d answers", n, m)
	}
	early, late := requests[2], requests[n-1]
	firstAnswer, lastAnswer := answers[2], answers[m-1]
	only := func(request bool, f func([]byte) []byte) func(bool, []byte) []byte {
		return func(is bool, b []byte) []byte {
			if is != request {
				return b
			}
			return f(b)
		}
	}
	for what, change := range map[string]func(bool, []byte) []byte{
		"a request's first bit flipped": only(true, func(b []byte) []byte { return flip(b, 0) }),
		"a request's bit flipped":       only(true, func(b []byte) []byte { return flip(b, 1300) }),
		"an answer's bit flipped":       only(false, func(b []byte) []byte { return flip(b, 40) }),
		"an answer's end cut":           only(false, func(b []byte) []byte { return b[:len(b)/2] }),
		"an early request again":        only(true, func([]byte) []byte { return early }),
		"the last request again":        only(true, func([]byte) []byte { return late }),
		"an early answer again":         only(false, func([]byte) []byte { return firstAnswer }),
		"the last answer again":         only(false, func([]byte) []byte { return lastAnswer }),
		"an empty answer":               only(false, func([]byte) []byte { return nil }),
		"an answer of the proxy's own":  only(false, func([]byte) []byte { return []byte(`{"seq":1}`) }),
	} {
		p.Alter(change)
		if r := w.ov(t, "", "--home", b, "sync"); r.code == 0 {
			t.Errorf("%s: sync was content: %s%s", what, r.stdout, r.stderr)
		}
		if r := w.ov(t, "never-stored-behind-a-liar", "--home", b, "secret", "set", "LIED", "--stdin"); r.code == 0 {
			t.Errorf("%s: a write was content: %s%s", what, r.stdout, r.stderr)
		}
	}
	p.Alter(nil)
	w.must(t, "", "--home", b, "sync")
	if r := w.ov(t, "", "--home", a, "secret", "list"); strings.Contains(r.stdout, "LIED") {
		t.Errorf("a write through a lying proxy was made after all:\n%s", r.stdout)
	}
}

// Attack 10 with the real programs: canaries in 200 operations of two devices are
// not in what went over loopback, nor in the server's database, WAL, log and
// metrics.
func TestAttack10RealServer(t *testing.T) {
	w := newWorld(t, t.TempDir())
	t.Cleanup(func() { w.leave(t) })
	s := startServer(t, w)
	p := servertest.NewTap(t, s.address)
	a, b, kit := filepath.Join(w.work, "a"), filepath.Join(w.work, "b"), filepath.Join(w.work, "kit")
	const app, name, tag = "canary-app-51ce", "CANARY_NAME_51CE", "canary-tag-51ce"
	w.must(t, "", "--home", a, "vault", "init", "--server", "http://"+p.Address, "--device", "canary-desk-51ce", "--kit", kit)
	w.must(t, "", "--home", b, "vault", "join", "--server", "http://"+p.Address, "--device", "canary-laptop-51ce", "--kit", kit)
	for _, home := range []string{a, b} {
		w.must(t, "", "--home", home, "unlock")
	}
	n := size(40, 200)
	for i := range n {
		home := []string{a, b}[i%2]
		ref := fmt.Sprintf("%s/development/%s_%d", app, name, i/2%2*2+i%2) // each device its own, so that none is a conflict
		switch i % 5 {
		case 3:
			w.must(t, "", "--home", home, "secret", "list", "--app", app, "--env", "development")
		case 4:
			w.must(t, "", "--home", home, "run", "--app", app, "--env", "development", "--", "true")
		default:
			w.must(t, fmt.Sprint(w.canary, i), "--home", home, "secret", "set", ref, "--stdin", "--tag", tag)
		}
	}
	resp, err := http.Get("http://" + s.address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	secretKey, err := os.ReadFile(kit)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(secretKey, []byte("OV1-"))
	words := map[string]string{"value": w.canary, "app": app, "name": name, "tag": tag, "device": "canary-desk-51ce", "other device": "canary-laptop-51ce",
		"password": password, "Secret Key": string(secretKey[at : at+41])}
	places := map[string][]byte{"capture": p.Log(), "metrics": metrics}
	for _, file := range []string{"server/server.db", "server/server.db-wal", "server.log"} {
		if places[file], err = os.ReadFile(filepath.Join(w.work, file)); err != nil {
			t.Fatal(err)
		}
	}
	absent(t, places, words)
	ids := map[string]string{"vault": w.vaultID(t, a)}
	w.addIDs(t, a, ids)
	absent(t, map[string][]byte{"capture": places["capture"], "metrics": metrics, "server.log": places["server.log"]}, ids)
	for _, home := range []string{a, b} {
		w.must(t, "", "--home", home, "agent", "stop")
	}
	if t.Failed() {
		return
	}
	fmt.Printf("attack 10, real programs: %d operations of two devices, %d bytes on loopback: no canary in capture, database, WAL, log or metrics, and no id in the first and the last two\n", n, len(places["capture"]))
}
