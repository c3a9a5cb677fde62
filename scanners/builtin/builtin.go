// Package builtin finds credentials by the formats that their vendors publish.
// Prefix rules are tables, one file a family; what has structure (a JWT, a PEM
// key, a URL with a password) has a detector of its own; and one detector reads
// assignments. Checks label a finding and never gate it.
package builtin

import (
	"slices"
	"sync"

	"github.com/opaquevault/ov/core/scan"
)

// A rule is a declaration and the function that judges a window.
type rule struct {
	scan.Rule
	find func(w []byte, at int, final bool) (spans []scan.Span, read int)
}

// more, in place of how much was read, asks for a longer window.
const more = -1

// unless returns read, or more if the window ended too soon.
func unless(short bool, read int) int {
	if short {
		return more
	}
	return read
}

// All returns the default scanners.
func All() []scan.Scanner { return []scan.Scanner{shared()} }

// shared builds the one scanner when it is first asked for: a program that
// scans nothing pays nothing.
var shared = sync.OnceValue(func() *scanner { return newScanner(rules()) })

// prefixes returns the rows of all families.
func prefixes() []prefix {
	return slices.Concat(githubPrefixes, packagesPrefixes, cloudPrefixes, dataPrefixes, chatPrefixes,
		moneyPrefixes, aiPrefixes, infraPrefixes, watchPrefixes, newerPrefixes)
}

// rules returns all rules, the ones that say most first: where two findings start
// together, the first names them.
func rules() []rule {
	all := structural()
	rows := prefixes()
	for i := range rows {
		all = append(all, rows[i].rule())
	}
	return slices.Concat(all, labelled(), strictRules())
}

// A scanner is the rules as a scan.Scanner.
type scanner struct {
	rules []scan.Rule
	find  []func(w []byte, at int, final bool) ([]scan.Span, int)
}

func newScanner(all []rule) *scanner {
	s := &scanner{}
	for _, r := range all {
		s.rules, s.find = append(s.rules, r.Rule), append(s.find, r.find)
	}
	return s
}

// Rules returns the declarations.
func (s *scanner) Rules() []scan.Rule { return s.rules }

// Check asks the rule.
func (s *scanner) Check(rule int, w []byte, at int, final bool) ([]scan.Span, bool) {
	spans, more, _ := s.Read(rule, w, at, final)
	return spans, more
}

// Read asks the rule, and says how much it read.
func (s *scanner) Read(rule int, w []byte, at int, final bool) ([]scan.Span, bool, int) {
	spans, read := s.find[rule](w, at, final)
	for i := range spans {
		spans[i].Rule = rule
	}
	return spans, read == more, read
}
