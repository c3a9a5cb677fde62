// Package clients knows where MCP clients keep their configuration and edits
// it: one entry in, one entry out, everything else byte for byte as it was.
package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"
)

// A Client is one program that starts MCP servers.
type Client struct {
	Name  string // as in `ov mcp install NAME`
	Title string
	file  func(Places) string
	path  []string // of the object that holds one entry a server
	extra map[string]any
	toml  bool
	line  bool                // its "command" is a list: program and arguments
	rules func(Places) string // where its standing instructions are; "" is in the project
}

// Places are the folders that configurations lie in.
type Places struct{ Home, Config, Project string }

// Here returns the places of the running process.
func Here() (Places, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return Places{}, fmt.Errorf("find home folder: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return Places{}, fmt.Errorf("find working directory: %w", err)
	}
	return Places{Home: home, Config: configDir(home, runtime.GOOS, os.Getenv), Project: dir}, nil
}

// configDir is where programs keep their settings: not os.UserConfigDir alone,
// since a program on Linux may have been started without XDG_CONFIG_HOME.
func configDir(home, goos string, getenv func(string) string) string {
	switch goos {
	case "darwin":
		return filepath.Join(home, "Library", "Application Support")
	case "windows":
		if d := getenv("APPDATA"); d != "" {
			return d
		}
		return filepath.Join(home, "AppData", "Roaming")
	}
	if d := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return d
	}
	return filepath.Join(home, ".config")
}

func inHome(parts ...string) func(Places) string {
	return func(p Places) string { return filepath.Join(append([]string{p.Home}, parts...)...) }
}

func inConfig(parts ...string) func(Places) string {
	return func(p Places) string { return filepath.Join(append([]string{p.Config}, parts...)...) }
}

func inProject(parts ...string) func(Places) string {
	return func(p Places) string { return filepath.Join(append([]string{p.Project}, parts...)...) }
}

// All returns the clients, each with its file as its documentation gives it.
func All() []Client {
	servers := []string{"mcpServers"}
	stdio := map[string]any{"type": "stdio"}
	return []Client{
		{Name: "claude", Title: "Claude Code", file: inHome(".claude.json"), path: servers, extra: stdio, rules: inHome(".claude", "CLAUDE.md")},
		{Name: "claude-desktop", Title: "Claude Desktop", file: inConfig("Claude", "claude_desktop_config.json"), path: servers},
		{Name: "codex", Title: "Codex", file: inHome(".codex", "config.toml"), path: []string{"mcp_servers"}, toml: true, rules: inHome(".codex", "AGENTS.md")},
		{Name: "cursor", Title: "Cursor", file: inHome(".cursor", "mcp.json"), path: servers, rules: inProject(".cursor", "rules", "ov.mdc")},
		{Name: "vscode", Title: "VS Code", file: inConfig("Code", "User", "mcp.json"), path: []string{"servers"}, extra: stdio, rules: inProject(".github", "copilot-instructions.md")},
		{Name: "gemini", Title: "Gemini CLI", file: inHome(".gemini", "settings.json"), path: servers, rules: inHome(".gemini", "GEMINI.md")},
		{Name: "qwen", Title: "Qwen Code", file: inHome(".qwen", "settings.json"), path: servers, rules: inHome(".qwen", "QWEN.md")},
		{Name: "opencode", Title: "opencode", file: inXDG("opencode", "opencode.json"), path: []string{"mcp"}, line: true, extra: map[string]any{"type": "local"}, rules: inXDG("opencode", "AGENTS.md")},
		{Name: "windsurf", Title: "Windsurf", file: inHome(".codeium", "windsurf", "mcp_config.json"), path: servers, rules: inHome(".codeium", "windsurf", "memories", "global_rules.md")},
		{Name: "zed", Title: "Zed", file: inXDG("zed", "settings.json"), path: []string{"context_servers"}, extra: map[string]any{"source": "custom"}, rules: inProject(".rules")},
	}
}

// inXDG is for programs that keep to ~/.config on macOS, too.
func inXDG(parts ...string) func(Places) string {
	if runtime.GOOS == "darwin" {
		return inHome(append([]string{".config"}, parts...)...)
	}
	return inConfig(parts...)
}

// ErrUnknown says that there is no client of that name.
var ErrUnknown = errors.New("unknown client")

// Find returns the client called name.
func Find(name string) (Client, error) {
	var names []string
	for _, c := range All() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Client{}, fmt.Errorf("client %q: %w: want %s", name, ErrUnknown, strings.Join(names, ", "))
}

// File returns the client's configuration file.
func (c Client) File(p Places) string { return c.file(p) }

// Rules returns the file with the client's standing instructions, or "".
func (c Client) Rules(p Places) string {
	if c.rules == nil {
		return ""
	}
	return c.rules(p)
}

// A Server is the entry to write: how the client starts it.
type Server struct {
	Command string
	Args    []string
}

// Install returns the configuration with the entry name in it. before is nil
// when there is no file yet.
func (c Client) Install(before []byte, name string, s Server) ([]byte, error) {
	if c.toml {
		return installTOML(before, c.path[0], name, s)
	}
	entry := object{{"command", s.Command}, {"args", s.Args}}
	if c.line {
		entry = object{{"command", append([]string{s.Command}, s.Args...)}}
	}
	for _, k := range slices.Sorted(maps.Keys(c.extra)) {
		entry = append(entry, member{k, c.extra[k]})
	}
	return setJSON(before, append(c.path[:len(c.path):len(c.path)], name), entry)
}

