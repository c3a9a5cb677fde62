package core

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/opaquevault/ov"

// listed is one package as `go list` describes it.
type listed struct {
	ImportPath    string
	Imports, Deps []string
	Module        *struct{ Path string }
	Standard      bool
}

// TestImports holds the tree against core/imports.txt: every package is listed,
// imports what its line allows, and reaches nothing that a `!` line forbids.
func TestImports(t *testing.T) {
	policy, err := os.ReadFile("imports.txt")
	if err != nil {
		t.Fatal(err)
	}
	pkgs := goList(t)
	seen := map[string]bool{}
	for line := range strings.Lines(string(policy)) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		f := strings.Split(line, ":")
		for len(f) < 3 {
			f = append(f, "")
		}
		name := strings.TrimSpace(f[0])
		if from, ok := strings.CutPrefix(name, "!"); ok {
			forbid(t, pkgs, from, strings.Fields(f[1]))
			continue
		}
		if seen[module+"/"+name] {
			t.Errorf("%s is listed twice", name)
		}
		seen[module+"/"+name] = true
		p, ok := pkgs[module+"/"+name]
		if !ok {
			t.Errorf("%s is listed but does not exist", name)
			continue
		}
		allow(t, pkgs, p, strings.Fields(f[1]), strings.Fields(f[2]))
	}
	for path, p := range pkgs {
		if ours(p) && !seen[path] {
			t.Errorf("%s is not listed in core/imports.txt", path)
		}
	}
}

func allow(t *testing.T, pkgs map[string]listed, p listed, rooms, modules []string) {
	t.Helper()
	name := strings.TrimPrefix(p.ImportPath, module+"/")
	for _, path := range p.Imports {
		q, ok := pkgs[path]
		switch {
		case path == "C" || path == "unsafe" || ok && q.Standard:
		case ok && ours(q):
			if !slices.Contains(rooms, strings.TrimPrefix(path, module+"/")) {
				t.Errorf("%s imports %s: not allowed by core/imports.txt", name, path)
			}
		case !slices.ContainsFunc(modules, func(m string) bool { return within(path, m) }):
			t.Errorf("%s imports %s: not allowed by core/imports.txt", name, path)
		}
	}
}

// forbid checks what a program reaches, however indirectly.
func forbid(t *testing.T, pkgs map[string]listed, from string, banned []string) {
	t.Helper()
	p, ok := pkgs[module+"/"+from]
	if !ok {
		t.Errorf("!%s is listed but does not exist", from)
	}
	for _, dep := range p.Deps {
		for _, b := range banned {
			if within(dep, b) || within(dep, module+"/"+b) {
				t.Errorf("%s must never reach %s, but links %s", from, b, dep)
			}
		}
	}
}

// below says which part of the tree may use which: everything rests on core and sdk, and these on nothing of ours.
var below = map[string][]string{
	"cmd":       {"cmd", "core", "plugins", "providers", "scanners", "sdk"},
	"core":      {"core"},
	"mk":        {},
	"plugins":   {"plugins", "core", "sdk"},
	"providers": {"providers", "sdk"},
	"scanners":  {"scanners", "core", "sdk"},
	"sdk":       {"sdk"},
}

// TestDirection: data and imports go one way between the parts of the tree, whatever imports.txt comes to say.
func TestDirection(t *testing.T) {
	for path, p := range goList(t) {
		if !ours(p) {
			continue
		}
		part := partOf(path)
		allowed, ok := below[part]
		if !ok {
			t.Errorf("%s is in no part of the tree", path)
		}
		for _, dep := range p.Imports {
			if within(dep, module) && !slices.Contains(allowed, partOf(dep)) {
				t.Errorf("%s imports %s: %s rests on %v alone", path, dep, part, allowed)
			}
		}
	}
}

// partOf is the first folder of a package of ours.
func partOf(path string) string {
	part, _, _ := strings.Cut(strings.TrimPrefix(path, module+"/"), "/")
	return part
}

// TestMap: whoever prints core's doc sees every room of it.
func TestMap(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for path := range goList(t) {
		room, ok := strings.CutPrefix(path, module+"/core/")
		if room, _, _ = strings.Cut(room, "/"); ok && !strings.Contains(string(text), "\n//\t"+room+" ") {
			t.Errorf("core/doc.go does not say what core/%s is", room)
		}
	}
}

// within reports whether path is prefix or lies below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func ours(p listed) bool { return p.Module != nil && p.Module.Path == module }

func goList(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Module,Standard", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	pkgs := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[p.ImportPath] = p
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found no packages: the test looks in the wrong place")
	}
	return pkgs
}
