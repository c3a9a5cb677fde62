// Package manifest reads and writes what a scanner module says about itself: the
// custom section ov.scanner, JSON, and its test cases in ov.golden. Reading one
// runs nothing of the module.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Names of the custom sections.
const (
	Section       = "ov.scanner"
	GoldenSection = "ov.golden"
)

// ABI is the version of the binary interface that this host speaks.
const ABI = 1

// Limits of a manifest.
const (
	MaxSize   = 64 << 10 // of the section, bytes
	MaxGolden = 1 << 20  // of ov.golden, bytes
	MaxRules  = 256      // the guest gets the rule's index in eight bits
	MaxPages  = 256      // of memory
	MaxUntil  = 64       // bytes of Rule.Until
	maxWords  = 64       // keywords of one rule
	maxBytes  = 4 << 10  // of all keywords: all scanners share one automaton
	maxText   = 1 << 10
)

// Errors that callers tell apart.
var (
	ErrNone = errors.New("no " + Section + ` section: run "ov scanner pack"`)
	ErrABI  = errors.New("wrong ABI version")
)

// A Mode says how the host feeds a module.
type Mode string

// The modes.
const (
	Window Mode = "window" // around keywords
	Stream Mode = "stream" // all of the output, in overlapping pieces
)

// A Manifest is what a module declares.
type Manifest struct {
	ABI         int    `json:"abi" toml:"abi"`
	Name        string `json:"name" toml:"name"` // slug
	Version     string `json:"version" toml:"version"`
	Description string `json:"description,omitempty" toml:"description"`
	License     string `json:"license,omitempty" toml:"license"`
	Mode        Mode   `json:"mode" toml:"mode"`
	MaxWindow   int    `json:"max_window,omitempty" toml:"max_window"`     // bytes that the guest is shown at most
	MemoryPages int    `json:"memory_pages,omitempty" toml:"memory_pages"` // 64 KiB each
	Rules       []Rule `json:"rules" toml:"rules"`
}

// A Rule is one kind of finding. In window mode the guest sees the bytes
// [keyword-Before, keyword+After), counted from the keyword's first byte.
type Rule struct {
	ID       string   `json:"id" toml:"id"` // slug, shown in the marker
	Title    string   `json:"title,omitempty" toml:"title"`
	Severity Severity `json:"severity,omitempty" toml:"severity"`
	Keywords []string `json:"keywords,omitempty" toml:"keywords"`
	NoCase   bool     `json:"nocase,omitempty" toml:"nocase"` // keywords match without regard to ASCII case
	Before   int      `json:"before,omitempty" toml:"before"`
	After    int      `json:"after,omitempty" toml:"after"`
	Until    string   `json:"until,omitempty" toml:"until"` // an open span ends before it
}

// A Severity is how bad a finding is: info, low, medium, high, critical.
type Severity string

// Defaults of fields left out.
const (
	DefaultPages = 64
	DefaultAfter = 64
)

// Read returns the manifest of a module.
func Read(m *module.Module) (*Manifest, error) {
	b, err := single(m, Section, MaxSize)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, ErrNone
	}
	var man Manifest
	if err := decode(b, &man); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if err := man.Complete(); err != nil {
		return nil, fmt.Errorf("manifest of %q: %w", man.Name, err)
	}
	return &man, nil
}

func single(m *module.Module, name string, most int) ([]byte, error) {
	s := m.Custom(name)
	switch {
	case len(s) == 0:
		return nil, nil
	case len(s) > 1:
		return nil, fmt.Errorf("%d %s sections: want one", len(s), name)
	case len(s[0]) > most:
		return nil, fmt.Errorf("%s section of %d bytes is larger than %d", name, len(s[0]), most)
	}
	return s[0], nil
}

