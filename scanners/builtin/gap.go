package builtin

import "bytes"

// A gap is what stands between a label and its value.
type gap struct {
	end    int  // where the value starts
	strong bool // = or : says that it is a value
	tight  bool // nothing but = and quotes: KEY=value
	quote  byte // the quote that opens the value, or 0
	slash  bool // that quote is escaped: \"
	tag    bool // the value is the text of an XML element
	more   bool // the window ends before it is known
}

// maxGap bounds a gap, maxEscape an escape in it, in bytes.
const (
	maxGap    = 96
	maxEscape = 24
)

// gapWords may stand in a gap.
var gapWords = []string{"is", "to", "was", "as", "value", "set", "of", "are", "equals", "string", "now", "the", "new", "for", "with", "some"}

// parseGap reads the gap at i.
func parseGap(w []byte, i int, final bool) gap {
	g := gap{tight: true}
	for start := i; i < len(w) && i-start < maxGap; {
		if !final && len(w)-i < maxEscape && opensEscape(w[i]) && !whole(w[i:]) {
			g.end, g.more = i, true
			return g
		}
		n := g.step(w, i, final)
		if g.more || n == 0 {
			g.end = i
			return g
		}
		i += n
	}
	g.end, g.more = i, i == len(w) && !final
	return g
}

// step takes one piece of the gap and returns its length, 0 at its end.
func (g *gap) step(w []byte, i int, final bool) int {
	if n := escape(w[i:]); n > 0 {
		if !g.escaped(w[i : i+n]) {
			return 0
		}
		return n
	}
	switch c := w[i]; c {
	case '=', ':':
		g.strong, g.quote, g.slash = true, 0, false
	case '"', '\'', '`':
		g.quote, g.slash = c, false
	case ' ', '\t':
		g.tight, g.quote = false, 0
	case '\r', '\n':
		g.tight, g.quote = false, 0
		n, more := across(w, i, final)
		g.more = more
		return n
	case '-': // ->
		if i+1 < len(w) && w[i+1] != '>' {
			return 0
		}
		g.more, g.strong = i+1 == len(w) && !final, true
	case '.': // .= of PHP
		if i+1 < len(w) && w[i+1] != '=' {
			return 0
		}
		g.more = i+1 == len(w) && !final
	case '|', ',', '>', '?', '[', '{', '(', '!':
		if c == ',' && g.quote != 0 && g.strong {
			return 0 // an empty string
		}
		g.tight, g.quote, g.tag = false, 0, c == '>'
	case '<':
		n, more := closing(w, i, final)
		g.more = more
		g.tag, g.strong = g.tag || n > 0, g.strong || n > 0
		return n
	default:
		n, more := gapWord(w[i:], final)
		g.more = more
		if n > 0 {
			g.quote, g.tight = 0, g.tight && n == 1
		}
		return n
	}
	return 1
}

// escaped takes an escape into the gap, if it may stand there.
func (g *gap) escaped(e []byte) bool {
	switch s := string(e); {
	case s == `\"` || s == `\'`:
		g.quote, g.slash = e[1], true
	case s == "%3D" || s == "%3d" || s == "%3A" || s == "%3a" || s == "&#61;" || s == "&#58;" || s == `\u003d` || s == `\u003D` || s == `\u003a`:
		g.strong = true
	case e[0] == 0x1b, len(s) > 4 && s[len(s)-1] == 'm', s == `\\`,
		s == "%22" || s == "%20" || s == "%27", s == `\u0022` || s == `\u0027` || s == `\u003e` || s == `\x22` || s == `\t`, e[0] == '&':
	default:
		return false
	}
	return true
}

func opensEscape(c byte) bool { return c == 0x1b || c == '\\' || c == '%' || c == '&' }

// whole reports whether the escape at the start of b cannot grow with more bytes.
func whole(b []byte) bool {
	if n := escape(b); n > 0 && n < len(b) {
		return b[0] != 0x1b || n > 2
	}
	return len(b) >= maxEscape
}

// across returns how many bytes lead from a line end to the value on the next
// line: after an opening tag, or in the next field ("name": X, "value": Y).
func across(w []byte, i int, final bool) (n int, more bool) {
	j := i
	for j < len(w) && j-i < 64 && (isSpace(w[j]) || w[j] == '\\') {
		j++
	}
	if j == len(w) {
		return 0, !final
	}
	if i > 0 && w[i-1] == '>' {
		return j - i, false
	}
	k := j
	for k < len(w) && (w[k] == '"' || w[k] == '\'' || w[k] == '-' || w[k] == ' ' || w[k] == '\\') {
		k++
	}
	if len(w)-k < 5 {
		return 0, !final && bytes.HasPrefix([]byte("value"), bytes.ToLower(w[k:]))
	}
	if bytes.EqualFold(w[k:k+5], []byte("value")) {
		return k - i, false
	}
	return 0, false
}

// closing returns the length of "</key><string>" at i: the value follows.
func closing(w []byte, i int, final bool) (n int, more bool) {
	for j := i; j < len(w) && j-i < 80; j++ {
		if j == i+1 && w[j] != '/' {
			return 0, false
		}
		if w[j] != '>' {
			continue
		}
		j++
		for j < len(w) && isSpace(w[j]) && j-i < 80 {
			j++
		}
		for _, tag := range []string{"<string>", "<value>", "<Value>", "<td>", "<data>"} {
			if bytes.HasPrefix(w[j:], []byte(tag)) {
				return j + len(tag) - i, false
			}
			if len(w)-j < len(tag) && bytes.HasPrefix([]byte(tag), w[j:]) {
				more = !final
			}
		}
		return 0, more
	}
	return 0, !final && len(w)-i < 80
}

// gapWord returns the length of the gap word that b starts with, or 0.
func gapWord(b []byte, final bool) (n int, more bool) {
	for n < len(b) && isLetter(b[n]) {
		n++
	}
	if n == 0 || n > 16 {
		return 0, false
	}
	if n == len(b) {
		return 0, !final
	}
	next := b[n]
	if n == 1 && (next == '\'' || next == '"') { // b'...', r"..."
		return 1, false
	}
	if isDigit(next) || next == '_' || next == '-' {
		return 0, false
	}
	for _, k := range gapWords {
		if len(k) == n && bytes.EqualFold(b[:n], []byte(k)) {
			return n, false
		}
	}
	if n > 5 && bytes.EqualFold(b[n-5:n], []byte("value")) { // ParameterValue
		return n, false
	}
	return 0, false
}
