package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

// odd are files as people and programs leave them, and what they are once the
// server x stands in them.
var odd = map[string]struct{ before, after string }{
	"nothing":              {"", "{\n  \"mcpServers\": {\n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    }\n  }\n}\n"},
	"empty object":         {"{}", "{\n  \"mcpServers\": {\n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    }\n  }\n}"},
	"one line":             {`{"a": 1, "mcpServers": {"y": {"command": "z"}}}`, `{"a": 1, "mcpServers": {"y": {"command": "z"}, "x": {"command": "c", "args": ["<a>", "b"]}}}`},
	"one line, comma last": {`{"mcpServers": {"y": {},}}`, `{"mcpServers": {"y": {}, "x": {"command": "c", "args": ["<a>", "b"]},}}`},
	"no servers":           {"{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"mcpServers\": {\n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    }\n  }\n}\n"},
	"empty servers":        {"{\n\t\"mcpServers\": {}\n}", "{\n\t\"mcpServers\": {\n\t\t\"x\": {\n\t\t\t\"command\": \"c\",\n\t\t\t\"args\": [\"<a>\", \"b\"]\n\t\t}\n\t}\n}"},
	"windows": {"{\r\n    \"mcpServers\": {\r\n        \"y\": {}\r\n    }\r\n}\r\n",
		"{\r\n    \"mcpServers\": {\r\n        \"y\": {},\r\n        \"x\": {\r\n            \"command\": \"c\",\r\n            \"args\": [\"<a>\", \"b\"]\r\n        }\r\n    }\r\n}\r\n"},
	"comments and commas": {"// top\n{\n  \"mcpServers\": {\n    \"y\": {}, // y, or not }\n  }, /* end */\n}\n",
		"// top\n{\n  \"mcpServers\": {\n    \"y\": {}, // y, or not }\n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    },\n  }, /* end */\n}\n"},
	"comment after the last": {"{\n  \"mcpServers\": {\n    \"y\": {} // y\n  }\n}\n",
		"{\n  \"mcpServers\": {\n    \"y\": {}, // y\n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    }\n  }\n}\n"},
	"only a comment": {"{\n  \"mcpServers\": {\n    // none yet\n  }\n}\n",
		"{\n  \"mcpServers\": {\n    // none yet\n  \n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    }\n  }\n}\n"},
	"closed on the last line": {"{\n  \"mcpServers\": {\n    \"y\": {}}}\n",
		"{\n  \"mcpServers\": {\n    \"y\": {},\n    \"x\": {\n      \"command\": \"c\",\n      \"args\": [\"<a>\", \"b\"]\n    }\n  }}\n"},
	"a mark in front": {mark + "{\n \"a\": 1\n}\n", mark + "{\n \"a\": 1,\n \"mcpServers\": {\n  \"x\": {\n   \"command\": \"c\",\n   \"args\": [\"<a>\", \"b\"]\n  }\n }\n}\n"},
}

// TestOddFiles: the server is put in where a person would, everything else stays
// byte for byte, and taking it out gives the very file back.
func TestOddFiles(t *testing.T) {
	c, _ := Find("cursor")
	for name, tt := range odd {
		out, err := c.Install([]byte(tt.before), "x", Server{Command: "c", Args: []string{"<a>", "b"}})
		if err != nil || string(out) != tt.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, out, tt.after)
			continue
		}
		if again, err := c.Install(out, "x", Server{Command: "c", Args: []string{"<a>", "b"}}); err != nil || !bytes.Equal(again, out) {
			t.Errorf("%s, twice: %v\n%s", name, err, again)
		}
		if back, err := c.Restore([]byte(tt.before), out, "x"); err != nil || string(back) != tt.before {
			t.Errorf("%s, out again: %v\n%s", name, err, back)
		}
		changed := bytes.Replace(out, []byte("{"), []byte("{\"mine\": 1,"), 1)
		if back, err := c.Restore([]byte(tt.before), changed, "x"); err != nil || !bytes.Contains(back, []byte(`"mine": 1`)) || bytes.Contains(back, []byte(`"x"`)) {
			t.Errorf("%s, out of a file that was changed since: %v\n%s", name, err, back)
		}
	}
}

