package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/rules"
)

// isRules tells a rule file from a module.
func isRules(path string) bool { return strings.EqualFold(filepath.Ext(path), ".toml") }

// ruleFolder is where rule files are kept. What its lock file was is remembered.
func (c *cli) ruleFolder(home string) rules.Folder {
	return rules.Folder{Dir: filepath.Join(home, "scanners"), Attest: func(lock []byte) error {
		c.locks.Rules = agent.LockDigest(lock)
		return nil
	}}
}

// addRules checks a rule file, says what of it cannot be heeded in a stream, and
// keeps a copy in the home folder.
func (c *cli) addRules(ctx context.Context, path string) error {
	name := strings.ToLower(filepath.Base(path))
	if err := rules.CheckName(name); err != nil {
		return misuse{err}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read rule file: %w", err)
	}
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	folder, err := c.recordedRules(ctx, home)
	if err != nil {
		return err
	}
	f, err := folder.Add(name, text)
	if err != nil {
		return fmt.Errorf("add rule file: %w", err)
	}
	for _, n := range f.Notes {
		c.say("note: %s", n)
	}
	c.say("added %s: %s", name, plural(f.Len, "rule"))
	return nil
}

// listRules writes a line for each rule file.
func (c *cli) listRules(w io.Writer) error {
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	files, err := c.ruleFolder(home).Load()
	for _, f := range files {
		fmt.Fprintf(w, "%s\trule file\t\t%s\n", f.Name, plural(f.Len, "rule"))
	}
	return err
}

func (c *cli) removeRules(ctx context.Context, name string) error {
	if err := rules.CheckName(name); err != nil {
		return misuse{err}
	}
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	folder, err := c.recordedRules(ctx, home)
	if err != nil {
		return err
	}
	if err := folder.Remove(name); err != nil {
		return fmt.Errorf("remove rule file: %w", err)
	}
	c.say("removed %s: what only it found is not masked any more", name)
	return nil
}

// ruleScanners returns the built-in rules and the rule files of the home folder.
func (c *cli) ruleScanners(home string) ([]scan.Scanner, error) {
	added, err := c.ruleFolder(home).Scanners()
	if err != nil {
		return nil, hinted{err, `masking does not start without them: "ov scanner add" or "ov scanner remove" the file again`}
	}
	return append(builtin.All(), added...), nil
}
