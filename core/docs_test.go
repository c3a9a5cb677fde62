package core

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	docPath = regexp.MustCompile("`((?:core|scanners|providers|plugins|sdk|cmd)(?:/[a-z0-9._-]+)*)/?`")
	docLink = regexp.MustCompile(`\]\(([^)#: ]+)(?:#[^)]*)?\)`)
	docLine = regexp.MustCompile(`\.go:\d+`)
)

// TestDocs holds every path that a document names against the tree.
func TestDocs(t *testing.T) {
	docs := 0
	filepath.WalkDir("..", func(p string, d fs.DirEntry, _ error) error {
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "dist") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, ".md") {
			return nil
		}
		docs++
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range docPath.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat("../" + m[1]); err != nil {
				t.Errorf("%s names %s, which does not exist", p, m[1])
			}
		}
		for _, m := range docLink.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(p), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", p, m[1])
			}
		}
		if m := docLine.Find(b); m != nil {
			t.Errorf("%s points at a line (%s): name the function instead", p, m)
		}
		return nil
	})
	if docs == 0 {
		t.Error("no documents found: the test looks in the wrong place")
	}
}

// TestNamesFoldApart: no two files differ by case alone. A module that holds such
// cannot be downloaded, and on macOS and Windows one of them would be lost.
func TestNamesFoldApart(t *testing.T) {
	seen := map[string]string{}
	filepath.WalkDir("..", func(p string, d fs.DirEntry, _ error) error {
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if other, ok := seen[strings.ToLower(p)]; ok {
			t.Errorf("%s and %s differ by case alone", p, other)
		}
		seen[strings.ToLower(p)] = p
		return nil
	})
	if len(seen) < 100 {
		t.Errorf("%d names", len(seen))
	}
}
