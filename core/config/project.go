package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v4"

	"github.com/opaquevault/ov/core/secret"
)

// ProjectFile is the name of the file that ties a folder to an app.
const ProjectFile = ".ov.yaml"

// maxProject is the largest project file that is read, in bytes.
const maxProject = 64 << 10

// ErrProject is wrapped by every error about a project file's content.
var ErrProject = errors.New("invalid project file")

// A Project is a .ov.yaml.
type Project struct {
	Path    string
	App     string // empty when the file does not say
	Env     string
	Secrets []Entry // nil when the file has no list: all secrets of the environment
	Trusted bool
	content []byte
}

// An Entry is one item of a secrets list.
type Entry struct {
	Name    string // NAME, environment/NAME or app/environment/NAME
	As      string // the variable; empty: the secret's name
	Deliver string // env, file, stdin or fd; empty: env
}

// Deliveries are the ways in which a secret can reach the child.
func Deliveries() []string { return []string{"env", "file", "stdin", "fd"} }

// findProject reads the nearest .ov.yaml from dir upward, not above stop.
func findProject(dir, stop string) (*Project, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if real, err := filepath.EvalSymlinks(stop); err == nil {
		stop = real
	}
	for {
		path := filepath.Join(dir, ProjectFile)
		content, err := readProject(path)
		switch {
		case err == nil:
			return parseProject(path, content)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("read %q: %w", path, err)
		}
		up := filepath.Dir(dir)
		if dir == stop || up == dir {
			return nil, nil
		}
		dir = up
	}
}

// readProject reads a project file that is one. A link is not followed: whoever wrote the repository could
// have us read, and quote in an error, any file of the person who uses it.
func readProject(path string) ([]byte, error) {
	entry, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if entry.Mode()&fs.ModeSymlink != 0 {
		return nil, ErrLink
	}
	return readRegular(path, maxProject, entry)
}

// ErrLink is wrapped by the error about a project file that is a symbolic link.
var ErrLink = errors.New("a symbolic link, which is not followed")

// readRegular reads a regular file of at most limit bytes. It does not wait on
// a named pipe that somebody left in the way. entry, if not nil, is the file that is meant.
func readRegular(path string, limit int64, entry fs.FileInfo) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	} else if entry != nil && !os.SameFile(entry, info) {
		return nil, errors.New("it changed meanwhile")
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return b, err
}

// parseProject reads the content of a project file. Errors carry line and column.
func parseProject(path string, content []byte) (*Project, error) {
	p := &Project{Path: path, content: content}
	dec := yaml.NewDecoder(strings.NewReader(string(content)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return p, nil
	} else if err != nil {
		return nil, fmt.Errorf("read %q: %w: %s", path, ErrProject, syntax(err))
	}
	err := p.fill(doc.Content[0])
	if err == nil && dec.Decode(&more) == nil {
		err = at(&more, "a second document")
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w: %w", path, ErrProject, err)
	}
	return p, nil
}

func (p *Project) fill(top *yaml.Node) error {
	if top.Kind == yaml.ScalarNode && top.ShortTag() == "!!null" {
		return nil
	}
	return eachKey(top, []string{"app", "environment", "env", "secrets"}, func(key string, n *yaml.Node) error {
		switch key {
		case "app":
			return slug(n, "app", &p.App)
		case "environment", "env":
			if p.Env != "" {
				return at(n, "environment is given twice")
			}
			return slug(n, "environment", &p.Env)
		}
		return p.list(n)
	})
}

func (p *Project) list(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return at(n, "secrets is not a list")
	}
	p.Secrets = []Entry{}
	for _, item := range n.Content {
		e, err := entry(item)
		if err != nil {
			return err
		}
		p.Secrets = append(p.Secrets, e)
	}
	return nil
}

func entry(n *yaml.Node) (Entry, error) {
	var e Entry
	if n.Kind == yaml.ScalarNode {
		return e, text(n, &e.Name, checkEntryName)
	}
	err := eachKey(n, []string{"name", "as", "deliver"}, func(key string, n *yaml.Node) error {
		switch key {
		case "name":
			return text(n, &e.Name, checkEntryName)
		case "as":
			return text(n, &e.As, secret.CheckName)
		}
		return text(n, &e.Deliver, checkDelivery)
	})
	if err == nil && e.Name == "" {
		err = at(n, "an entry without a name")
	}
	return e, err
}

func checkEntryName(s string) error {
	_, err := secret.ParseRef(s, secret.Ref{App: DefaultApp, Env: DefaultEnv})
	return err
}

func checkDelivery(s string) error {
	if !slices.Contains(Deliveries(), s) {
		return fmt.Errorf("deliver %q: want one of %s", s, strings.Join(Deliveries(), ", "))
	}
	return nil
}

// eachKey calls f for every key of a mapping and refuses keys that are not
// known or stand twice.
func eachKey(n *yaml.Node, known []string, f func(string, *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "want keys and values: %s", strings.Join(known, ", "))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || !slices.Contains(known, k.Value):
			return at(k, "unknown key %q: want one of %s", k.Value, strings.Join(known, ", "))
		case seen[k.Value]:
			return at(k, "key %q stands twice", k.Value)
		}
		seen[k.Value] = true
		if err := f(k.Value, v); err != nil {
			return err
		}
	}
	return nil
}

func slug(n *yaml.Node, kind string, dst *string) error {
	return text(n, dst, func(s string) error { return secret.CheckSlug(kind, s) })
}

func text(n *yaml.Node, dst *string, check func(string) error) error {
	if n.Kind != yaml.ScalarNode {
		return at(n, "want a single word")
	}
	if err := check(n.Value); err != nil {
		return at(n, "%w", err)
	}
	*dst = n.Value
	return nil
}

// syntax puts a parser's error the way at does.
func syntax(err error) string {
	var bad *yaml.LoadError
	if errors.As(err, &bad) && bad.Mark.Line > 0 {
		return fmt.Sprintf("line %d, column %d: %s", bad.Mark.Line, bad.Mark.Column, bad.Message)
	}
	return err.Error()
}

func at(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d, column %d: %w", n.Line, n.Column, fmt.Errorf(format, args...))
}
