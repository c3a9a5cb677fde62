package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/rules"
)

// ruleName is what a rule file may be called.
var ruleName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}\.toml$`)

// isRules tells a rule file from a module.
func isRules(path string) bool { return strings.EqualFold(filepath.Ext(path), ".toml") }

// addRules checks a rule file, says what of it cannot be heeded in a stream, and
// keeps a copy in the home folder.
func (c *cli) addRules(path string) error {
	name := strings.ToLower(filepath.Base(path))
	if !ruleName.MatchString(name) {
		return misuse{fmt.Errorf("add %q: want a file called name.toml", path)}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read rule file: %w", err)
	}
	f, err := rules.Parse(name, text, true)
	if err != nil {
		return err
	}
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	if err := keepRules(home, name, text); err != nil {
		return fmt.Errorf("add rule file: %w", err)
	}
	for _, n := range f.Notes {
		c.say("note: %s", n)
	}
	c.say("added %s: %s", name, plural(f.Len, "rule"))
	return nil
}

// keepRules writes a rule file into the home folder, whole or not at all.
func keepRules(home, name string, text []byte) error {
	dir := filepath.Join(home, "scanners")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".add-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(dir, name))
}

// listRules writes a line for each rule file.
func (c *cli) listRules(w io.Writer) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	paths, err := ruleFiles(home)
	if err != nil {
		return err
	}
	for _, p := range paths {
		f, err := readRules(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\trule file\t\t%s\n", filepath.Base(p), plural(f.Len, "rule"))
	}
	return nil
}

func (c *cli) removeRules(name string) error {
	if !ruleName.MatchString(name) {
		return misuse{fmt.Errorf("remove %q: want a name that \"ov scanner list\" shows", name)}
	}
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(home, "scanners", name)); err != nil {
		return fmt.Errorf("remove rule file: %w", err)
	}
	c.say("removed %s: what only it found is not masked any more", name)
	return nil
}

// ruleScanners returns the built-in rules and the rule files of the home folder.
// A file that cannot be read stops the command: it was added to mask something.
func ruleScanners(home string) ([]scan.Scanner, error) {
	all := builtin.All()
	paths, err := ruleFiles(home)
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		f, err := readRules(p)
		if err != nil {
			return nil, err
		}
		all = append(all, f.Scanner)
	}
	return all, nil
}

func readRules(path string) (*rules.File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read rule file: %w", err)
	}
	return rules.Parse(filepath.Base(path), text, false)
}

// ruleFiles returns the paths of the rule files that were added.
func ruleFiles(home string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(home, "scanners"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list rule files: %w", err)
	}
	var all []string
	for _, e := range entries {
		if ruleName.MatchString(e.Name()) {
			all = append(all, filepath.Join(home, "scanners", e.Name()))
		}
	}
	sort.Strings(all)
	return all, nil
}
