package rules

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	"github.com/opaquevault/ov/core/scan"
)

// How much of a line a rule sees.
const (
	ahead  = 4 << 10 // bytes after the keyword
	behind = 192     // before it, as context
	before = 64      // before it, that may be masked
)

// body is one rule.
type body struct {
	id      string
	keys    []string
	late    bool // the secret may start before the keyword
	tier    scan.Tier
	group   int
	entropy float64
	maxLen  int
	lines   bool // a match may go on to the next line
	lists   []allow
	check   func(secret []byte) bool // labels, never gates; may be nil
	expr    func() (*regexp.Regexp, error)
}

// allow is an allowlist that can be judged in a stream.
type allow struct {
	and       bool
	target    string // "", "match" or "line"
	regexes   []*regexp.Regexp
	stopwords []string
}

// newRule checks a definition. A rule that looks at file names only is nil.
func newRule(d *definition, global []allowlist) (*body, error) {
	if d.Regex == "" && d.Prefix == "" {
		return nil, nil
	}
	text, err := d.expression()
	if err != nil {
		return nil, err
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regular expression: %w", err)
	}
	b := &body{id: slug(d.ID), entropy: d.Entropy, maxLen: d.MaxLen, lines: strings.Contains(text, `\s`) || strings.Contains(text, `\n`) || strings.Contains(text, "(?s")}
	if b.keys, err = d.literals(re); err != nil {
		return nil, err
	}
	if b.tier, err = d.tier(); err != nil {
		return nil, err
	}
	if b.check, err = d.checksum(); err != nil {
		return nil, err
	}
	switch groups := re.MaxCap(); {
	case d.SecretGroup > groups || d.SecretGroup < 0:
		return nil, fmt.Errorf("secretGroup %d: the expression has %d groups", d.SecretGroup, groups)
	case d.SecretGroup > 0:
		b.group = d.SecretGroup
	case groups > 0:
		b.group = 1
	}
	b.late = late(re, b.group, b.keys)
	b.expr = sync.OnceValues(func() (*regexp.Regexp, error) { return regexp.Compile(text) })
	for _, a := range append(d.lists(), global...) {
		l, ok, err := newAllow(a, d.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			b.lists = append(b.lists, l)
		}
	}
	return b, nil
}

// newAllow returns the part of an allowlist that a stream can judge. If one of
// several conditions cannot be judged and all must hold, it never applies.
func newAllow(a allowlist, id string) (l allow, ok bool, err error) {
	l = allow{and: strings.EqualFold(a.Condition, "and"), target: a.RegexTarget}
	if l.and && len(a.Commits)+len(a.Paths) > 0 || len(a.Regexes)+len(a.StopWords) == 0 {
		return l, false, nil
	}
	if len(a.TargetRules) > 0 && !slices.Contains(a.TargetRules, id) {
		return l, false, nil
	}
	for _, r := range a.Regexes {
		re, err := regexp.Compile(r)
		if err != nil {
			return l, false, fmt.Errorf("allowlist: regular expression: %w", err)
		}
		l.regexes = append(l.regexes, re)
	}
	for _, s := range a.StopWords {
		l.stopwords = append(l.stopwords, strings.ToLower(s))
	}
	return l, true, nil
}

// slug makes an id that a marker can show.
func slug(id string) string {
	id = strings.ToLower(id)
	id = strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, id)
	return id[:min(len(id), scan.MaxID)]
}

// declare tells the engine of the rule.
func (b *body) declare() scan.Rule {
	r := scan.Rule{ID: b.id, Keywords: b.keys, Fold: true, Behind: behind, Need: ahead, Tier: b.tier, Sweep: true}
	if b.late {
		r.Before, r.Lead = before, lead
	}
	return r
}

