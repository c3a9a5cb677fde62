package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAgain: what has not changed is not read; what has is, and nothing else.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.service.set(fmt.Sprintf("shop/KEY_%02d", i), fmt.Sprintf("canary-value-%02d-9f8e7d", i))
	}
	r := w.exits(t, 7, "import", "vault://secret", "-a", "shop")
	r.says(t, "30 create", "--yes applies the plan", "30 values read")
	if got := w.ov("secret", "list", "-a", "shop"); strings.Contains(got.out, "KEY_") {
		t.Fatal("the plan alone wrote something")
	}
	w.must(t, "import", "vault://secret", "-a", "shop", "--yes").says(t, "30 written, 30 of them read back")
	w.service.took()
	w.must(t, "import", "vault://secret", "-a", "shop").says(t, "30 same", "0 values read")
	if n := w.service.took(); n != 0 {
		t.Errorf("an import of what has not changed read %d values", n)
	}
	w.service.set("shop/KEY_07", "canary-value-07-changed")
	w.exits(t, 7, "import", "status", "vault://secret", "-a", "shop").says(t, "29 unchanged, 1 changed, 0 new, 0 gone", "KEY_07")
	if n := w.service.took(); n != 0 {
		t.Errorf("status read %d values", n)
	}
	w.must(t, "import", "vault://secret", "-a", "shop", "--yes").says(t, "1 update", "29 same")
	if n := w.service.took(); n != 1 {
		t.Errorf("%d values read for one that changed", n)
	}
	if got := w.value(t, "shop", "KEY_07"); got != "canary-value-07-changed" {
		t.Errorf("KEY_07 is %q", got)
	}
	w.must(t, "import", "verify", "vault://secret", "-a", "shop").says(t, "30 secrets are what")
	w.must(t, "import", "status").says(t, "30", "shop/development", "vault: ")
	for name, n := range w.versions(t, "shop") {
		if want := map[bool]uint64{true: 2, false: 1}[name == "KEY_07"]; n != want {
			t.Errorf("%s has version %d, want %d", name, n, want)
		}
	}
	w.clean(t, "canary-value-03-9f8e7d", "canary-value-07-changed", "correct horse battery staple 42")
	r.says(t)
	if strings.Contains(r.out+r.err, "canary") {
		t.Error("a plan shows a value")
	}
	w.must(t, "audit", "verify")
}

