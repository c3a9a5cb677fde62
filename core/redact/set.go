package redact

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/match"
	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
)

// ErrShort is wrapped by the error of Compile for a value that is too short to
// be masked.
var ErrShort = errors.New("too short to be masked")

// ErrSize is wrapped by the error of Compile when the needles are too many, or
// too long, in all their forms together.
var ErrSize = match.ErrSize

// A Needle is a secret to mask and the name to put in its place.
type Needle struct {
	Name  string
	Value secret.Value
}

// Options say how to look for the needles.
type Options struct {
	Lanes       Lanes          // 0 means All
	MinFragment int            // shortest fragment, 8 to 64 bytes; 0 means 12
	Scanners    []scan.Scanner // find secrets by shape
	Level       scan.Tier      // which of the scanners' rules are on
}

// Limits of Options.MinFragment.
const (
	minFragment     = 8
	maxFragment     = 64
	defaultFragment = 12
)

// A Set is a compiled set of needles. It is immutable: streams share it.
type Set struct {
	needles []Needle
	options Options
	markers [][]byte
	stream  finder    // looks at the stream as it is
	view    finder    // looks at the squeezed view
	rules   *rule.Set // or nil
}

// finder is what is looked for in one view of the stream. Any part may be nil.
type finder struct {
	*match.Finder
	grown *match.Growing // only of a set that is one stream's own
	// What the needles and the texts of Finder, and the needles of grown, stand for.
	wholeOf, runsOf, grownOf []form
}

func (f *finder) empty() bool { return f.Finder == nil && f.grown == nil }

// Compile prepares the needles for the search. It fails if a value is too short
// to be masked or the needles are too many; nothing is ever left out silently.
func Compile(needles []Needle, o Options) (*Set, error) {
	var rules *rule.Set
	if len(o.Scanners) > 0 && o.Level > scan.Known {
		var err error
		if rules, err = rule.Compile(o.Scanners, o.Level); err != nil {
			return nil, fmt.Errorf("compile rules: %w", err)
		}
	}
	return compile(needles, o, rules)
}

func compile(needles []Needle, o Options, rules *rule.Set) (*Set, error) {
	if err := check(needles, o); err != nil {
		return nil, err
	}
	if o.Lanes == 0 {
		o.Lanes = All
	}
	if o.MinFragment == 0 {
		o.MinFragment = defaultFragment
	}
	s := &Set{needles: slices.Clone(needles), options: o, rules: rules}
	for _, n := range needles {
		s.markers = append(s.markers, marker(n.Name))
	}
	c, err := gather(needles, o)
	if err != nil {
		return nil, fmt.Errorf("compile %d needles: %w", len(needles), err)
	}
	view := make(chan error, 1)
	go func() {
		var err error
		defer func() { view <- err }()
		defer crash.Recover(&err)
		s.view, err = c.view.compile(true)
	}()
	s.stream, err = c.stream.compile(false)
	if err = cmp.Or(err, <-view); err != nil {
		return nil, fmt.Errorf("compile needles: %w", err)
	}
	return s, nil
}

// check reports what of needles and options cannot be.
func check(needles []Needle, o Options) error {
	if o.MinFragment != 0 && (o.MinFragment < minFragment || o.MinFragment > maxFragment) {
		return fmt.Errorf("compile needles: shortest fragment is %d bytes, want %d to %d", o.MinFragment, minFragment, maxFragment)
	}
	for _, n := range needles {
		if n.Value.Len() < secret.MinMaskable {
			return fmt.Errorf("compile needle %q of %d bytes: %w", n.Name, n.Value.Len(), ErrShort)
		}
	}
	return nil
}

func marker(name string) []byte { return []byte("[REDACTED:" + name + "]") }

// With returns a set that looks for more needles as well.
func (s *Set) With(more ...Needle) (*Set, error) {
	return compile(append(slices.Clip(s.needles), more...), s.options, s.rules)
}

// Size returns about how many bytes of memory the set takes.
func (s *Set) Size() int {
	return s.stream.Size() + s.view.Size()
}
