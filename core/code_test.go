package core

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The most that a reader is asked to hold at once.
const (
	mostFileLines     = 500
	mostFunctionLines = 80
)

// initAllowed: a WebAssembly module without main runs its init when the host instantiates it. There is no other place.
var initAllowed = []string{"../sdk/example/ticket/main.go", "../sdk/scanner/hello/go/main.go"}

// stateAllowed: the variables of a package that change, each with its reason.
var stateAllowed = map[string]string{
	"../sdk/scanner.input":      "the buffers that a guest module shares with its host; a module is one instance",
	"../sdk/scanner.output":     "likewise",
	"../sdk/scanner.count":      "likewise",
	"../sdk/scanner.scanFunc":   "set once by Serve: the exports of a module are functions without a receiver",
	"../sdk/scanner.configFunc": "likewise",
}

// sourceFile is one file that people wrote: not a test, not generated.
type sourceFile struct {
	path string
	ast  *ast.File
	set  *token.FileSet
}

func (f sourceFile) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

func (f sourceFile) lines(n ast.Node) int {
	return f.set.Position(n.End()).Line - f.set.Position(n.Pos()).Line + 1
}

// sources parses the whole tree, for every system and processor.
func sources(t *testing.T, tests bool) []sourceFile {
	t.Helper()
	var all []sourceFile
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"testdata", "node_modules", "dist", ".git"}, d.Name()) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || !tests && strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(f) {
			all = append(all, sourceFile{filepath.ToSlash(path), f, set})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 500 {
		t.Fatalf("%d Go files: the test looks in the wrong place", len(all))
	}
	return all
}

// TestSizes: no file is longer than a reader holds at once, and no function but a test, which may be a long table.
func TestSizes(t *testing.T) {
	for _, f := range sources(t, true) {
		if n := f.set.Position(f.ast.FileEnd).Line; n > mostFileLines {
			t.Errorf("%s has %d lines: at most %d", f.path, n, mostFileLines)
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.lines(fn) > mostFunctionLines && !strings.HasSuffix(f.path, "_test.go") {
				t.Errorf("%s: %s has %d lines: at most %d", f.path, fn.Name.Name, f.lines(fn), mostFunctionLines)
			}
		}
	}
}

// TestNoInit: what a program does begins in its main.
func TestNoInit(t *testing.T) {
	for _, f := range sources(t, false) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !slices.Contains(initAllowed, f.path) {
				t.Errorf("%s has an init", f.path)
			}
		}
	}
}

// TestDocumented: every exported name says what it is, and every package what its duty is.
func TestDocumented(t *testing.T) {
	docs := map[string]string{}
	for _, f := range sources(t, false) {
		docs[f.dir()] += f.ast.Doc.Text()
		for _, d := range f.ast.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", f.path, name)
			}
		}
	}
	for dir, doc := range docs {
		if words := len(strings.Fields(doc)); words < 8 {
			t.Errorf("%s: its doc has %d words: a package says its duty", dir, words)
		}
	}
}

// undocumented lists the exported names of a declaration that no comment stands at.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && receiverExported(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	kind := d.Recv.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.Ident:
			return k.IsExported()
		default:
			return true
		}
	}
}

// TestNoState: the variables of a package are set where they are declared, and never again.
func TestNoState(t *testing.T) {
	vars := map[string]bool{} // folder.name
	files := sources(t, false)
	for _, f := range files {
		for spec := range packageVars(f) {
			for _, name := range spec.Names {
				vars[f.dir()+"."+name.Name] = true
				if madeToChange(spec) {
					t.Errorf("%s: %s is made to change", f.path, name.Name)
				}
			}
		}
	}
	used := map[string]bool{}
	for _, f := range files {
		for _, name := range written(f) {
			key := f.dir() + "." + name
			if !vars[key] {
				continue
			}
			used[key] = true
			if stateAllowed[key] == "" {
				t.Errorf("%s changes %s, a variable of its package", f.path, name)
			}
		}
	}
	for key := range stateAllowed {
		if !used[key] {
			t.Errorf("%s is allowed to change, and does not", key)
		}
	}
}

// packageVars lists the variables of the package that a file declares.
func packageVars(f sourceFile) map[*ast.ValueSpec]bool {
	specs := map[*ast.ValueSpec]bool{}
	for _, d := range f.ast.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
			for _, s := range g.Specs {
				specs[s.(*ast.ValueSpec)] = true
			}
		}
	}
	return specs
}

// madeToChange reports whether a variable is of a kind that exists to be changed: a lock, a pool, a channel.
func madeToChange(s *ast.ValueSpec) bool {
	found := false
	look := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit, *ast.FuncType:
			return false // what a function makes is its own
		case *ast.ChanType:
			found = true
		case *ast.SelectorExpr:
			pkg, ok := n.X.(*ast.Ident)
			found = found || ok && (pkg.Name == "atomic" || pkg.Name == "sync" && !strings.HasPrefix(n.Sel.Name, "OnceValue"))
		}
		return true
	}
	if s.Type != nil {
		ast.Inspect(s.Type, look)
	}
	for _, v := range s.Values {
		ast.Inspect(v, look)
	}
	return found
}

// written lists the names that a function writes to, in whole or in part, and that are not its own.
func written(f sourceFile) (names []string) {
	global := packageVars(f)
	// The parser resolves the names of a function, and those of the package that stand in the same file.
	local := func(id *ast.Ident) bool {
		if id.Obj == nil {
			return false
		}
		spec, ok := id.Obj.Decl.(*ast.ValueSpec)
		return !ok || !global[spec]
	}
	note := func(e ast.Expr) {
		if id := root(e); id != nil && id.Name != "_" && !local(id) {
			names = append(names, id.Name)
		}
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				if n.Tok != token.DEFINE {
					note(e)
				}
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				note(n.Key)
				note(n.Value)
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "delete" || id.Name == "clear" || id.Name == "copy") {
				note(n.Args[0])
			}
		}
		return true
	})
	return names
}

// root is the variable that x, x.f, x[i], x[:] and *x are a part of.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
