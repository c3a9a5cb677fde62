package clients

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/tailscale/hujson"
)

var ov = Server{Command: "/opt/ov/bin/ov", Args: []string{"mcp", "serve"}}

// TestInstallNew: every client gets a file that its own parser would read.
func TestInstallNew(t *testing.T) {
	for _, c := range All() {
		for _, before := range []string{"", "{}", "\n"} {
			if c.toml && before == "{}" {
				continue
			}
			out, err := c.Install([]byte(before), "ov", ov)
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			entry := read(t, c, out)["ov"].(map[string]any)
			args, _ := entry["args"].([]any)
			command := entry["command"]
			if line, ok := command.([]any); ok && c.line {
				command, args = line[0], line[1:]
			}
			if command != ov.Command || len(args) != 2 || args[1] != "serve" {
				t.Errorf("%s wrote %s", c.Name, out)
			}
			again, err := c.Install(out, "ov", ov)
			if err != nil || string(again) != string(out) {
				t.Errorf("%s: installing twice changed %s to %s (%v)", c.Name, out, again, err)
			}
		}
	}
}

func read(t *testing.T, c Client, doc []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if c.toml {
		if err := toml.Unmarshal(doc, &v); err != nil {
			t.Fatalf("%s: %v in %s", c.Name, err, doc)
		}
	} else {
		b, err := hujson.Standardize(doc)
		if err != nil {
			t.Fatalf("%s: %v in %s", c.Name, err, doc)
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
	}
	m, _ := v[c.path[0]].(map[string]any)
	return m
}

const commented = `{
  // my settings
  "theme": "dark",   /* odd   spacing */
  "mcpServers": {
    "github": { "command": "npx", "args": ["-y", "server"], "env": {"A": "\u00e9"} }, // trailing comma next
  },
  "last": 1.50
}
`

// TestKeepsTheRest: what was there is there byte for byte, comments included,
// and is all that is left after the entry is taken out.
func TestKeepsTheRest(t *testing.T) {
	c, _ := Find("cursor")
	out, err := c.Install([]byte(commented), "ov", ov)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"// my settings\n  \"theme\": \"dark\",   /* odd   spacing */", `"github": { "command": "npx", "args": ["-y", "server"], "env": {"A": "\u00e9"} }`, `"last": 1.50`} {
		if !strings.Contains(string(out), part) {
			t.Errorf("lost %q in %s", part, out)
		}
	}
	if m := read(t, c, out); len(m) != 2 {
		t.Errorf("servers %v", m)
	}
	back, err := c.Uninstall(out, "ov")
	if err != nil || len(read(t, c, back)) != 1 {
		t.Errorf("after uninstall: %s (%v)", back, err)
	}
	same, err := c.Uninstall([]byte(commented), "ov")
	if err != nil || string(same) != commented {
		t.Errorf("uninstall of what is not there changed the file")
	}
}

const codexConfig = `model = "o9" # comment

[mcp_servers.ov.env]
OLD = "1"

[mcp_servers.other]
command = "x"

[profiles.a]
y = [1,
  2]
`

func TestTOML(t *testing.T) {
	c, _ := Find("codex")
	out, err := c.Install([]byte(codexConfig), "ov", Server{Command: `C:\ov "x"`, Args: []string{"mcp", "serve", "--home", "/h ü"}})
	if err != nil {
		t.Fatal(err)
	}
	m := read(t, c, out)
	if e := m["ov"].(map[string]any); e["command"] != `C:\ov "x"` || e["env"] != nil || m["other"] == nil {
		t.Errorf("wrote %s", out)
	}
	back, _ := c.Uninstall(out, "ov")
	if want := strings.Replace(codexConfig, "\n[mcp_servers.ov.env]\nOLD = \"1\"\n", "", 1); string(back) != want {
		t.Errorf("after uninstall:\n%s\nwant\n%s", back, want)
	}
	if _, err := c.Install([]byte("a = ="), "ov", ov); err == nil {
		t.Error("a broken file was edited")
	}
}

func TestBrokenJSON(t *testing.T) {
	c, _ := Find("claude")
	for _, doc := range []string{"{", "[]", `"x"`, `{"mcpServers": 3}`} {
		if out, err := c.Install([]byte(doc), "ov", ov); err == nil {
			t.Errorf("%s became %s", doc, out)
		}
	}
}