// lead holds what stands before a keyword from where it stops to look like a
// word: the first figure, or a capital within. A prompt is not held.
func lead(b []byte) int {
	i := len(b)
	for i > 0 && (tokenByte(b[i-1])) {
		i--
	}
	for ; i < len(b); i++ {
		c := b[i]
		if '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' && i > 0 && 'a' <= b[i-1] && b[i-1] <= 'z' {
			break
		}
	}
	return len(b) - i
}

func tokenByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '-'
}

// more, in place of how much was read, asks for a longer window.
const more = -1

// find judges the keyword at at, and all others on its line: first on that line,
// and if there is nothing and it ends soon after the keyword, on the next line
// too. read is the end of what was judged whole.
func (b *body) find(w []byte, at int, final bool) (spans []scan.Span, read int) {
	whole := final || len(w)-at >= ahead
	from := bytes.LastIndexByte(w[:at], '\n') + 1
	end := bytes.IndexByte(w[at:], '\n')
	if end < 0 && !whole {
		return nil, more
	}
	if end < 0 { // keywords near the end of the window have more to come
		return b.match(w[from:], from, at), max(at+1, len(w)-ahead/4)
	}
	end += at + 1
	if spans := b.match(w[from:end], from, at); len(spans) > 0 || !b.lines || end-at > 40 {
		return spans, end
	}
	next := bytes.IndexByte(w[end:], '\n')
	if next < 0 && !whole {
		return nil, more
	}
	if next >= 0 {
		w = w[:end+next+1]
	}
	return b.match(w[from:], from, at), end
}

// match runs the expression over text, which starts at from in the window.
func (b *body) match(text []byte, from, at int) []scan.Span {
	re, err := b.expr()
	if err != nil { // it parsed: this does not happen, and if it does nothing passes
		return []scan.Span{{Start: at, End: from + len(text)}}
	}
	var spans []scan.Span
	for _, m := range re.FindAllSubmatchIndex(text, -1) {
		lo, hi := m[2*b.group], m[2*b.group+1]
		if lo < 0 {
			lo, hi = m[0], m[1]
		}
		secret := text[lo:hi]
		if len(secret) == 0 || b.maxLen > 0 && len(secret) > b.maxLen || b.entropy > 0 && shannon(secret) <= b.entropy {
			continue
		}
		if b.allowed(text, text[m[0]:m[1]], secret) {
			continue
		}
		spans = append(spans, scan.Span{Start: from + lo, End: from + hi, Label: b.label(secret)})
	}
	return spans
}

// label says what the checksum says.
func (b *body) label(secret []byte) string {
	switch {
	case b.check == nil:
		return ""
	case b.check(secret):
		return checkOK
	}
	return checkFailed
}

// allowed reports whether an allowlist names the finding.
func (b *body) allowed(line, match, secret []byte) bool {
	for _, l := range b.lists {
		target := secret
		switch l.target {
		case "match":
			target = match
		case "line":
			target = line
		}
		re := slices.ContainsFunc(l.regexes, func(re *regexp.Regexp) bool { return re.Match(target) })
		low := bytes.ToLower(secret)
		stop := slices.ContainsFunc(l.stopwords, func(s string) bool { return bytes.Contains(low, []byte(s)) })
		if l.and && (re || len(l.regexes) == 0) && (stop || len(l.stopwords) == 0) || !l.and && (re || stop) {
			return true
		}
	}
	return false
}

// shannon returns the entropy of b in bits a byte.
func shannon(b []byte) float64 {
	var n [256]int
	for _, c := range b {
		n[c]++
	}
	e := 0.0
	for _, k := range n {
		if k > 0 {
			p := float64(k) / float64(len(b))
			e -= p * math.Log2(p)
		}
	}
	return e
}

// scanner is the rules of a file as a scan.Scanner.
type scanner struct {
	rules  []scan.Rule
	bodies []*body
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
	spans, read := s.bodies[rule].find(w, at, final)
	for i := range spans {
		spans[i].Rule = rule
	}
	return spans, read == more, read
}