// Uninstall returns the configuration without the entry.
func (c Client) Uninstall(before []byte, name string) ([]byte, error) {
	if c.toml {
		return uninstallTOML(before, c.path[0], name)
	}
	if len(bytes.TrimSpace(bytes.TrimPrefix(before, []byte(mark)))) == 0 {
		return before, nil
	}
	return removeJSON(before, append(c.path[:len(c.path):len(c.path)], name))
}

// Restore returns first, the file as it was before ov touched it, when now differs
// from it by nothing but the entry; else now without the entry.
func (c Client) Restore(first, now []byte, name string) ([]byte, error) {
	out, err := c.Uninstall(now, name)
	if err != nil || first == nil {
		return out, err
	}
	if without, err := c.Uninstall(first, name); err != nil || !bytes.Equal(without, first) {
		return out, nil // it was there before, in another way
	}
	again, err := c.Install(first, name, Server{Command: name})
	if err != nil {
		return out, nil
	}
	if again, err = c.Uninstall(again, name); err == nil && bytes.Equal(again, out) {
		return first, nil
	}
	return out, nil
}

// An Entry is one server that a client is configured to start.
type Entry struct {
	Name    string
	Command string
	Args    []string
	Env     map[string]string
	// Fixed are texts elsewhere that a credential may stand in, by where: an
	// argument, a header, an address. Nothing but a person can move these.
	Fixed map[string]string
	// Nested says that command is an object that holds the rest, as in older
	// configurations of Zed, or a list that holds the arguments as well, as in
	// opencode's.
	Nested bool
}

// Servers returns the entries of a configuration.
func (c Client) Servers(doc []byte) ([]Entry, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	v, err := c.decode(doc)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	servers, _ := v[c.path[0]].(map[string]any)
	var all []Entry
	for name, raw := range servers {
		m, _ := raw.(map[string]any)
		if e := entryOf(name, m); e.Command != "" || len(e.Fixed) > 0 {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// entryOf reads one entry.
func entryOf(name string, m map[string]any) Entry {
	e := Entry{Name: name, Env: map[string]string{}, Fixed: map[string]string{}}
	if inner, ok := m["command"].(map[string]any); ok {
		m, e.Nested = inner, true
		e.Command, _ = m["path"].(string)
	} else {
		e.Command, _ = m["command"].(string)
	}
	args, _ := m["args"].([]any)
	if line, ok := m["command"].([]any); ok && len(line) > 0 {
		e.Nested = true
		e.Command, _ = line[0].(string)
		args = line[1:]
	}
	option := "argument"
	for i, a := range args {
		s, _ := a.(string)
		e.Args = append(e.Args, s)
		e.Fixed[fmt.Sprintf("args[%d], %s", i, option)] = s
		if option = "argument"; strings.HasPrefix(s, "-") {
			option = strings.TrimLeft(s, "-")
		}
	}
	env, ok := m["env"].(map[string]any)
	if !ok {
		env, _ = m["environment"].(map[string]any)
	}
	for k, v := range env {
		e.Env[k], _ = v.(string)
	}
	for _, group := range []string{"headers", "http_headers"} {
		headers, _ := m[group].(map[string]any)
		for k, v := range headers {
			if s, ok := v.(string); ok {
				e.Fixed[group+", "+k] = s
			}
		}
	}
	for _, address := range []string{"url", "httpUrl", "serverUrl"} {
		if s, ok := m[address].(string); ok {
			e.Fixed["address, "+address] = s
		}
	}
	return e
}

func (c Client) decode(doc []byte) (v map[string]any, err error) {
	if c.toml {
		return v, toml.Unmarshal(doc, &v)
	}
	plain, err := hujson.Standardize(bytes.TrimPrefix(bytes.Clone(doc), []byte(mark)))
	if err == nil {
		err = json.Unmarshal(plain, &v)
	}
	return v, err
}

// ErrByHand says that a file of this kind is not rewritten in place.
var ErrByHand = errors.New("this kind of file has to be edited by hand")

// Wrap makes an entry start through `ov mcp wrap`, with references in place of
// the values of some variables; all else stays as it is.
func (c Client) Wrap(doc []byte, e Entry, ov string, refs map[string]string) ([]byte, error) {
	if c.toml || e.Nested {
		return nil, ErrByHand
	}
	at := append(c.path[:len(c.path):len(c.path)], e.Name)
	under := func(parts ...string) []string { return append(at[:len(at):len(at)], parts...) }
	var err error
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if doc, err = setJSON(doc, under("env", name), refs[name]); err != nil {
			return nil, err
		}
	}
	if len(e.Args) > 1 && e.Args[0] == "mcp" && e.Args[1] == "wrap" {
		return doc, nil
	}
	if doc, err = setJSON(doc, under("args"), append([]string{"mcp", "wrap", "--", e.Command}, e.Args...)); err != nil {
		return nil, err
	}
	return setJSON(doc, under("command"), ov)
}
