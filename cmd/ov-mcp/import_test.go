package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dotenv writes a .env file and returns its path.
func (w *world) dotenv(lines ...string) string {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func texts(v any) []string {
	var out []string
	for _, e := range v.([]any) {
		out = append(out, e.(string))
	}
	return out
}

// TestImport: an agent plans by names, a person lets it through on the page, and
// exactly that is imported. No value is in a message.
func TestImport(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	file := w.dotenv("DB_URL=value-of-db-"+w.canary, "API_KEY=value-of-api-4711", "CANARY=another-"+w.canary, "1BAD-NAME=x")
	args := map[string]any{"source": file, "exclude": []string{"1BAD*"}}
	plan := p.ok("vault_import", args)
	if plan["applied"] != false || plan["new"] != 2.0 || plan["existing"] != 1.0 ||
		!slices.Equal(texts(plan["new_names"]), []string{"API_KEY", "DB_URL"}) || !slices.Equal(texts(plan["existing_names"]), []string{"CANARY"}) {
		t.Fatalf("plan %v", plan)
	}
	if p.has("API_KEY") {
		t.Fatal("a plan wrote something")
	}

	// A client that cannot open addresses is told what a person can do.
	args["apply"], args["reason"] = true, "to move the shop"
	if r := p.tool("vault_import", args); !r.Err || !strings.HasPrefix(r.Text, "approval_required: ") || !strings.Contains(r.Text, "ov approve ") {
		t.Errorf("without a page: %s", r.Text)
	}
	retry := answer(t, p.modern("vault_import", args, nil), "no")
	if r := parse(t, p.modern("vault_import", args, retry)); !r.Err || !strings.HasPrefix(r.Text, "declined: ") || p.has("API_KEY") {
		t.Errorf("after a refusal: %v %s", r.Data, r.Text)
	}
	retry = answer(t, p.modern("vault_import", args, nil), "yes")
	r := parse(t, p.modern("vault_import", args, retry))
	if r.Err || r.Data["applied"] != true || r.Data["written"] != 2.0 || r.Data["failed"] != nil {
		t.Fatalf("after approval: %v %s", r.Data, r.Text)
	}
	run := p.ok("vault_run", map[string]any{"command": []string{"sh", "-c", "echo ${#API_KEY} $DB_URL; test \"$CANARY\" = \"${DB_URL#value-of-db-}\""}})
	if run["stdout"] != "17 [REDACTED:DB_URL]\n" || run["exit_code"] != 0.0 { // CANARY is what it was
		t.Errorf("what was imported: %v", run)
	}
	log := w.ov("", "", "audit", "show")
	if !strings.Contains(log, "IMPORTING") || !strings.Contains(log, "WRITING") || !strings.Contains(log, "APPROVED") {
		t.Errorf("the audit log does not show it:\n%s", log)
	}
	w.clean(p)
}

// TestImportReplaces: with replace those that exist are imported too, and the
// person is told so.
func TestImportReplaces(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	args := map[string]any{"source": w.dotenv("CANARY=another value for it"), "apply": true}
	if r := p.ok("vault_import", args); r["applied"] != false || r["next_step"] != "nothing to import" {
		t.Errorf("without replace: %v", r)
	}
	args["replace"] = true
	raw := p.modern("vault_import", args, nil)
	if pending := w.ov("", "", "approve"); !strings.Contains(pending, "in place of those that exist") {
		t.Errorf("the person reads:\n%s", pending)
	}
	retry := answer(t, raw, "yes")
	if r := parse(t, p.modern("vault_import", args, retry)); r.Err || r.Data["written"] != 1.0 {
		t.Fatalf("%v %s", r.Data, r.Text)
	}
	if r := p.ok("vault_run", map[string]any{"command": []string{"sh", "-c", "echo ${#CANARY}"}}); r["stdout"] != fmt.Sprintln(len("another value for it")) {
		t.Errorf("not replaced: %v", r)
	}
}

// TestImportAttacks: a plan is no oracle, the leave is for what was shown, and
// what a model writes is no flag.
func TestImportAttacks(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	// The very value and another one: the plans must not differ.
	same, other := w.dotenv("CANARY="+w.canary), w.dotenv("CANARY=nothing-like-it")
	a, b := p.ok("vault_import", map[string]any{"source": same}), p.ok("vault_import", map[string]any{"source": other})
	delete(a, "source")
	delete(b, "source")
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("a plan tells whether a guess is right:\n%v\n%v", a, b)
	}

	// The file grows between the question and the answer.
	file := w.dotenv("ONE=value-of-one-1")
	args := map[string]any{"source": file, "apply": true}
	raw := p.modern("vault_import", args, nil)
	if err := os.WriteFile(file, []byte("ONE=value-of-one-1\nTWO=value-of-two-2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	question(t, p.modern("vault_import", args, answer(t, raw, "yes"))) // it is another request now
	if p.has("ONE") || p.has("TWO") {
		t.Error("something that nobody saw was imported")
	}

	for _, source := range []string{"--yes", "-h", ""} {
		p.fails("invalid_arguments", "vault_import", map[string]any{"source": source})
	}
	for _, source := range []string{"/nonesuch/.env", "nonesuch://x", filepath.Join(w.home, ".ov")} {
		p.fails("import_failed", "vault_import", map[string]any{"source": source})
	}
	p.fails("secret_in_argument", "vault_import", map[string]any{"source": "hashivault://x?token=" + token})
	for _, filter := range []string{"match", "exclude"} {
		p.ok("vault_import", map[string]any{"source": file, filter: []string{"--apply"}})
	}
	if p.has("ONE") {
		t.Error("a pattern was taken for a flag")
	}
	w.ov("", "", "lock")
	p.fails("vault_locked", "vault_import", map[string]any{"source": file})
	w.clean(p)
}
