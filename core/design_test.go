package core

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestInvariants holds every test that DESIGN.md names against the tree.
func TestInvariants(t *testing.T) {
	design, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	filepath.WalkDir("..", func(p string, d fs.DirEntry, _ error) error {
		if strings.HasSuffix(p, "_test.go") {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(b)
		}
		return nil
	})
	rows := 0
	for line := range strings.Lines(string(design)) {
		if !strings.HasPrefix(line, "| I") {
			continue
		}
		rows++
		named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test holds %s", line)
		}
		for _, m := range named {
			if !strings.Contains(tests.String(), "\nfunc "+m[1]+"(") {
				t.Errorf("%s does not exist, which holds %s", m[1], line)
			}
		}
	}
	if rows == 0 {
		t.Error("no invariants found: the test looks in the wrong place")
	}
}
