package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent/agenttest"
)

// asksAlways is a policy under which each use in production is asked for.
const asksAlways = `
[[rule]]
name = "production"
refs = ["*/prod*/*"]
approval = "always"

[[rule]]
name = "everything else"
`

// answer fills in the approval page of a question, with the person's yes or no.
func answer(t *testing.T, raw []byte, do string) map[string]any {
	t.Helper()
	address, message, retry := question(t, raw)
	form := url.Values{"do": {do}}
	if do == "yes" {
		form.Set("password", masterPassword)
	}
	submit(t, address, message, form)
	return retry
}

// TestApproval: a client's command wants a production secret, a person allows
// it on the page, and the same call succeeds: once, and no other call.
func TestApproval(t *testing.T) {
	needsPerson(t)
	w := newWorld(t)
	w.ov(w.canary, w.password, "secret", "create", "production/DEPLOY_KEY", "--stdin")
	w.policy(asksAlways)
	p := w.serve()
	run := map[string]any{"command": []string{"sh", "-c", "echo key=$DEPLOY_KEY"}, "environment": "production", "reason": "to deploy"}
	other := map[string]any{"command": []string{"sh", "-c", "echo $DEPLOY_KEY | rev"}, "environment": "production", "reason": "to deploy"}

	// A client that cannot open addresses is told what a person can do.
	p.fails("approval_required", "vault_run", run)

	retry := answer(t, p.modern("vault_run", run, nil), "yes")
	if r := parse(t, p.modern("vault_run", other, retry)); !r.Err || !strings.HasPrefix(r.Text, "invalid_arguments") {
		t.Errorf("the answer to one call was taken for another: %v %s", r.Data, r.Text)
	}
	question(t, p.modern("vault_run", other, nil)) // and the approval is not for it either
	if r := parse(t, p.modern("vault_run", run, retry)); r.Err || r.Data["stdout"] != "key=[REDACTED:DEPLOY_KEY]\n" {
		t.Fatalf("after approval: %v %s", r.Data, r.Text)
	}
	// Attack: the same answer again. The approval is used up.
	if r := p.modern("vault_run", run, retry); !strings.Contains(string(r), "not_found") && !strings.Contains(string(r), "input_required") {
		t.Errorf("a replayed approval: %s", r)
	}
	retry = answer(t, p.modern("vault_run", run, nil), "no")
	if r := parse(t, p.modern("vault_run", run, retry)); !r.Err || !strings.HasPrefix(r.Text, "declined") {
		t.Errorf("after a refusal: %v %s", r.Data, r.Text)
	}
	log := w.ov("", "", "audit", "show")
	if !strings.Contains(log, "APPROVED") || !strings.Contains(log, "DENIED") || !strings.Contains(log, "REFUSED") {
		t.Errorf("the audit log does not show what happened:\n%s", log)
	}
	if strings.Contains(p.said.String(), masterPassword) {
		t.Error("a message holds the master password")
	}
	w.clean(p)
}

// TestWritesPassTheGate: a command that makes a value is asked for before it
// runs, and a value in a parameter is taken only where the policy says so.
func TestWritesPassTheGate(t *testing.T) {
	needsPerson(t)
	w := newWorld(t)
	w.policy(strings.Replace(asksAlways, "[[rule]]", "[[rule]]\nname = \"commands\"\nverbs = [\"from_command\"]\napproval = \"once\"\n\n[[rule]]", 1))
	p := w.serve()
	ran := filepath.Join(t.TempDir(), "ran")
	create := map[string]any{"name": "PRINTED", "from_command": []string{"sh", "-c", "touch " + ran + "; echo a-value-out-of-a-command"}}
	raw := p.modern("vault_create_secret", create, nil)
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command ran before anybody was asked")
	}
	retry := answer(t, raw, "yes")
	if r := parse(t, p.modern("vault_create_secret", create, retry)); r.Err || r.Data["how"] != "command" {
		t.Errorf("after approval: %v %s", r.Data, r.Text)
	}
	value := map[string]any{"name": "SEEN", "value": "hunter2-hunter2"}
	p.fails("denied_by_policy", "vault_create_secret", value)
	w.policy("[loosen]\nvalue_parameter = true\n" + asksAlways)
	if r := p.tool("vault_create_secret", value); r.Err || r.Data["how"] != "parameter" {
		t.Errorf("with the policy's leave: %v %s", r.Data, r.Text)
	}
}

// needsPerson skips where a coding agent runs the test: the policy is then not
// changed, as it should be.
func needsPerson(t *testing.T) {
	t.Helper()
	if name := agenttest.Around(); name != "" {
		t.Skipf("a coding agent (%s) runs this test; CI covers it", name)
	}
}
