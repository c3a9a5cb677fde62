// Package redact masks secrets in a stream.
package redact

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/match"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
)

// ErrShort is returned for a value that is too short to be masked.
var ErrShort = errors.New("shorter than 4 bytes: cannot be masked")

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

// A Set is a compiled set of needles. It is immutable: streams share it.
type Set struct {
	needles []Needle
	options Options
	exact   *match.Set
	owner   []form // of each needle of exact
}

// form is what a matcher's needle stands for.
type form struct {
	needle int
	lane   Lanes
}

// Compile prepares the needles for the search.
func Compile(needles []Needle, o Options) (*Set, error) {
	if o.Lanes == 0 {
		o.Lanes = All
	}
	if o.MinFragment == 0 {
		o.MinFragment = 12
	}
	if o.MinFragment < 8 || o.MinFragment > 64 {
		return nil, fmt.Errorf("compile needles: shortest fragment is %d bytes, want 8 to 64", o.MinFragment)
	}
	s := &Set{needles: slices.Clone(needles), options: o}
	var all []match.Needle
	for i, n := range needles {
		v := n.Value.Reveal()
		if len(v) < match.MinLen {
			return nil, fmt.Errorf("compile needle %q: %w", n.Name, ErrShort)
		}
		if o.Lanes&Exact != 0 {
			all = append(all, match.Needle{Bytes: v, Word: len(v) < 8})
			s.owner = append(s.owner, form{i, Exact})
		}
	}
	var err error
	s.exact, err = match.Compile(all)
	return s, err
}

// With returns a set that looks for more needles as well.
func (s *Set) With(more ...Needle) (*Set, error) {
	return Compile(append(slices.Clip(s.needles), more...), s.options)
}
