package rule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// ErrRule is the class of errors about a rule that the engine cannot run.
var ErrRule = errors.New("bad rule")

// A Set is the rules of some scanners at a level, compiled. It is immutable and
// shared by streams.
type Set struct {
	rules  []entry
	words  []word
	lead   []int // rules with Before > 0
	dfa    *automaton
	behind int // context that every stream keeps
}

// An entry is a rule and where to ask about it.
type entry struct {
	scan.Rule
	scanner scan.Scanner
	reader  scan.Reader // the scanner, if it says how much it read
	index   int         // in the scanner's Rules
	marker  string

	allowance, overdraft int64 // of its account

	peers []int // the scanner's Rules -> index in Set.rules, or -1
}

// peer returns the set's index of another rule of the same scanner, or own.
func (e *entry) peer(index, own int) int {
	if index < 0 || index >= len(e.peers) || e.peers[index] < 0 {
		return own
	}
	return e.peers[index]
}

// ask shows the scanner a window. read is the end of what the answer took: all
// that the rule has need of, if the scanner does not say.
func (e *entry) ask(w []byte, at int, final bool) (spans []scan.Span, more bool, read int) {
	if e.reader == nil {
		spans, more = e.scanner.Check(e.index, w, at, final)
		return spans, more, at + e.Need
	}
	spans, more, read = e.reader.Read(e.index, w, at, final)
	if more {
		read = at + e.Need
	}
	return spans, more, read
}

// Compile makes a set of the rules that are on at the level.
func Compile(scanners []scan.Scanner, level scan.Tier) (*Set, error) {
	s := &Set{}
	for _, sc := range scanners {
		reader, _ := sc.(scan.Reader)
		rules := sc.Rules()
		peers := make([]int, len(rules))
		for i, r := range rules {
			peers[i] = -1
			if r.Tier > level {
				continue
			}
			if err := valid(&r); err != nil {
				return nil, fmt.Errorf("rule %q: %w: %w", r.ID, ErrRule, err)
			}
			peers[i] = len(s.rules)
			e := entry{Rule: r, scanner: sc, reader: reader, index: i, marker: Marker(r.ID), allowance: allowance, overdraft: overdraft, peers: peers}
			if reader == nil {
				e.allowance, e.overdraft = leeway*allowance, overdraft+leeway*int64(r.Need)
			}
			s.add(e)
		}
	}
	dfa, err := newAutomaton(s.words)
	if err != nil {
		return nil, err
	}
	s.dfa = dfa
	return s, nil
}

// Len returns the number of rules.
func (s *Set) Len() int { return len(s.rules) }

// Rule returns a rule by the index that findings name.
func (s *Set) Rule(i int) scan.Rule { return s.rules[i].Rule }

func (s *Set) add(e entry) {
	n := len(s.rules)
	s.rules = append(s.rules, e)
	for _, k := range e.Keywords {
		s.words = append(s.words, word{k, n, e.Fold, !e.After})
	}
	if e.Before > 0 {
		s.lead = append(s.lead, n)
	}
	s.behind = max(s.behind, e.Before+e.Behind)
}

// valid holds a rule against the limits.
func valid(r *scan.Rule) error {
	if r.Mark {
		return validMark(r)
	}
	if !slug(r.ID) {
		return fmt.Errorf("the id is not a slug of at most %d bytes", scan.MaxID)
	}
	if len(r.Keywords) == 0 {
		return errors.New("no keyword")
	}
	for _, k := range r.Keywords {
		if len(k) < scan.MinLiteral {
			return fmt.Errorf("keyword %q is shorter than %d bytes", k, scan.MinLiteral)
		}
		if len(k) > 255 || len(k) > r.Need {
			return fmt.Errorf("keyword %q is longer than what the rule needs to see", k)
		}
	}
	switch {
	case r.Before < 0 || r.Behind < 0 || r.Max < 0:
		return errors.New("a limit is negative")
	case r.Before+r.Need > scan.MaxWindow || r.Max > scan.MaxWindow:
		return fmt.Errorf("a window is longer than %d bytes", scan.MaxWindow)
	case (r.Swallow != nil || r.Follow != nil) && r.Max < r.Before+r.Need:
		return errors.New("an open span may not reach the end of the window")
	case r.Behind > scan.MaxBehind:
		return fmt.Errorf("context before the keyword is longer than %d bytes", scan.MaxBehind)
	case r.After && r.Before > 0:
		return errors.New("findings cannot start both before and after the keyword")
	}
	return nil
}

// validMark holds a rule that is never asked about against the limits.
func validMark(r *scan.Rule) error {
	switch {
	case !slug(strings.ReplaceAll(r.ID, " ", "-")):
		return fmt.Errorf("the id is not words of a slug's letters, of at most %d bytes", scan.MaxID)
	case len(r.Keywords) > 0:
		return errors.New("a mark has keywords")
	}
	return nil
}

func slug(s string) bool {
	if s == "" || len(s) > scan.MaxID {
		return false
	}
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':') {
			return false
		}
	}
	return true
}

// holdBack returns where in b, not before low, the bytes start that could yet
// belong to a finding whose keyword is not complete.
func (s *Set) holdBack(b []byte, low int, state uint16) int {
	hold := len(b) - int(s.dfa.depth[state])
	for _, r := range s.lead {
		e := &s.rules[r]
		for _, k := range e.Keywords {
			w := word{text: k, fold: e.Fold}
			for d := min(len(k)-1, len(b)); d >= 0; d-- {
				at := len(b) - d
				if !w.begins(b[at:]) {
					continue
				}
				hold = min(hold, at-e.run(b[:at]))
			}
		}
	}
	return max(hold, low)
}

// begins reports whether the keyword begins with b.
func (w *word) begins(b []byte) bool {
	p := word{text: w.text[:len(b)], fold: w.fold}
	return p.is(b)
}

// run returns how many of the last bytes of b could belong to a finding whose
// keyword comes next.
func (e *entry) run(b []byte) int {
	if e.Before == 0 {
		return 0
	}
	b = b[max(0, len(b)-e.Before-e.Behind):]
	n := min(e.Before, len(b))
	if e.Lead != nil {
		n = max(0, min(n, e.Lead(b)))
	}
	return n
}
