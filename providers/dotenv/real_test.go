package dotenv

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// readAll has node's own dotenv read every text of standard input.
const readAll = `const {parse} = require(process.argv[1]);
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map(t => parse(t))))`

// TestRealNode: what is recorded of npm's dotenv is what it does.
func TestRealNode(t *testing.T) {
	module, err := filepath.Abs("../../bin/import-tools/node_modules/dotenv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(module); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("npm's dotenv is needed in CI: make import-tools")
		}
		t.Skip("no dotenv of npm (make import-tools)")
	}
	all := cases(t)
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = c.Text
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "-e", readAll, module)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]string
	if err := json.Unmarshal(out, &got); err != nil || len(got) != len(all) {
		t.Fatalf("%d answers, %v", len(got), err)
	}
	for i, c := range all {
		if !maps.Equal(got[i], c.Node) {
			t.Errorf("%q: dotenv reads %q, recorded is %q", c.Text, got[i], c.Node)
		}
	}
}
