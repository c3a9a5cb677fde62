package dotenv

import "strings"

// word reads one shell word: quotes, backslashes and parameters, and nothing
// that would run.
func (p *parser) word() (string, error) {
	var b strings.Builder
	for {
		r := p.rest()
		if r == "" || r[0] == '\n' {
			return b.String(), nil
		}
		switch r[0] {
		case ' ', '\t':
			if !p.onlyComment(0) {
				return "", errSpaces
			}
			p.take(p.toEnd())
			return b.String(), nil
		case '\'':
			end := strings.IndexByte(r[1:], '\'')
			if end < 0 {
				return "", errQuote
			}
			b.WriteString(p.take(end + 2)[1 : end+1])
		case '"':
			end := closing(r, '"')
			if end < 0 {
				return "", errQuote
			}
			inner := p.take(end + 1)[1:end]
			if runs(inner) {
				return "", errRun
			}
			b.WriteString(p.expand(inner, true))
		case '`', ';', '&', '|', '<', '>', '(', ')':
			return "", errRun
		case '\\':
			if c := p.take(min(2, len(r))); len(c) == 2 && c[1] != '\n' {
				b.WriteByte(c[1])
			}
		default:
			n := strings.IndexAny(r, " \t\n'\"`;&|<>()\\")
			if n < 0 {
				n = len(r)
			}
			if strings.HasPrefix(r[n:], "(") && strings.HasSuffix(r[:n], "$") {
				return "", errRun
			}
			b.WriteString(p.expand(p.take(n), false))
		}
	}
}

// runs reports whether a double-quoted text holds a command.
func runs(s string) bool {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '`', strings.HasPrefix(s[i:], "$("):
			return true
		}
	}
	return false
}

// expand replaces $NAME, ${NAME}, ${NAME:-default} and ${NAME-default} by what
// the file has set above; there is no environment to look into. In quotes it
// takes backslashes for what the dialect takes them.
func (p *parser) expand(s string, quoted bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (quoted || p.d == Compose && s[i+1] == '$'):
			i++
			b.WriteString(p.escape(s[i], quoted))
		case s[i] == '$':
			value, n := p.parameter(s[i:])
			b.WriteString(value)
			i += n - 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// escape returns what a backslash and c stand for.
func (p *parser) escape(c byte, quoted bool) string {
	if p.d == Compose {
		if i := strings.IndexByte("nrtabfv", c); i >= 0 {
			return "\n\r\t\a\b\f\v"[i : i+1]
		}
		if quoted && strings.IndexByte("\"\\$", c) >= 0 {
			return string(c)
		}
		return `\` + string(c)
	}
	switch c {
	case '\n':
		return ""
	case '$', '`', '"', '\\':
		return string(c)
	}
	return `\` + string(c)
}

// parameter reads the parameter that s begins with and returns its value and
// its length; a lone dollar stays one.
func (p *parser) parameter(s string) (string, int) {
	if strings.HasPrefix(s, "${") {
		end := strings.IndexByte(s, '}')
		if end < 0 {
			return "$", 1
		}
		name, fallback, has := strings.Cut(s[2:end], "-")
		empty := strings.HasSuffix(name, ":")
		value, set := p.known[strings.TrimSuffix(name, ":")]
		if has && (!set || empty && value == "") {
			value = fallback
		}
		return value, end + 1
	}
	n := 1
	for n < len(s) && (s[n] == '_' || s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || n > 1 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n == 1 {
		return "$", 1
	}
	return p.known[s[1:n]], n
}
