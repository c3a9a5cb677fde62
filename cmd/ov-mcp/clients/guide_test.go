package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// section is what docs/mcp-clients.md has to say of a client, from what is
// written for it: the command, the files, and the file as it is when ov was first.
func section(t *testing.T, c Client) string {
	t.Helper()
	home := Places{Home: "~", Config: "~/.config", Project: "."}
	doc, err := c.Install(nil, "ov", Server{Command: "/usr/bin/ov", Args: []string{"mcp", "serve"}})
	if err != nil {
		t.Fatal(err)
	}
	kind := "json"
	if c.toml {
		kind = "toml"
	}
	rules := "It has no file for standing instructions that `--rules` could write."
	if at := c.Rules(home); at != "" {
		rules = fmt.Sprintf("`--rules` adds a paragraph to `%s`", at)
		if !strings.HasPrefix(at, "~") {
			rules += " of the folder you are in"
		}
		rules += "."
	}
	return fmt.Sprintf("## %s\n\n    ov mcp install %s --rules\n\nwrites `%s`. %s\n\n```%s\n%s\n```\n", c.Title, c.Name, c.File(home), rules, kind, strings.TrimSpace(string(doc)))
}

// TestGuide: the page shows for each client exactly what is written.
func TestGuide(t *testing.T) {
	page, err := os.ReadFile("../../../docs/mcp-clients.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range All() {
		want := section(t, c)
		if c.rules == nil {
			want = strings.Replace(want, " --rules\n", "\n", 1)
		}
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/mcp-clients.md lacks\n%s", want)
		}
	}
	if n := strings.Count(string(page), "\n## "); n < len(All()) {
		t.Errorf("%d sections for %d clients", n, len(All()))
	}
}
