package rules

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// gitleaks' rules end in a class of bytes that may follow a token, which most
// command output does not: a comma, a parenthesis, an @, a colour.
const (
	narrowEnd = "(?:[\\x60'\"\\s;]|\\\\[nr]|$)"
	wideEnd   = "(?:[\\x60'\"\\s;,.:)<>&@|!?}\\]%\\x1b\\\\]|$)"
)

// expression returns the regular expression of a definition.
func (d *definition) expression() (string, error) {
	if d.Prefix == "" {
		return strings.ReplaceAll(d.Regex, narrowEnd, wideEnd), nil
	}
	if d.Regex != "" {
		return "", errors.New("prefix and regex exclude each other")
	}
	if len(d.Prefix) < scan.MinLiteral {
		return "", fmt.Errorf("prefix %q is shorter than %d bytes", d.Prefix, scan.MinLiteral)
	}
	set := d.Charset
	if set == "" {
		set = "A-Za-z0-9_-"
	}
	if d.Min < 1 || d.Max != 0 && d.Max < d.Min || d.Min > 1000 || d.Max > 1000 {
		return "", fmt.Errorf("min %d, max %d: want 1 to 1000 characters after the prefix", d.Min, d.Max)
	}
	bound := ""
	if d.Max > 0 {
		bound = fmt.Sprint(d.Max)
	}
	return fmt.Sprintf("(?:^|[^A-Za-z0-9])(%s[%s]{%d,%s})", regexp.QuoteMeta(d.Prefix), set, d.Min, bound), nil
}

// literals returns the keywords of a definition, in lower case, none shorter
// than the engine wants. A rule without one is searched for a literal that every
// match has.
func (d *definition) literals(re *syntax.Regexp) ([]string, error) {
	if d.Prefix != "" {
		return []string{strings.ToLower(d.Prefix)}, nil
	}
	var all []string
	for _, k := range d.Keywords {
		switch {
		case len(k) >= scan.MinLiteral:
			all = append(all, strings.ToLower(k))
		case len(k) == 2: // one more byte, whatever it is
			for c := byte('!'); c <= '~'; c++ {
				if c < 'A' || c > 'Z' {
					all = append(all, strings.ToLower(k)+string(c))
				}
			}
		default:
			return nil, fmt.Errorf("keyword %q is too short", k)
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	if k := sure(re); len(k) >= scan.MinLiteral {
		return []string{strings.ToLower(k)}, nil
	}
	return nil, fmt.Errorf("no literal of %d bytes that every match has: give it keywords", scan.MinLiteral)
}

// sure returns the longest literal that every match of re has.
func sure(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return sure(re.Sub[0])
	case syntax.OpConcat:
		best := ""
		for _, s := range re.Sub {
			if k := sure(s); len(k) > len(best) {
				best = k
			}
		}
		return best
	case syntax.OpRepeat:
		if re.Min > 0 {
			return sure(re.Sub[0])
		}
	}
	return ""
}

// late reports whether the secret can start before a keyword: what comes first in
// the group, or in the whole match, is no literal that has one.
func late(re *syntax.Regexp, group int, keys []string) bool {
	w := walker{group: group, keys: keys, inside: group == 0}
	w.walk(re)
	return w.late || !w.found
}

// walker goes through an expression from left to right.
type walker struct {
	group  int
	keys   []string
	inside bool // in the secret
	found  bool // a keyword has come
	late   bool // something of the secret came before it
	width  bool // something of the secret has come
}

func (w *walker) walk(re *syntax.Regexp) {
	if w.found {
		return
	}
	switch re.Op {
	case syntax.OpCapture:
		if re.Cap == w.group {
			w.inside = true
		}
		w.walk(re.Sub[0])
		if re.Cap == w.group && !w.found {
			w.inside = false
		}
	case syntax.OpConcat, syntax.OpAlternate, syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		for _, s := range re.Sub {
			if re.Op == syntax.OpAlternate {
				b := *w
				b.walk(s)
				w.found, w.late = w.found || b.found, w.late || b.late
				w.width = w.width || b.width
				continue
			}
			w.walk(s)
		}
	case syntax.OpLiteral:
		text := strings.ToLower(string(re.Rune))
		for _, k := range w.keys {
			i := strings.Index(text, k)
			if i < 0 && !strings.HasPrefix(k, text) {
				continue
			}
			w.found = true
			w.late = w.late || w.inside && (w.width || i > 0)
			return
		}
		w.width = w.width || w.inside
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpBeginText, syntax.OpEndLine, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
	default:
		w.width = w.width || w.inside
	}
}

// lopsided reports whether only some alternatives of expr are anchored.
func lopsided(expr string) bool {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil || re.Op != syntax.OpAlternate && !strings.Contains(expr, "|") {
		return false
	}
	depth, starts, ends, parts := 0, 0, 0, 1
	last := 0
	side := func(s string) {
		s = strings.TrimPrefix(s, "(?i)")
		if strings.HasPrefix(s, "^") || strings.HasPrefix(s, `\A`) {
			starts++
		}
		if strings.HasSuffix(s, "$") && !strings.HasSuffix(s, `\$`) {
			ends++
		}
	}
	for i := 0; i < len(expr); i++ {
		switch expr[i] {
		case '\\':
			i++
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '|':
			if depth == 0 {
				side(expr[last:i])
				parts, last = parts+1, i+1
			}
		}
	}
	side(expr[last:])
	return parts > 1 && (starts > 0 || ends > 0) && (starts < parts || ends < parts)
}
