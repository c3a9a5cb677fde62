package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// protocol is one revision's JSON schema, as the protocol's makers publish it.
// Revisions older than the schemas are held to the oldest one: what they lack
// are fields that a client may ignore.
type protocol struct {
	version, file, defs, failure string
}

var protocols = []protocol{
	{"2024-11-05", "2025-06-18", "definitions", "JSONRPCError"},
	{"2025-03-26", "2025-06-18", "definitions", "JSONRPCError"},
	{"2025-06-18", "2025-06-18", "definitions", "JSONRPCError"},
	{"2025-11-25", "2025-11-25", "$defs", "JSONRPCErrorResponse"},
	{"2026-07-28", "2026-07-28", "$defs", "JSONRPCErrorResponse"},
}

func (v protocol) stateless() bool { return v.version == "2026-07-28" }

var compiling sync.Mutex // a compiler serves one at a time

// compilers reads each schema once.
var compilers = sync.OnceValues(func() (map[string]*jsonschema.Compiler, error) {
	out := map[string]*jsonschema.Compiler{}
	for _, v := range protocols {
		raw, err := os.ReadFile(filepath.Join("testdata", "mcp-schema", v.file+".json"))
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource("mcp.json", doc); err != nil {
			return nil, err
		}
		out[v.file] = c
	}
	return out, nil
})

// check says why doc is not what the revision calls kind.
func (v protocol) check(t *testing.T, kind string, doc any) error {
	t.Helper()
	all, err := compilers()
	if err != nil {
		t.Fatal(err)
	}
	compiling.Lock()
	s, err := all[v.file].Compile("mcp.json#/" + v.defs + "/" + kind)
	compiling.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// valid fails the test when doc is not what the revision calls kind.
func (v protocol) valid(t *testing.T, kind string, doc any) {
	t.Helper()
	if err := v.check(t, kind, doc); err != nil {
		t.Errorf("revision %s, %s: %v\n%v", v.version, kind, err, doc)
	}
}

func decode(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	m, ok := doc.(map[string]any)
	if err != nil || !ok {
		t.Fatalf("not a JSON object: %s (%v)", raw, err)
	}
	return m
}

// dialogue is a client of one revision.
type dialogue struct {
	protocol
	*peer
	t    *testing.T
	mu   sync.Mutex
	note []map[string]any // notifications and requests of the server
}

// talk starts a server and a client of revision v that says it has caps.
func talk(t *testing.T, w *world, v protocol, caps map[string]any) *dialogue {
	d := &dialogue{protocol: v, t: t}
	own := *w // tests that run at once must not share it
	own.t = t
	d.peer = own.start(func(line []byte) {
		var m map[string]any
		if json.Unmarshal(line, &m) == nil && m["method"] != nil {
			d.mu.Lock()
			d.note = append(d.note, m)
			d.mu.Unlock()
		}
	})
	if !v.stateless() {
		init := d.result("initialize", "InitializeResult", map[string]any{"protocolVersion": v.version, "capabilities": caps, "clientInfo": map[string]any{"name": "Schema", "version": "1"}})
		if init["protocolVersion"] != v.version {
			t.Errorf("asked for %s, got %v", v.version, init["protocolVersion"])
		}
		return d
	}
	found := d.result("server/discover", "DiscoverResult", d.params(nil))
	if !slices.Contains(found["supportedVersions"].([]any), any(v.version)) {
		t.Errorf("server/discover does not offer %s: %v", v.version, found)
	}
	return d
}

// params adds what a revision wants in the params of every request.
func (d *dialogue) params(p map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, p)
	meta := map[string]any{}
	if m, ok := p["_meta"].(map[string]any); ok {
		maps.Copy(meta, m)
	}
	if d.stateless() {
		meta["io.modelcontextprotocol/protocolVersion"] = d.version
		if meta["io.modelcontextprotocol/clientCapabilities"] == nil {
			meta["io.modelcontextprotocol/clientCapabilities"] = map[string]any{}
		}
		meta["io.modelcontextprotocol/clientInfo"] = map[string]any{"name": "Schema", "version": "1"}
	}
	if len(meta) > 0 {
		out["_meta"] = meta
	}
	return out
}

