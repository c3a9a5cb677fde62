package core

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReveal compares the calls of Value.Reveal with the list.
func TestReveal(t *testing.T) {
	want := map[string]int{}
	list, err := os.ReadFile("reveal.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(list), "\n") {
		if f := strings.Fields(l); len(f) > 2 && f[0] != "#" {
			var n int
			fmt.Sscan(f[1], &n)
			if _, twice := want[f[0]]; twice {
				t.Errorf("core/reveal.txt lists %s twice", f[0])
			}
			want[f[0]] = n
		}
	}
	got, files := map[string]int{}, 0
	filepath.WalkDir("..", func(p string, d fs.DirEntry, _ error) error {
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Reveal" {
				got[filepath.ToSlash(strings.TrimPrefix(p, "../"))]++
			}
			return true
		})
		return nil
	})
	if files == 0 {
		t.Fatal("no Go files found: the test looks in the wrong place")
	}
	for p, n := range got {
		if want[p] != n {
			t.Errorf("%s reveals %d times, core/reveal.txt allows %d", p, n, want[p])
		}
	}
	for p, n := range want {
		if got[p] != n {
			t.Errorf("core/reveal.txt lists %s with %d, found %d", p, n, got[p])
		}
	}
}