// decode reads exactly one JSON value without unknown keys. The ABI version is
// looked at first: a later one may have keys that we do not know.
func decode(b []byte, into any) error {
	if _, ok := into.(*Manifest); ok {
		var v struct{ ABI int }
		if err := json.Unmarshal(b, &v); err == nil && v.ABI != ABI {
			return fmt.Errorf("%w %d: this host speaks %d", ErrABI, v.ABI, ABI)
		}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("not JSON as expected: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("not JSON as expected: more after the value")
	}
	return nil
}

// Complete fills in the defaults and checks the rest.
func (m *Manifest) Complete() error {
	if m.Mode == "" {
		m.Mode = Window
	}
	if m.MemoryPages == 0 {
		m.MemoryPages = DefaultPages
	}
	if m.MaxWindow == 0 && m.Mode == Stream {
		m.MaxWindow = 4 << 10
	}
	switch {
	case m.ABI != ABI:
		return fmt.Errorf("%w %d: this host speaks %d", ErrABI, m.ABI, ABI)
	case !Slug(m.Name):
		return fmt.Errorf("name %q is not a slug (a-z 0-9 - _ . of at most %d bytes)", m.Name, maxName)
	case m.Mode != Window && m.Mode != Stream:
		return fmt.Errorf("mode %q is neither %q nor %q", m.Mode, Window, Stream)
	case m.MemoryPages < 1 || m.MemoryPages > MaxPages:
		return fmt.Errorf("memory_pages %d is not within 1 and %d", m.MemoryPages, MaxPages)
	case m.MaxWindow < 0 || m.MaxWindow > scan.MaxWindow:
		return fmt.Errorf("max_window %d is not within 1 and %d", m.MaxWindow, scan.MaxWindow)
	case len(m.Rules) == 0 || len(m.Rules) > MaxRules:
		return fmt.Errorf("%d rules: want 1 to %d", len(m.Rules), MaxRules)
	}
	for _, s := range []string{m.Version, m.Description, m.License} {
		if !printable(s) {
			return errors.New("a text has control characters or is too long")
		}
	}
	return m.completeRules()
}

func (m *Manifest) completeRules() error {
	seen := map[string]bool{}
	longest, words := 0, 0
	for i := range m.Rules {
		r := &m.Rules[i]
		if seen[r.ID] {
			return fmt.Errorf("rule %q is there twice", r.ID)
		}
		seen[r.ID] = true
		if err := r.complete(m.Mode); err != nil {
			return fmt.Errorf("rule %q: %w", r.ID, err)
		}
		longest = max(longest, r.Before+r.After)
		for _, k := range r.Keywords {
			words += len(k)
		}
	}
	if words > maxBytes {
		return fmt.Errorf("keywords of %d bytes are more than %d", words, maxBytes)
	}
	if m.MaxWindow == 0 {
		m.MaxWindow = min(longest, scan.MaxWindow)
	}
	if longest > m.MaxWindow {
		return fmt.Errorf("a window of %d bytes is longer than max_window %d", longest, m.MaxWindow)
	}
	return nil
}

func (r *Rule) complete(mode Mode) error {
	if r.Severity == "" {
		r.Severity = "high"
	}
	if r.After == 0 && mode == Window {
		r.After = DefaultAfter
	}
	switch {
	case !Slug(r.ID):
		return fmt.Errorf("the id is not a slug (a-z 0-9 - _ . of at most %d bytes)", maxName)
	case r.Severity.Level() < 0:
		return fmt.Errorf("severity %q is none of %v", r.Severity, severities)
	case !printable(r.Title) || !printable(r.Until) || len(r.Until) > MaxUntil:
		return errors.New("title or until has control characters or is too long")
	case mode == Stream && len(r.Keywords)+r.Before+r.After > 0:
		return errors.New("keywords, before and after are of window mode")
	case mode == Window && (len(r.Keywords) == 0 || len(r.Keywords) > maxWords):
		return fmt.Errorf("%d keywords: want 1 to %d", len(r.Keywords), maxWords)
	case r.Before < 0 || r.After < 0 || r.Before > scan.MaxWindow || r.After > scan.MaxWindow:
		return errors.New("before or after is out of range")
	}
	for _, k := range r.Keywords {
		if len(k) < scan.MinLiteral || len(k) > min(r.After, 255) {
			return fmt.Errorf("keyword %q: want %d bytes to what is shown of it, %d", k, scan.MinLiteral, min(r.After, 255))
		}
	}
	return nil
}

var severities = [...]Severity{"info", "low", "medium", "high", "critical"}

// Level returns the severity as the number that guests use, -1 if unknown.
func (s Severity) Level() int {
	for i, t := range severities {
		if s == t {
			return i
		}
	}
	return -1
}

// maxName leaves room for the words around a name in a failure's marker.
const maxName = 40

// Slug reports whether s can be a name: it is shown in markers and names files.
func Slug(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '.' || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

// printable keeps terminal sequences out of what lists print.
func printable(s string) bool {
	for _, c := range s {
		if !unicode.IsPrint(c) {
			return false
		}
	}
	return len(s) <= maxText
}