// TestConflicts: what a person stored is not replaced unasked.
func TestConflicts(t *testing.T) {
	w := newWorld(t)
	w.service.set("TOKEN", "from the service")
	w.service.set("SAME", "the same on both sides")
	w.service.set("OTHER", "nobody has this")
	for name, value := range map[string]string{"TOKEN": "typed by hand", "SAME": "the same on both sides"} {
		cmd := w.command("secret", "set", name, "-a", "shop", "--stdin")
		cmd.Stdin = strings.NewReader(value)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	w.exits(t, 1, "import", "vault://secret", "-a", "shop", "--yes").says(t, "conflict", "--on-conflict")
	if got := w.versions(t, "shop"); len(got) != 2 || w.value(t, "shop", "TOKEN") != "typed by hand" {
		t.Errorf("a refused plan changed the vault: %v", got)
	}
	w.must(t, "import", "vault://secret", "-a", "shop", "--yes", "--on-conflict", "skip").says(t, "1 skip", "1 create", "1 same")
	w.must(t, "import", "vault://secret", "-a", "shop", "--yes", "--on-conflict", "rename").says(t, "TOKEN_2")
	if w.value(t, "shop", "TOKEN") != "typed by hand" || w.value(t, "shop", "TOKEN_2") != "from the service" {
		t.Error("rename replaced something")
	}
	w.must(t, "import", "vault://secret", "-a", "shop", "--yes", "--on-conflict", "overwrite", "--match", "TOKEN", "--case", "keep")
	if got := w.value(t, "shop", "TOKEN"); got != "from the service" {
		t.Errorf("overwrite left %q", got)
	}
	if n := w.versions(t, "shop")["SAME"]; n != 1 {
		t.Errorf("SAME, which is the same, has version %d", n)
	}
	w.exits(t, 2, "import", "vault://secret", "--on-conflict", "maybe")
}

// TestBadValues: each is named with its reason, and the rest is imported.
func TestBadValues(t *testing.T) {
	w := newWorld(t)
	w.service.set("GOOD", "a good value")
	w.service.set("EMPTY", "")
	w.service.set("SHORT", "abc")
	w.service.set("LONG", strings.Repeat("x", 65<<10))
	w.service.set("MASKED", "token [REDACTED:TOKEN] of a log")
	w.service.set("NUL", "a\x00bcdef")
	w.service.set("DENIED", "may not be read")
	w.service.set("DUPLICATE", `{"a":"first value","a":"second value"}`)
	w.service.set("9lives-of.a/cat", "odd name")
	w.service.setObject("db", `{"user":"annabelle","port":5432,"url":"postgres://db"}`)
	w.service.setObject("sa", `{"type":"service_account","private_key":"-----BEGIN","client_email":"a@b"}`)
	w.service.denied["DENIED"] = true
	r := w.exits(t, 1, "import", "vault://secret", "-a", "bad", "--yes")
	r.says(t, "5 invalid", "1 failed", "value is empty", "shorter than 4 bytes", "longer than 65536 bytes", "permission", "occurs twice",
		"holds a NUL byte", "the mark that masking leaves")
	want := []string{"GOOD", "NUL", "CAT", "DB_USER", "DB_PORT", "DB_URL", "SA"}
	got := w.versions(t, "bad")
	for _, n := range want {
		if got[n] != 1 {
			t.Errorf("%s is not there: %v", n, got)
		}
	}
	if len(got) != len(want) {
		t.Errorf("imported %v, want %v", got, want)
	}
	if v := w.value(t, "bad", "DB_PORT"); v != "5432" {
		t.Errorf("DB_PORT is %q", v)
	}
	for _, v := range []string{"first value", "may not be read", "annabelle"} {
		if strings.Contains(r.out+r.err, v) {
			t.Errorf("%q is shown", v)
		}
	}
}

// TestClash: several entries that become one name stop everything.
func TestClash(t *testing.T) {
	w := newWorld(t)
	for _, at := range []string{"one/KEY", "two/KEY", "three/key", "OTHER"} {
		w.service.set(at, "value of "+at)
	}
	for _, policy := range []string{"fail", "overwrite", "rename", "skip"} {
		w.exits(t, 1, "import", "vault://secret", "-a", "c", "--yes", "--on-conflict", policy).says(t, "3 clash", "3 entries would become KEY", "--full-path")
	}
	if r := w.ov("secret", "list", "-a", "c"); strings.Contains(r.out, "OTHER") {
		t.Error("a plan with a clash was applied")
	}
	w.must(t, "import", "vault://secret", "-a", "c", "--yes", "--full-path")
	got := w.versions(t, "c")
	for _, n := range []string{"ONE_KEY", "TWO_KEY", "THREE_KEY", "OTHER"} {
		if got[n] != 1 {
			t.Errorf("%s is not there: %v", n, got)
		}
	}
	w.must(t, "import", "vault://secret", "-a", "d", "--yes", "--match", "one/*", "--rewrite", "one/(.*)=>FIRST_$1")
	if got := w.versions(t, "d"); len(got) != 1 || got["FIRST_KEY"] != 1 {
		t.Errorf("rewritten: %v", got)
	}
}

// TestPlanFile: a plan is applied as it was made, where it was made, once.
func TestPlanFile(t *testing.T) {
	w := newWorld(t)
	w.service.set("A", "value of a")
	w.service.set("B", "value of b")
	file := filepath.Join(w.dir, "plan.json")
	w.exits(t, 7, "import", "vault://secret", "-a", "p", "--plan-out", file)
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "value of") {
		t.Fatalf("plan file: %v, or it holds a value", err)
	}
	edited := filepath.Join(w.dir, "edited.json")
	for _, change := range [][2]string{{`"app": "p"`, `"app": "q"`}, {`"name": "A"`, `"name": "PATH"`}, {`"action": "create"`, `"action": "update"`}, {`"seal"`, `"sea"`}} {
		changed := strings.Replace(string(text), change[0], change[1], 1)
		if changed == string(text) {
			changed = strings.Replace(string(text), `"Name": "A"`, `"Name": "PATH"`, 1)
		}
		if err := os.WriteFile(edited, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		w.exits(t, 1, "import", "apply", edited).says(t, "edited")
	}
	other := newWorld(t)
	other.exits(t, 1, "import", "apply", file).says(t, "not a plan of this vault")
	w.must(t, "import", "apply", file).says(t, "2 written")
	w.must(t, "import", "apply", file)
	for name, n := range w.versions(t, "p") {
		if n != 1 {
			t.Errorf("applied twice: %s has version %d", name, n)
		}
	}
}

// TestChangedSincePlan: what moved meanwhile, on either side, is left alone.
func TestChangedSincePlan(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"A", "B", "C"} {
		w.service.set(n, "first value of "+n)
	}
	file := filepath.Join(w.dir, "plan.json")
	w.exits(t, 7, "import", "vault://secret", "-a", "p", "--plan-out", file)
	w.service.set("B", "second value of B")
	cmd := w.command("secret", "set", "C", "-a", "p", "--stdin")
	cmd.Stdin = strings.NewReader("typed meanwhile")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	w.exits(t, 1, "import", "apply", file).says(t, "changed since the plan: at its source", "changed since the plan: in the vault", "1 written")
	if got := w.versions(t, "p"); len(got) != 2 || w.value(t, "p", "C") != "typed meanwhile" {
		t.Errorf("%v", got)
	}
}

