package walk

import (
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ignores are the .gitignore files below a root, read as their folders are
// entered, and those above it up to the top of the repository.
// Source: git-scm.com/docs/gitignore.
type ignores struct {
	on    bool
	root  string
	files map[string][]pattern // by folder
}

// pattern is one line of a .gitignore.
type pattern struct {
	parts   []string // between slashes
	negated bool
	dirs    bool // folders only
	deep    bool // may stand at any depth
}

func newIgnores(root string, on bool) *ignores {
	g := &ignores{on: on, root: root, files: map[string][]pattern{}}
	if !on {
		return g
	}
	for dir := root; ; dir = filepath.Dir(dir) {
		g.read(dir)
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return g
		}
	}
}

func (g *ignores) read(dir string) {
	if _, ok := g.files[dir]; ok {
		return
	}
	b, _ := os.ReadFile(filepath.Join(dir, ".gitignore"))
	var all []pattern
	for line := range strings.Lines(string(b)) {
		if p, ok := parsePattern(strings.TrimRight(line, "\r\n")); ok {
			all = append(all, p)
		}
	}
	g.files[dir] = all
}

func parsePattern(line string) (p pattern, ok bool) {
	if !strings.HasSuffix(line, `\ `) {
		line = strings.TrimRight(line, " ")
	}
	if line == "" || line[0] == '#' {
		return p, false
	}
	if line[0] == '!' {
		p.negated, line = true, line[1:]
	}
	line = strings.TrimPrefix(line, `\`)
	line, p.dirs = strings.CutSuffix(line, "/")
	p.deep = !strings.Contains(line, "/")
	p.parts = strings.Split(strings.TrimPrefix(line, "/"), "/")
	return p, line != ""
}

// dir reports whether a folder is ignored; one that is not gets its .gitignore
// read.
func (g *ignores) dir(p string) bool {
	if !g.on {
		return false
	}
	if g.match(p, true) {
		return true
	}
	g.read(p)
	return false
}

func (g *ignores) file(p string) bool { return g.on && g.match(p, false) }

// match asks the files from the nearest folder up; the last line of the nearest
// file that matches decides.
func (g *ignores) match(p string, isDir bool) bool {
	for dir := filepath.Dir(p); ; dir = filepath.Dir(dir) {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return false
		}
		names := strings.Split(filepath.ToSlash(rel), "/")
		for i := len(g.files[dir]) - 1; i >= 0; i-- {
			if l := g.files[dir][i]; (isDir || !l.dirs) && l.matches(names) {
				return !l.negated
			}
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

func (p pattern) matches(names []string) bool {
	if p.deep {
		ok, _ := path.Match(p.parts[0], names[len(names)-1])
		return ok || p.parts[0] == "**"
	}
	return glob(p.parts, names)
}

// glob matches parts with names; ** stands for any number of names.
func glob(parts, names []string) bool {
	for len(parts) > 0 {
		if parts[0] == "**" {
			if len(parts) == 1 {
				return len(names) > 0
			}
			for i := range len(names) + 1 {
				if glob(parts[1:], names[i:]) {
					return true
				}
			}
			return false
		}
		if len(names) == 0 {
			return false
		}
		if ok, _ := path.Match(parts[0], names[0]); !ok {
			return false
		}
		parts, names = parts[1:], names[1:]
	}
	return len(names) == 0
}