// TestWrite: mode and link are kept, the backup holds the first state.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte("one"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{{"one", "two"}, {"two", "three"}} {
		if err := Write(link, []byte(step[0]), []byte(step[1])); err != nil {
			t.Fatal(err)
		}
	}
	b, _ := os.ReadFile(real)
	backup, _ := os.ReadFile(real + Backup)
	st, _ := os.Lstat(link)
	mode, _ := os.Stat(real)
	if string(b) != "three" || string(backup) != "one" || st.Mode()&os.ModeSymlink == 0 || mode.Mode().Perm() != 0o640 {
		t.Errorf("file %q, backup %q, link %v, mode %v", b, backup, st.Mode(), mode.Mode())
	}
}

// TestWriteNowhere: a link whose file is yet to be made stays a link.
func TestWriteNowhere(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "home", "config.json")
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../dotfiles/config.json", link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, nil, []byte("new")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "dotfiles", "config.json"))
	if st, lerr := os.Lstat(link); err != nil || string(b) != "new" || lerr != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%q, %v; the link: %v, %v", b, err, st, lerr)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(loop); err == nil {
		t.Error("a link to itself was read")
	}
}

func TestDiff(t *testing.T) {
	if d := Diff("f", []byte("a\nb\nc\nd\ne\nf\n"), []byte("a\nb\nc\nX\ne\nf\n")); d != "--- f\n+++ f\n@@ -1,6 +1,6 @@\n a\n b\n c\n-d\n+X\n e\n f\n" {
		t.Errorf("%s", d)
	}
	if d := Diff("f", nil, []byte("a\n")); d != "--- f\n+++ f\n@@ -1,0 +1,1 @@\n+a\n" {
		t.Errorf("%s", d)
	}
}

func TestRules(t *testing.T) {
	for _, doc := range []string{"", "# Mine\n\ntext\n", "no newline"} {
		once := AddRules(doc)
		if AddRules(once) != once || !strings.Contains(once, "vault_run") {
			t.Errorf("adding twice to %q: %q", doc, AddRules(once))
		}
		if back := RemoveRules(once); strings.TrimRight(back, "\n") != strings.TrimRight(doc, "\n") {
			t.Errorf("%q came back as %q", doc, back)
		}
	}
}

func TestConfigDir(t *testing.T) {
	none := func(string) string { return "" }
	if d := configDir("/h", "linux", none); d != "/h/.config" {
		t.Error(d)
	}
	if d := configDir("/h", "linux", func(string) string { return "/x" }); d != "/x" {
		t.Error(d)
	}
	if d := configDir("/h", "darwin", none); d != "/h/Library/Application Support" {
		t.Error(d)
	}
}

// TestWrap: the entry starts through ov, its value is gone, the rest is kept.
func TestWrap(t *testing.T) {
	c, _ := Find("cursor")
	servers, err := c.Servers([]byte(commented))
	if err != nil || len(servers) != 1 || servers[0].Command != "npx" || servers[0].Env["A"] != "é" {
		t.Fatalf("%+v, %v", servers, err)
	}
	out, err := c.Wrap([]byte(commented), servers[0], "/bin/ov", map[string]string{"A": "ov://A"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Servers(out)
	if err != nil || len(again) != 1 {
		t.Fatalf("%s: %v", out, err)
	}
	e := again[0]
	if e.Command != "/bin/ov" || strings.Join(e.Args, " ") != "mcp wrap -- npx -y server" || e.Env["A"] != "ov://A" || !strings.Contains(string(out), "/* odd   spacing */") {
		t.Errorf("%s", out)
	}
	if twice, err := c.Wrap(out, e, "/bin/ov", nil); err != nil || string(twice) != string(out) {
		t.Errorf("wrapping twice: %s, %v", twice, err)
	}
	codex, _ := Find("codex")
	if _, err := codex.Wrap([]byte(codexConfig), Entry{Name: "other"}, "/bin/ov", nil); err == nil {
		t.Error("TOML was rewritten")
	}
	if s, err := codex.Servers([]byte(codexConfig)); err != nil || len(s) != 1 || s[0].Name != "other" {
		t.Errorf("%+v, %v", s, err)
	}
}