// result asks and returns a result that is of its kind.
func (d *dialogue) result(method, kind string, params map[string]any) map[string]any {
	d.t.Helper()
	m := decode(d.t, d.request(method, params))
	if d.file != "2025-06-18" {
		d.valid(d.t, "JSONRPCResultResponse", m)
	} else {
		d.valid(d.t, "JSONRPCResponse", m)
	}
	d.valid(d.t, kind, m["result"])
	r, ok := m["result"].(map[string]any)
	if !ok {
		d.t.Fatalf("%s: %v", method, m)
	}
	return r
}

func (d *dialogue) call(name string, args map[string]any) map[string]any {
	d.t.Helper()
	return d.result("tools/call", "CallToolResult", d.params(map[string]any{"name": name, "arguments": args}))
}

// refused asks and wants a protocol error with the code.
func (d *dialogue) refused(code int, method string, params map[string]any) map[string]any {
	d.t.Helper()
	m := decode(d.t, d.request(method, params))
	d.valid(d.t, d.failure, m)
	e, _ := m["error"].(map[string]any)
	if fmt.Sprint(e["code"]) != fmt.Sprint(code) {
		d.t.Errorf("%s: %v, want the code %d", method, m, code)
	}
	return m
}

// TestSchemasRefuse: a schema that lets everything pass would show nothing.
func TestSchemasRefuse(t *testing.T) {
	for _, v := range protocols {
		for kind, doc := range map[string]any{
			"CallToolResult":       map[string]any{"resultType": "complete"},
			"ListToolsResult":      map[string]any{"resultType": "complete", "ttlMs": 1, "cacheScope": "private", "tools": []any{map[string]any{"name": "x"}}},
			"ProgressNotification": map[string]any{"jsonrpc": "2.0", "method": "notifications/progress", "params": map[string]any{"progress": 1}},
			v.failure:              map[string]any{"jsonrpc": "2.0", "id": 1, "error": map[string]any{"code": 1}},
		} {
			if v.check(t, kind, doc) == nil {
				t.Errorf("revision %s takes %v for a %s", v.version, doc, kind)
			}
		}
	}
}

