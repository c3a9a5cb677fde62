package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Modes of elicitation that a client may declare.
var (
	noModes  map[string]any
	anyMode  = map[string]any{} // as clients did before there were modes: forms
	formMode = map[string]any{"form": map[string]any{}}
	urlMode  = map[string]any{"url": map[string]any{}}
	bothMode = map[string]any{"form": map[string]any{}, "url": map[string]any{}}
)

// form returns the message of the form that an answer asks for, and the fields
// of a retry with the user's choice.
func form(t *testing.T, raw []byte, action string) (message string, retry map[string]any) {
	t.Helper()
	var a asked
	if err := json.Unmarshal(raw, &a); err != nil || a.Result.ResultType != "input_required" {
		t.Fatalf("want a question, got %s", raw)
	}
	q := a.Result.InputRequests["ov"].Params
	if q.Mode != "form" || q.URL != "" || q.RequestedSchema["type"] != "object" {
		t.Fatalf("question %+v", q)
	}
	return q.Message, map[string]any{"requestState": a.Result.RequestState, "inputResponses": map[string]any{"ov": map[string]any{"action": action}}}
}

func (p *peer) has(name string) bool {
	p.w.t.Helper()
	for _, s := range p.ok("vault_list_secrets", nil)["secrets"].([]any) {
		if s.(map[string]any)["name"] == name {
			return true
		}
	}
	return false
}

// TestDeleteAsks: a client with forms puts the question to its user; one without
// deletes, and the user can restore.
func TestDeleteAsks(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	for i, tt := range []struct {
		modes map[string]any
		asks  bool
	}{{noModes, false}, {urlMode, false}, {anyMode, true}, {formMode, true}, {bothMode, true}} {
		name := fmt.Sprint("GONE_", i)
		p.ok("vault_create_secret", map[string]any{"name": name, "generate": map[string]any{}})
		args := map[string]any{"name": name}
		raw := p.modernAs(tt.modes, "vault_delete_secret", args, nil)
		if !tt.asks {
			if r := parse(t, raw); r.Err || r.Data["deleted"] != true || p.has(name) {
				t.Errorf("modes %v: %v %s", tt.modes, r.Data, r.Text)
			}
			continue
		}
		for _, action := range []string{"decline", "cancel", ""} {
			message, retry := form(t, p.modernAs(tt.modes, "vault_delete_secret", args, nil), action)
			if message != "Delete the secret default/development/"+name+" (version 1)? It can be restored for 30 days." {
				t.Errorf("message %q", message)
			}
			if r := parse(t, p.modernAs(tt.modes, "vault_delete_secret", args, retry)); !r.Err || !strings.HasPrefix(r.Text, "declined: ") || !p.has(name) {
				t.Errorf("action %q: %v %s, still there: %v", action, r.Data, r.Text, p.has(name))
			}
		}
		_, retry := form(t, raw, "accept")
		if r := parse(t, p.modernAs(tt.modes, "vault_delete_secret", args, retry)); r.Err || r.Data["deleted"] != true || p.has(name) {
			t.Errorf("modes %v, accepted: %v %s", tt.modes, r.Data, r.Text)
		}
	}
	if r := parse(t, p.modernAs(formMode, "vault_delete_secret", map[string]any{"name": "NONESUCH"}, nil)); !r.Err || !strings.HasPrefix(r.Text, "secret_not_found: ") {
		t.Errorf("a question about nothing: %v %s", r.Data, r.Text)
	}
}

// TestDeleteAttacks: the answer to one question deletes that one version of that
// one secret and nothing else.
func TestDeleteAttacks(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	p.ok("vault_create_secret", map[string]any{"name": "KEPT", "generate": map[string]any{}})
	kept := map[string]any{"name": "KEPT"}
	_, retry := form(t, p.modernAs(formMode, "vault_delete_secret", kept, nil), "accept")

	if r := parse(t, p.modernAs(formMode, "vault_delete_secret", map[string]any{"name": "CANARY"}, retry)); !r.Err || !strings.HasPrefix(r.Text, "invalid_arguments: ") {
		t.Errorf("for another secret: %v %s", r.Data, r.Text)
	}
	if r := parse(t, p.modernAs(formMode, "vault_update_secret", kept, retry)); !r.Err || !strings.HasPrefix(r.Text, "invalid_arguments: ") {
		t.Errorf("for another tool: %v %s", r.Data, r.Text)
	}
	forged := map[string]any{"requestState": retry["requestState"].(string) + "A", "inputResponses": retry["inputResponses"]}
	if r := parse(t, p.modernAs(formMode, "vault_delete_secret", kept, forged)); !r.Err || !strings.HasPrefix(r.Text, "invalid_arguments: ") {
		t.Errorf("with a forged state: %v %s", r.Data, r.Text)
	}
	form(t, p.modernAs(formMode, "vault_delete_secret", kept, map[string]any{"inputResponses": retry["inputResponses"]}), "") // an answer without a question: asked
	p.ok("vault_update_secret", map[string]any{"name": "KEPT", "generate": map[string]any{}})
	if message, _ := form(t, p.modernAs(formMode, "vault_delete_secret", kept, retry), ""); !strings.Contains(message, "(version 2)") {
		t.Errorf("after an update: %q", message)
	}
	if !p.has("KEPT") || !p.has("CANARY") {
		t.Error("something was deleted")
	}
}

// TestDeleteLockedAndApproved: unlocking, agreeing and approving follow each
// other, each asked for once.
func TestDeleteLockedAndApproved(t *testing.T) {
	needsPerson(t)
	w := newWorld(t)
	w.policy("[[rule]]\nname = \"deletions\"\nverbs = [\"delete\"]\napproval = \"once\"\n[[rule]]\nname = \"rest\"\n")
	w.ov("", "", "lock")
	p := w.serve()
	args := map[string]any{"name": "CANARY"}
	retry := answer(t, p.modernAs(bothMode, "vault_delete_secret", args, nil), "yes") // the page that unlocks
	_, retry = form(t, p.modernAs(bothMode, "vault_delete_secret", args, retry), "accept")
	retry = answer(t, p.modernAs(bothMode, "vault_delete_secret", args, retry), "yes") // the page that approves
	if r := parse(t, p.modernAs(bothMode, "vault_delete_secret", args, retry)); r.Err || r.Data["deleted"] != true {
		t.Errorf("in the end: %v %s", r.Data, r.Text)
	}
}

// TestDeleteAsksOlderClients: before 2026-07-28 the server asks by a request of
// its own, of its revision's form.
func TestDeleteAsksOlderClients(t *testing.T) {
	w := newWorld(t)
	for i, v := range protocols[2:4] {
		name := fmt.Sprint("OLD_", i)
		w.ov("some value for it", w.password, "secret", "create", name, "--stdin")
		d := talk(t, w, v, map[string]any{"elicitation": map[string]any{}})
		for j, action := range []string{"decline", "accept"} {
			call := d.peer.start("tools/call", map[string]any{"name": "vault_delete_secret", "arguments": map[string]any{"name": name}})
			asked := d.heardNth(t, j)
			d.valid(t, "ElicitRequest", asked)
			d.answer(asked["id"], map[string]any{"action": action})
			r := parse(t, <-call)
			if deleted := !r.Err && r.Data["deleted"] == true; deleted != (action == "accept") {
				t.Errorf("revision %s, %s: %v %s", v.version, action, r.Data, r.Text)
			}
		}
		if names := w.ov("", "", "secret", "list"); strings.Contains(names, name) || !slices.Contains(strings.Fields(names), "CANARY") {
			t.Errorf("revision %s: left are %s", v.version, names)
		}
	}
}