// TestKilled: whenever an import is killed, resuming it gives every secret
// exactly once.
func TestKilled(t *testing.T) {
	rounds, secrets := 5, 250
	if os.Getenv("ATTACK") != "" {
		rounds, secrets = 20, 600
	}
	w := newWorld(t)
	for i := range secrets {
		w.service.set(fmt.Sprintf("KEY_%03d", i), fmt.Sprintf("value-%03d-of-the-killed", i))
	}
	began := time.Now()
	w.must(t, "import", "vault://secret", "-a", "whole", "--yes")
	full := time.Since(began)
	journals := 0
	for round := range rounds {
		app := fmt.Sprintf("k%d", round)
		cmd := w.command("import", "vault://secret", "-a", app, "--yes")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(full/4 + rand.N(full))
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		left, _ := filepath.Glob(filepath.Join(w.home, "import", "*.journal"))
		journals += len(left)
		w.must(t, "import", "resume")
		if left, _ := filepath.Glob(filepath.Join(w.home, "import", "*.journal")); len(left) > 0 {
			t.Errorf("round %d: %v is left", round, left)
		}
		w.must(t, "import", "vault://secret", "-a", app, "--yes") // killed before there was a plan
		got := w.versions(t, app)
		if len(got) != secrets {
			t.Errorf("round %d: %d secrets, want %d", round, len(got), secrets)
		}
		for name, n := range got {
			if n != 1 {
				t.Errorf("round %d: %s has version %d", round, name, n)
			}
		}
		w.must(t, "import", "verify", "vault://secret", "-a", app)
	}
	t.Logf("%d kills in %v each, %d of them while a plan was applied", rounds, full, journals)
	w.clean(t, "value-007-of-the-killed", "value-123-of-the-killed")
}

// TestServiceFaults: throttling is ridden out; what ends in the middle says so.
func TestServiceFaults(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.service.set(fmt.Sprintf("KEY_%02d", i), fmt.Sprintf("value number %02d", i))
	}
	w.service.busy = 6
	w.must(t, "import", "vault://secret", "-a", "a", "--yes").says(t, "20 written")
	w.service.mu.Lock()
	w.service.reads, w.service.expire = 0, 10
	w.service.mu.Unlock()
	w.exits(t, 1, "import", "vault://secret", "-a", "b", "--yes").says(t, "10 failed", "10 written", "permission denied")
	w.service.expire = 0
	w.must(t, "import", "vault://secret", "-a", "b", "--yes").says(t, "10 written", "10 same")

	env := w.env
	w.env = append(append([]string{}, env...), "VAULT_TOKEN=")
	w.exits(t, 1, "import", "vault://secret").says(t, "tried token", "approle", "kubernetes")
	w.env = append(append([]string{}, env...), "VAULT_ADDR=")
	w.exits(t, 1, "import", "vault://secret").says(t, "VAULT_ADDR")
	w.env = append([]string{}, env...)
	w.exits(t, 1, "import", "aws://").says(t, "no region")
	w.exits(t, 5, "import", "nosuch://x").says(t, "ov provider list")
	w.exits(t, 2, "import", "neither-file-nor-source")
	w.exits(t, 1, "import", "vault://secret?colour=red").says(t, `unknown setting "colour"`)
}

// TestRegistered: a program that somebody else wrote runs once a person has
// registered it, and not when it has changed.
func TestRegistered(t *testing.T) {
	w := newWorld(t)
	bin, _ := programs()
	text, err := os.ReadFile(filepath.Join(bin, "folder"))
	if err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(w.dir, "their-provider")
	secrets := filepath.Join(w.dir, "secrets")
	for _, err := range []error{os.WriteFile(exe, text, 0o755), os.Mkdir(secrets, 0o700),
		os.WriteFile(filepath.Join(secrets, "api-key"), []byte("from a folder"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.exits(t, 5, "import", "folder://"+secrets, "--yes")
	w.exits(t, 1, "provider", "add", exe).says(t, "sha256", "--yes")
	w.must(t, "provider", "add", exe, "--yes").says(t, "registered folder")
	w.must(t, "provider", "list").says(t, "folder", "registered", exe)
	w.must(t, "provider", "test", "folder://"+secrets).says(t, "1 entries; no value was read")
	w.must(t, "import", "folder://secrets", "-a", "f", "--yes").says(t, "1 written")
	if got := w.value(t, "f", "API_KEY"); got != "from a folder" {
		t.Errorf("API_KEY is %q", got)
	}
	if err := os.WriteFile(exe, append(text, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	w.exits(t, 1, "import", "folder://secrets", "-a", "f", "--yes").says(t, "ov provider add")
	w.must(t, "provider", "remove", "folder")
	w.exits(t, 5, "provider", "remove", "folder")
	w.exits(t, 5, "import", "folder://secrets", "-a", "f")
}

// TestExampleIsShort: the example that TestRegistered runs is a whole provider
// in under 40 lines.
func TestExampleIsShort(t *testing.T) {
	text, err := os.ReadFile("../../sdk/example/folder/main.go")
	if n := strings.Count(string(text), "\n"); err != nil || n == 0 || n >= 40 {
		t.Errorf("%d lines, %v", n, err)
	}
}