// TestSchemas holds what the server says in a session to the schema of the
// revision that the client speaks, and results to their own tool's schema.
func TestSchemas(t *testing.T) {
	w := newWorld(t)
	dotenv := filepath.Join(w.home, ".env")
	if err := os.WriteFile(dotenv, []byte("API_KEY=not-in-a-message\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range protocols {
		t.Run(v.version, func(t *testing.T) {
			t.Parallel()
			d := talk(t, w, v, map[string]any{})
			outputs := d.outputSchemas()
			for _, c := range goodCalls(v.version, dotenv) {
				r := d.call(c.name, c.args)
				if r["isError"] == true {
					t.Errorf("%s %v: %v", c.name, c.args, r["content"])
					continue
				}
				if err := outputs[c.name].Validate(r["structuredContent"]); err != nil {
					t.Errorf("%s: its result is not of its outputSchema: %v", c.name, err)
				}
				mirrored(t, r)
				delete(outputs, c.name+" untried")
			}
			for name := range outputs {
				if strings.HasSuffix(name, " untried") {
					t.Errorf("no call of %s", name)
				}
			}
			d.errors()
			d.progress()
		})
	}
}

type goodCall struct {
	name string
	args map[string]any
}

// goodCalls is at least one call of each tool; the revision makes names unique.
// dotenv is a file to plan an import of.
func goodCalls(revision, dotenv string) []goodCall {
	name := "S_" + strings.ReplaceAll(revision, "-", "_")
	return []goodCall{
		{"vault_status", nil},
		{"vault_list_secrets", nil},
		{"vault_create_secret", map[string]any{"name": name, "generate": map[string]any{}}},
		{"vault_update_secret", map[string]any{"name": name, "generate": map[string]any{"length": 20, "alphabet": "hex"}}},
		{"vault_list_secrets", map[string]any{"prefix": name}},
		{"vault_run", map[string]any{"command": []string{"sh", "-c", "echo $CANARY; exit 3"}}},
		{"vault_run", map[string]any{"command": []string{"sh", "-c", "kill -9 $$"}}},
		{"vault_run", map[string]any{"command": []string{"sleep", "60"}, "timeout_ms": 100}},
		{"vault_inject_env", map[string]any{"secret_names": []string{"CANARY"}}},
		{"vault_inject_env", map[string]any{"action": "list"}},
		{"vault_scan", map[string]any{"text": "token = ghp_" + "0123456789abcdefghijABCDEFGHIJ012345\n"}},
		{"vault_import", map[string]any{"source": dotenv}},
		{"vault_delete_secret", map[string]any{"name": name}},
	}
}

// outputSchemas checks the list of tools and compiles their outputSchemas. For
// each there is a mark "NAME untried" beside it.
func (d *dialogue) outputSchemas() map[string]*jsonschema.Schema {
	d.t.Helper()
	out := map[string]*jsonschema.Schema{}
	list := d.result("tools/list", "ListToolsResult", d.params(nil))
	for _, one := range list["tools"].([]any) {
		tool := one.(map[string]any)
		name := tool["name"].(string)
		checkTool(d.t, name, tool)
		out[name] = compileOwn(d.t, name+" outputSchema", tool["outputSchema"])
		out[name+" untried"] = nil
	}
	return out
}

// checkTool is what ov promises of each tool beyond the protocol's schema.
func checkTool(t *testing.T, name string, tool map[string]any) {
	t.Helper()
	in, _ := tool["inputSchema"].(map[string]any)
	if in["type"] != "object" || in["additionalProperties"] != false {
		t.Errorf("%s: its input is no closed object: %v", name, in)
	}
	compileOwn(t, name+" inputSchema", in)
	if out, _ := tool["outputSchema"].(map[string]any); out["type"] != "object" {
		t.Errorf("%s: its output is no object: %v", name, out)
	}
	hints, _ := tool["annotations"].(map[string]any)
	for _, h := range []string{"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} {
		if _, ok := hints[h].(bool); !ok {
			t.Errorf("%s: %s is not said", name, h)
		}
	}
	if text, _ := tool["description"].(string); text == "" {
		t.Errorf("%s has no description", name)
	}
}

// compileOwn compiles a schema as clients do, as draft 2020-12.
func compileOwn(t *testing.T, name string, schema any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource("own.json", schema); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	s, err := c.Compile("own.json")
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// mirrored: the text content is the structured one, for clients that show
// either.
func mirrored(t *testing.T, r map[string]any) {
	t.Helper()
	text := r["content"].([]any)[0].(map[string]any)["text"].(string)
	a, err := json.Marshal(decode(t, []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := json.Marshal(r["structuredContent"]); !bytes.Equal(a, b) {
		t.Errorf("text %s, structured %s", a, b)
	}
}

// errors: what a tool refuses is a result; what the protocol does not know is
// an error.
func (d *dialogue) errors() {
	d.t.Helper()
	for name, args := range map[string]map[string]any{
		"vault_run":           {"command": []string{"nonesuch"}},
		"vault_create_secret": {"name": "no good"},
		"vault_delete_secret": {"name": "NOT_THERE"},
		"vault_inject_env":    {"action": "dance"},
	} {
		if r := d.call(name, args); r["isError"] != true || r["structuredContent"] != nil {
			d.t.Errorf("%s %v: %v, want an error", name, args, r)
		}
	}
	d.refused(-32601, "nonesuch/method", d.params(nil))
	d.refused(-32602, "tools/call", d.params(map[string]any{"name": "nonesuch", "arguments": map[string]any{}}))
	if d.stateless() {
		meta := map[string]any{"io.modelcontextprotocol/protocolVersion": "2099-01-01", "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
		d.valid(d.t, "UnsupportedProtocolVersionError", d.refused(-32022, "tools/list", map[string]any{"_meta": meta}))
	}
}

// progress: a command that takes its time is heard of, and never after its end.
func (d *dialogue) progress() {
	d.t.Helper()
	args := map[string]any{"command": []string{"sleep", "2.5"}}
	d.result("tools/call", "CallToolResult", d.params(map[string]any{"name": "vault_run", "arguments": args, "_meta": map[string]any{"progressToken": "tok"}}))
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.note) < 2 {
		d.t.Errorf("%d progress notifications in 2.5 s", len(d.note))
	}
	last := -1.0
	for _, n := range d.note {
		d.valid(d.t, "ProgressNotification", n)
		p, _ := n["params"].(map[string]any)
		if now, _ := p["progress"].(float64); p["progressToken"] != "tok" || now <= last {
			d.t.Errorf("progress %v after %v", p, last)
		} else {
			last = now
		}
	}
}

// TestListeningSchema: a subscription is acknowledged as the protocol has it.
func TestListeningSchema(t *testing.T) {
	d := talk(t, newWorld(t), protocols[4], nil)
	answer := d.start("subscriptions/listen", d.params(map[string]any{"notifications": map[string]any{"toolsListChanged": true}}))
	d.valid(t, "SubscriptionsAcknowledgedNotification", d.heard(t))
	d.in.Close()
	d.valid(t, "SubscriptionsListenResultResponse", decode(t, <-answer))
}

// TestAskingSchemas: the question for a page is of its revision's form, a
// result since 2026-07-28 and a request of the server's before.
func TestAskingSchemas(t *testing.T) {
	w := newWorld(t)
	w.ov("", "", "lock")
	caps := map[string]any{"elicitation": map[string]any{"url": map[string]any{}}}
	args := map[string]any{"name": "vault_run", "arguments": map[string]any{"command": []string{"true"}}}

	d := talk(t, w, protocols[4], nil)
	args["_meta"] = map[string]any{"io.modelcontextprotocol/clientCapabilities": caps}
	r := d.result("tools/call", "InputRequiredResult", d.params(args))
	asked, _ := r["inputRequests"].(map[string]any)["ov"].(map[string]any)
	d.valid(t, "ElicitRequest", asked)

	delete(args, "_meta")
	old := talk(t, w, protocols[3], caps)
	answer := old.peer.start("tools/call", args)
	m := old.heard(t)
	old.valid(t, "ElicitRequest", m)
	old.valid(t, "JSONRPCRequest", m)
	params := m["params"].(map[string]any)
	submit(t, params["url"].(string), params["message"].(string), url.Values{"password": {masterPassword}, "do": {"yes"}})
	old.answer(m["id"], map[string]any{"action": "accept"})
	if got := parse(t, <-answer); got.Err || got.Data["exit_code"] != 0.0 {
		t.Errorf("after unlocking: %v %s", got.Data, got.Text)
	}
}

// answer answers a request of the server.
func (d *dialogue) answer(id any, result map[string]any) {
	d.t.Helper()
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.in.Write(append(b, '\n')); err != nil {
		d.t.Fatal(err)
	}
}

// heard waits for the first message of the server that is no answer.
func (d *dialogue) heard(t *testing.T) map[string]any {
	t.Helper()
	return d.heardNth(t, 0)
}

func (d *dialogue) heardNth(t *testing.T, i int) map[string]any {
	t.Helper()
	for range 3000 {
		d.mu.Lock()
		n := d.note
		d.mu.Unlock()
		if len(n) > i {
			return n[i]
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the server asks nothing")
	return nil
}

// TestListIsStill: the list of tools is the same bytes whatever the vault does,
// so that a client's cache of it, and the model's, stays good.
func TestListIsStill(t *testing.T) {
	w := newWorld(t)
	list := func() string {
		p := w.start(nil)
		d := &dialogue{protocol: protocols[4], peer: p, t: t}
		b := p.request("tools/list", d.params(nil))
		_, tools, ok := bytes.Cut(b, []byte(`"tools":`))
		if !ok {
			t.Fatalf("no tools in %s", b)
		}
		return string(tools)
	}
	open := list()
	w.ov("", "", "lock")
	if locked := list(); locked != open {
		t.Errorf("the list differs: locked %s\nunlocked %s", locked, open)
	}
	w.ov("", "", "agent", "stop")
	if stopped := list(); stopped != open {
		t.Errorf("the list differs when the agent is stopped: %s", stopped)
	}
}
