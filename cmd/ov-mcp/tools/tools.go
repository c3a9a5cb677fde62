// Package tools is what the model can do: nine tools over one vault, none of
// which ever returns a value. Each is a thin face: it reads its arguments,
// calls the same broker and agent that the command line calls, and writes the
// result as one JSON object.
package tools

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/secret"
)

//go:embed schema/*.json
var schemas embed.FS

// A Vault is what the tools need of ov-agent. *agent.Client is one.
type Vault interface {
	broker.Agent
	Status(context.Context) (agent.Status, error)
	List(ctx context.Context, app, env, prefix string) ([]agent.Info, error)
	Put(context.Context, agent.PutRequest) (agent.Info, error)
	MayPut(context.Context, agent.PutRequest) error
	Delete(context.Context, secret.Ref) error
}

// Config is what does not change while the server runs.
type Config struct {
	Home     string              // OV_HOME, absolute
	UserHome string              // $HOME
	Dir      string              // where the server was started: the project
	Getenv   func(string) string // the server's environment
	Environ  []string
	// Masks returns what to mask with now: the same pointer as before unless
	// something else was installed since. An error refuses the call.
	Masks func() (*Masks, error)
	// Helper returns the program that plays the leader of a command's session; ""
	// is the server's own. May be nil.
	Helper func() string
	// Connect returns the vault for a client, named as in the audit log.
	Connect func(client string) (Vault, error)
}

// Tools holds what the tools share while the server runs.
type Tools struct {
	c           Config
	redactions  atomic.Int64
	intercepted atomic.Int64 // calls with a secret in an argument
	warned      atomic.Int64 // of these, let pass with a warning
	sessions    sessions
	guard       *guard
	masks       atomic.Pointer[Masks] // of the newest call
	asker       asker
	turns       chan struct{} // one for each grant under way
}

// New returns the tools; Register adds them to a server.
func New(c Config) *Tools {
	return &Tools{c: c, guard: newGuard(), asker: newAsker(), turns: make(chan struct{}, grantsAtOnce)}
}

// Close ends every session.
func (t *Tools) Close() { t.sessions.closeAll() }

// tool is one row of the table that the model sees.
type tool struct {
	name, title, text                            string
	readOnly, destructive, idempotent, openWorld bool
	unguarded                                    bool // its arguments may hold secrets: it looks for them
	takesValue                                   bool // its argument "value" is a secret: the policy decides
	unmasked                                     bool // it says what is wrong, so it is there without masks too
	handle                                       func(*call) (any, error)
}

// guarded returns the arguments that must not hold secrets.
func (row *tool) guarded(raw map[string]json.RawMessage) map[string]json.RawMessage {
	if !row.takesValue {
		return raw
	}
	rest := maps.Clone(raw)
	delete(rest, "value")
	return rest
}

func (t *Tools) table() []tool {
	return []tool{
		{name: "vault_run", title: "Run a command with secrets", destructive: true, openWorld: true, handle: t.run,
			text: "Run a command with secrets from the vault in its environment. Use it whenever a command needs a credential: name the secrets, " +
				"let the command read $NAME. Output comes back with every value replaced by [REDACTED:NAME]; never try to print, encode or guess a value, " +
				"and never write one into a file or an argument."},
		{name: "vault_inject_env", title: "Open a shell session with secrets", destructive: true, openWorld: true, handle: t.injectEnv,
			text: "Open a shell session that keeps its directory, exports and secrets between commands; then call vault_run with its session_id. " +
				"For one command use vault_run alone. action list shows the sessions, close ends one."},
		{name: "vault_list_secrets", title: "List secrets", readOnly: true, idempotent: true, handle: t.list,
			text: "List the names of secrets with versions, times and tags; never values. Look here before asking the user for a credential."},
		{name: "vault_status", title: "Vault status", readOnly: true, idempotent: true, unmasked: true, handle: t.status,
			text: "Whether the vault is locked, which app and environment are meant and why, and what to do next."},
		{name: "vault_create_secret", title: "Create a secret", takesValue: true, handle: t.create,
			text: "Store a new secret: generated, from a file, from a command's output, or, with none of these, typed by the user. " +
				"Never ask the user to paste a secret into the chat and never pass one as an argument."},
		{name: "vault_update_secret", title: "Replace a secret's value", destructive: true, takesValue: true, handle: t.update,
			text: "Store a new version of an existing secret; same ways as vault_create_secret. Earlier versions are kept."},
		{name: "vault_delete_secret", title: "Delete a secret", destructive: true, idempotent: true, handle: t.remove,
			text: "Delete a secret; the user can restore it for 30 days. Ask the user first unless they told you to."},
		{name: "vault_import", title: "Import secrets from another system", destructive: true, openWorld: true, handle: t.importFrom,
			text: "Bring secrets from another system or a .env file into the vault. First it only plans: names and counts, no value is read. " +
				"With apply the user is asked, and then it is done; use it instead of copying values by hand."},
		{name: "vault_scan", title: "Find secrets in files", readOnly: true, idempotent: true, unguarded: true, handle: t.scan,
			text: "Look for credentials in a file, a folder or a text. Findings say where and of what kind, with a masked preview; use it before a commit."},
	}
}

