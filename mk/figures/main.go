// Command figures counts the code: a table of its parts, of what a reader meets and how much of it is tested.
// Generated files count for nothing. What only tests link (suites, corpora, fakes) counts as test.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

// part is what was counted of one part of the tree.
type part struct {
	files, functions []int // the lines of each
	code, comments   int   // lines that hold some; a line can count for both
	tests            int   // lines of tests that are neither blank nor a comment
	scripts          int   // lines of scripts that tests run
}

func run() error {
	linked, err := output("go", "list", "-deps", "-f", "{{.Dir}}", "./cmd/...", "./sdk/...")
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	shipped := map[string]bool{}
	for _, dir := range linked {
		shipped[strings.TrimPrefix(strings.TrimPrefix(dir, here), "/")] = !strings.HasSuffix(dir, "providertest")
	}
	tracked, err := output("git", "ls-files")
	if err != nil {
		return err
	}
	parts, all := map[string]*part{}, &part{}
	for _, file := range tracked {
		name, _, _ := strings.Cut(file, "/")
		if parts[name] == nil {
			parts[name] = &part{}
		}
		for _, p := range []*part{parts[name], all} {
			if err := p.count(file, shipped[path.Dir(file)]); err != nil {
				return err
			}
		}
	}
	fmt.Println("part        files  lines  median longest  functions median  90% longest  comments  test lines  test/code")
	for _, name := range []string{"core", "cmd", "scanners", "providers", "plugins", "sdk", "mk"} {
		parts[name].print(name)
	}
	all.print("all")
	return nil
}

func output(name string, args ...string) ([]string, error) {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return strings.Fields(string(out)), nil
}

// count adds one file.
func (p *part) count(file string, shipped bool) error {
	if strings.HasSuffix(file, ".txtar") {
		text, err := os.ReadFile(file)
		p.scripts += bytes.Count(text, []byte("\n"))
		return err
	}
	if !strings.HasSuffix(file, ".go") {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, text, parser.ParseComments)
	if err != nil || ast.IsGenerated(f) {
		return err
	}
	code, comments := lines(text)
	if strings.HasSuffix(file, "_test.go") || !shipped && !strings.HasPrefix(file, "mk/") {
		p.tests += code
		return nil
	}
	p.code += code
	p.comments += comments
	p.files = append(p.files, bytes.Count(text, []byte("\n")))
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			p.functions = append(p.functions, set.Position(fn.End()).Line-set.Position(fn.Pos()).Line+1)
		}
	}
	return nil
}

// lines counts the lines that hold code, and those that hold a comment.
func lines(text []byte) (code, comments int) {
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, scanner.ScanComments)
	held := map[int]bool{}
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return len(held), comments
		}
		span := strings.Count(lit, "\n")
		if tok == token.COMMENT {
			comments += span + 1
			continue
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue // the scanner's own
		}
		for i := range span + 1 {
			held[file.Line(pos)+i] = true
		}
	}
}

func (p *part) print(name string) {
	slices.Sort(p.files)
	slices.Sort(p.functions)
	total := 0
	for _, n := range p.files {
		total += n
	}
	fmt.Printf("%-10s %6d %6d %7d %7d %10d %6d %4d %7d %8d%% %11d %10.2f\n", name, len(p.files), total, at(p.files, 50), at(p.files, 100),
		len(p.functions), at(p.functions, 50), at(p.functions, 90), at(p.functions, 100),
		100*p.comments/max(1, p.code+p.comments), p.tests+p.scripts, float64(p.tests+p.scripts)/float64(max(1, p.code)))
}

// at returns the number that percent of a sorted list are not above.
func at(sorted []int, percent int) int {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}
