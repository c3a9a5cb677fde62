// Package rules reads rule files: a superset of gitleaks' TOML. Regular
// expressions run on the keyword's line and the one after it only, so that a
// stream can be judged as it flows.
package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/opaquevault/ov/core/scan"
)

// ErrFile is wrapped by every error about a rule file.
var ErrFile = errors.New("bad rule file")

// A File is a rule file that was read.
type File struct {
	Scanner scan.Scanner
	Len     int      // rules
	Notes   []string // what the file says and a stream cannot heed
}

// document is the file as TOML.
type document struct {
	Title, Description, MinVersion string
	Extend                         *extend
	Allowlist                      *allowlist
	Allowlists                     []allowlist
	Rules                          []definition
}

type extend struct {
	UseDefault    bool
	Path, URL     string
	DisabledRules []string
}

// definition is one rule. The second block is ours: a rule without a regular
// expression has a prefix.
type definition struct {
	ID, Description, Path, Regex string
	SecretGroup                  int
	Entropy                      float64
	Keywords, Tags               []string
	Allowlist                    *allowlist
	Allowlists                   []allowlist
	Required                     []map[string]any
	SkipReport                   bool

	Prefix, Charset, Tier, Checksum string
	Min, Max                        int
	MaxLen                          int `toml:"max_len"`
}

type allowlist struct {
	Description, Condition, RegexTarget             string
	Commits, Paths, Regexes, StopWords, TargetRules []string
}

// Parse reads a rule file. name is for errors; verify also compiles every
// regular expression, which takes a while for a large file, instead of when its
// keyword is first seen.
func Parse(name string, data []byte, verify bool) (*File, error) {
	var d document
	md, err := toml.Decode(string(data), &d)
	if err != nil {
		return nil, fmt.Errorf("%w: read %q: %w", ErrFile, name, err)
	}
	if keys := md.Undecoded(); len(keys) > 0 {
		return nil, fmt.Errorf("%w: read %q: unknown key %q", ErrFile, name, keys[0].String())
	}
	if len(d.Rules) == 0 {
		return nil, fmt.Errorf("%w: read %q: no rules", ErrFile, name)
	}
	f := &File{}
	s := &scanner{}
	global := f.globals(&d)
	seen := map[string]bool{}
	for i := range d.Rules {
		def := &d.Rules[i]
		if def.ID == "" {
			return nil, fmt.Errorf("%w: read %q: rule %d has no id", ErrFile, name, i+1)
		}
		r, err := newRule(def, global)
		if err != nil {
			return nil, fmt.Errorf("%w: read %q: rule %q: %w", ErrFile, name, def.ID, err)
		}
		if seen[def.ID] {
			return nil, fmt.Errorf("%w: read %q: rule %q is there twice", ErrFile, name, def.ID)
		}
		seen[def.ID] = true
		f.note(def)
		if r == nil {
			continue
		}
		if verify {
			if _, err := r.expr(); err != nil {
				return nil, fmt.Errorf("%w: read %q: rule %q: %w", ErrFile, name, def.ID, err)
			}
		}
		s.rules, s.bodies = append(s.rules, r.declare()), append(s.bodies, r)
	}
	f.Scanner, f.Len = s, len(s.rules)
	return f, nil
}

// globals returns the allowlists for all rules that can be trusted. One that
// mixes anchored and loose alternatives ((?i)^true|false|null$) would pass any
// secret with one of the words in it: it is left out.
func (f *File) globals(d *document) []allowlist {
	all := d.Allowlists
	if d.Allowlist != nil {
		all = append(all, *d.Allowlist)
	}
	if d.Extend != nil {
		f.Notes = append(f.Notes, "extend is ignored: the built-in rules are on anyway, other files are added one by one")
	}
	var kept []allowlist
	for _, a := range all {
		var good []string
		for _, r := range a.Regexes {
			if lopsided(r) {
				f.Notes = append(f.Notes, fmt.Sprintf("global allowlist: %q is left out: only some of its alternatives are anchored", r))
				continue
			}
			good = append(good, r)
		}
		a.Regexes = good
		kept = append(kept, a)
	}
	return kept
}

// note tells what of a rule is not heeded.
func (f *File) note(d *definition) {
	switch {
	case d.Regex == "" && d.Prefix == "":
		f.Notes = append(f.Notes, fmt.Sprintf("rule %q is left out: it looks at file names only", d.ID))
	case d.Path != "":
		f.Notes = append(f.Notes, fmt.Sprintf("rule %q: path is ignored", d.ID))
	}
	if len(d.Required) > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("rule %q: required is ignored", d.ID))
	}
	for _, a := range d.lists() {
		if len(a.Commits)+len(a.Paths) > 0 {
			f.Notes = append(f.Notes, fmt.Sprintf("rule %q: commits and paths of its allowlist are ignored", d.ID))
			break
		}
	}
}

// lists returns the allowlists in both spellings.
func (d *definition) lists() []allowlist {
	if d.Allowlist == nil {
		return d.Allowlists
	}
	return append([]allowlist{*d.Allowlist}, d.Allowlists...)
}

// tier returns the level at which the rule is on.
func (d *definition) tier() (scan.Tier, error) {
	switch strings.ToLower(d.Tier) {
	case "", "precise":
		return scan.Precise, nil
	case "balanced":
		return scan.Balanced, nil
	case "strict":
		return scan.Strict, nil
	}
	return 0, fmt.Errorf("tier %q, want precise, balanced or strict", d.Tier)
}