// Register adds the tools to s.
func (t *Tools) Register(s *server.MCPServer) error {
	for _, row := range t.table() {
		in, err := schemas.ReadFile("schema/" + row.name + ".in.json")
		if err != nil {
			return fmt.Errorf("read schema: %w", err)
		}
		out, err := schemas.ReadFile("schema/" + row.name + ".out.json")
		if err != nil {
			return fmt.Errorf("read schema: %w", err)
		}
		known, err := properties(in)
		if err != nil {
			return fmt.Errorf("read schema of %s: %w", row.name, err)
		}
		m := mcp.NewToolWithRawSchema(row.name, row.text, compact(in))
		m.RawOutputSchema = compact(out)
		m.Annotations = mcp.ToolAnnotation{Title: row.title, ReadOnlyHint: &row.readOnly, DestructiveHint: &row.destructive,
			IdempotentHint: &row.idempotent, OpenWorldHint: &row.openWorld}
		s.AddTool(m, t.handler(row, known))
	}
	return nil
}

func properties(schema []byte) (map[string]bool, error) {
	var s struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(s.Properties))
	for name := range s.Properties {
		known[name] = true
	}
	return known, nil
}

func compact(schema []byte) json.RawMessage {
	var v any
	if json.Unmarshal(schema, &v) != nil {
		return schema
	}
	b, err := json.Marshal(v)
	if err != nil {
		return schema
	}
	return b
}

// call is one use of a tool.
type call struct {
	ctx    context.Context
	raw    map[string]json.RawMessage
	vault  Vault
	client string
	req    mcp.CallToolRequest

	masks     *Masks // nil: none can be had
	unmasking error  // why not
	confirmed uint64 // the version that the user agreed to delete
	warnings  []string
}

// handler is what all tools have in common: who asks, the arguments, the guard
// over them, and the shape of results and errors.
func (t *Tools) handler(row tool, known map[string]bool) server.ToolHandlerFunc {
	return func(ctx context.Context, req mcp.CallToolRequest) (result *mcp.CallToolResult, _ error) {
		defer func() {
			if recover() != nil { // its text may hold anything
				result = failed(fault{"internal", "ov made a mistake; nothing of it is shown here", "run \"ov doctor\""})
			}
		}()
		c := &call{ctx: ctx, req: req, client: clientName(ctx)}
		out, err := t.serve(c, row, known)
		if err != nil {
			return failed(explain(err), c.warnings...), nil
		}
		if r, ok := out.(*mcp.CallToolResult); ok {
			return r, nil
		}
		return succeeded(out, c.warnings)
	}
}

func (t *Tools) serve(c *call, row tool, known map[string]bool) (out any, err error) {
	if err := c.read(c.req.GetRawArguments(), known); err != nil {
		return nil, err
	}
	if c.vault, err = t.c.Connect(c.client); err != nil {
		return nil, err
	}
	if c.masks, err = t.c.Masks(); err != nil {
		if c.unmasking = cannotMask(err); !row.unmasked {
			return nil, c.unmasking
		}
	} else if was := t.masks.Swap(c.masks); was != nil && was != c.masks {
		c.warnings = append(c.warnings, "the installed scanners changed and were read again")
	}
	if !row.unguarded {
		if err := t.intercept(c, row.guarded(c.raw)); err != nil {
			return nil, err
		}
	}
	return t.attend(c, row)
}

// succeeded mirrors the structured result as text, for clients that show the
// model only that. out is a struct that is never empty in JSON.
func succeeded(out any, warnings []string) (*mcp.CallToolResult, error) {
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 {
		w, err := json.Marshal(warnings)
		if err != nil {
			return nil, err
		}
		b = fmt.Appendf(b[:len(b)-1], `,"warnings":%s}`, w)
	}
	r := mcp.NewToolResultText(string(b))
	r.StructuredContent = json.RawMessage(b)
	return r, nil
}

// clientName is "mcp:" and what the client calls itself, as a slug.
func clientName(ctx context.Context) string {
	var info mcp.Implementation
	if p := server.RequestProtocolInfoFromContext(ctx); p != nil && p.ClientInfo != nil {
		info = *p.ClientInfo
	} else if s, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		info = s.GetClientInfo()
	}
	if name := slug(info.Name); name != "" {
		return "mcp:" + name
	}
	return "mcp"
}

func slug(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s) && len(out) < 40; i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			out = append(out, c)
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	for len(out) > 0 && out[len(out)-1] == '-' {
		out = out[:len(out)-1]
	}
	return string(out)
}