// TestOddTables: what a line-wise look at TOML could get wrong is refused, and
// the file stays as it is.
func TestOddTables(t *testing.T) {
	c, _ := Find("codex")
	for name, doc := range map[string]string{
		"windows":       "model = \"x\"\r\n\r\n[mcp_servers.other]\r\ncommand = \"y\"\r\n",
		"no newline":    "model = \"x\"",
		"a mark":        mark + "model = \"x\"\n",
		"dotted":        "mcp_servers.other.command = \"y\"\n",
		"comments":      "# a\n[mcp_servers.other] # b\ncommand = \"y\"\n\n\n[tui]\nx = 1\n",
		"array tables":  "[[things]]\na = 1\n[[things]]\na = 2\n",
		"quoted header": "[\"mcp_servers\".'other']\ncommand = \"y\"\n",
	} {
		out, err := c.Install([]byte(doc), "ov", ov)
		if err != nil || read(t, c, out)["ov"] == nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		if strings.Contains(doc, "\r") && strings.Count(string(out), "\n") != strings.Count(string(out), "\r\n") {
			t.Errorf("%s: mixed newlines in %q", name, out)
		}
		if back, err := c.Restore([]byte(doc), out, "ov"); err != nil || string(back) != doc {
			t.Errorf("%s, out again: %v\n%q\nwant\n%q", name, err, back, doc)
		}
	}
	for name, doc := range map[string]string{
		"inline servers":     "mcp_servers = { other = { command = \"y\" } }\n",
		"inline entry":       "[mcp_servers]\nov = { command = \"old\" }\n",
		"dotted entry":       "mcp_servers.ov.command = \"old\"\n",
		"header in a text":   "note = \"\"\"\n[mcp_servers.ov]\nnot a table\n\"\"\"\n",
		"servers of no kind": "mcp_servers = 3\n",
	} {
		if out, err := c.Install([]byte(doc), "ov", ov); !errors.Is(err, ErrByHand) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := c.Uninstall([]byte("note = \"\"\"\n[mcp_servers.ov]\nnot a table\n\"\"\"\n"), "ov"); !errors.Is(err, ErrByHand) {
		t.Errorf("a text was cut: %v\n%s", err, out)
	}
}

// TestTwice: of a name that stands twice, readers take the last one and the
// editor finds the first.
func TestTwice(t *testing.T) {
	c, _ := Find("cursor")
	doc := `{"mcpServers": {"a": {"command": "a"}}, "mcpServers": {"b": {"command": "b"}}}`
	if out, err := c.Install([]byte(doc), "ov", ov); !errors.Is(err, ErrByHand) {
		t.Errorf("%v\n%s", err, out)
	}
	for _, doc := range []string{`{"mcpServers": null}`, `{"mcpServers": []}`, "null", "[]"} {
		if out, err := c.Install([]byte(doc), "ov", ov); err == nil {
			t.Errorf("%s became %s", doc, out)
		}
	}
}

// FuzzInsert: whatever the file, the edit is refused or is that edit and no other.
func FuzzInsert(f *testing.F) {
	for _, tt := range odd {
		f.Add([]byte(tt.before))
	}
	c, _ := Find("zed")
	f.Fuzz(func(t *testing.T, doc []byte) {
		out, err := c.Install(doc, "ov", ov)
		if err != nil {
			return
		}
		plain, err := hujson.Standardize(bytes.TrimPrefix(bytes.Clone(out), []byte(mark)))
		if err != nil || !json.Valid(plain) {
			t.Fatalf("%q became %q: %v", doc, out, err)
		}
		if back, err := c.Restore(doc, out, "ov"); err == nil && len(bytes.TrimSpace(doc)) > 0 && !strings.Contains(string(doc), `ov`) && !bytes.Equal(back, doc) {
			t.Fatalf("%q came back as %q", doc, back)
		}
	})
}
