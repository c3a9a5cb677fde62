package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const masterPassword = "correct horse battery staple 42"

// asked is what a modern client gets instead of a result: an address to open.
type asked struct {
	Result struct {
		ResultType    string
		RequestState  string
		InputRequests map[string]struct {
			Params struct {
				Mode, Message, URL string
				RequestedSchema    map[string]any
			}
		}
	}
}

// modern calls a tool as a client of 2026-07-28 that can open addresses.
func (p *peer) modern(name string, args, more map[string]any) []byte {
	p.w.t.Helper()
	return p.modernAs(map[string]any{"url": map[string]any{}}, name, args, more)
}

// modernAs calls a tool as a client of 2026-07-28 with these modes of
// elicitation; nil: it has none.
func (p *peer) modernAs(modes map[string]any, name string, args, more map[string]any) []byte {
	p.w.t.Helper()
	caps := map[string]any{}
	if modes != nil {
		caps["elicitation"] = modes
	}
	params := map[string]any{"name": name, "arguments": args, "_meta": map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientCapabilities": caps,
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "Modern", "version": "1"},
	}}
	for k, v := range more {
		params[k] = v
	}
	return p.request("tools/call", params)
}

// question returns the page that an answer asks for, and the retry's fields.
func question(t *testing.T, raw []byte) (address, message string, retry map[string]any) {
	t.Helper()
	var a asked
	if err := json.Unmarshal(raw, &a); err != nil || a.Result.ResultType != "input_required" {
		t.Fatalf("want a question, got %s", raw)
	}
	q := a.Result.InputRequests["ov"].Params
	if q.Mode != "url" || !strings.HasPrefix(q.URL, "http://127.0.0.1:") {
		t.Fatalf("question %+v", q)
	}
	return q.URL, q.Message, map[string]any{"requestState": a.Result.RequestState, "inputResponses": map[string]any{"ov": map[string]any{"action": "accept"}}}
}

// submit fills in the page as a browser does.
func submit(t *testing.T, address, message string, form url.Values) {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	code := message[strings.LastIndexByte(message, ' ')+1 : len(message)-1]
	if len(code) != 6 || !strings.Contains(string(body), code) {
		t.Errorf("the page does not show the code of %q", message)
	}
	u, _ := url.Parse(address)
	r, _ := http.NewRequest("POST", address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "http://"+u.Host)
	if res, err = http.DefaultClient.Do(r); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("the page answered %s", res.Status)
	}
}

// TestPages: a locked vault is unlocked and a value entered by a person, in
// both eras, and neither password nor value is in a message.
func TestPages(t *testing.T) {
	w := newWorld(t)
	w.ov("", "", "lock")
	p := w.serve()
	run := map[string]any{"command": []string{"sh", "-c", "echo $CANARY"}}

	address, message, retry := question(t, p.modern("vault_run", run, nil))
	submit(t, address, message, url.Values{"password": {masterPassword}, "do": {"yes"}})
	if r := parse(t, p.modern("vault_run", run, retry)); r.Err || r.Data["stdout"] != "[REDACTED:CANARY]\n" {
		t.Errorf("after unlocking: %v %s", r.Data, r.Text)
	}

	create := map[string]any{"name": "TYPED"}
	address, message, retry = question(t, p.modern("vault_create_secret", create, nil))
	if r := parse(t, p.modern("vault_create_secret", map[string]any{"name": "OTHER"}, retry)); !r.Err || !strings.HasPrefix(r.Text, "invalid_arguments") {
		t.Errorf("the state of one call was taken for another: %v %s", r.Data, r.Text)
	}
	submit(t, address, message, url.Values{"value": {"typed-" + w.canary}, "password": {masterPassword}, "do": {"yes"}})
	if r := parse(t, p.modern("vault_create_secret", create, retry)); r.Err || r.Data["how"] != "person" || r.Data["version"] != 1.0 {
		t.Errorf("after typing: %v %s", r.Data, r.Text)
	}

	address, message, retry = question(t, p.modern("vault_update_secret", create, nil))
	submit(t, address, message, url.Values{"do": {"no"}})
	if r := parse(t, p.modern("vault_update_secret", create, retry)); !r.Err || !strings.HasPrefix(r.Text, "declined") {
		t.Errorf("after refusing: %v %s", r.Data, r.Text)
	}
	if strings.Contains(p.said.String(), masterPassword) {
		t.Error("a message holds the master password")
	}
	w.clean(p)
}

// TestNoPages: a client that cannot open addresses is told what to do instead.
func TestNoPages(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	p.fails("value_needed", "vault_create_secret", map[string]any{"name": "TYPED"})
	w.ov("", "", "lock")
	p.fails("vault_locked", "vault_run", map[string]any{"command": []string{"true"}})
}
