package builtin

import (
	"bytes"
	b64 "encoding/base64"
	"strings"
)

// parseValue returns the end of the value that starts at g.end. line says that
// its label starts the line, so that only white space ends it; percent that
// percent-escapes belong to it.
func parseValue(w []byte, g gap, line, percent, final bool) (end int, more bool) {
	i := g.end
	for i < len(w) {
		c := w[i]
		if plain[c] {
			i++
			continue
		}
		if !final && len(w)-i < 8 && opensEscape(c) && escape(w[i:]) == 0 {
			return i, true
		}
		n := escape(w[i:])
		if n > 0 && c == '%' && (percent || g.quote == 0 && !endsValue(w[i:i+3])) {
			i += n
			continue
		}
		if g.quote != 0 {
			switch {
			case c == '\n' || c == g.quote || g.slash && n == 2 && w[i+1] == g.quote || c == 0x1b || g.slash && n == 2 && w[i+1] == 'n':
				return i, false
			case c == '\\' && n == 2:
				i++ // a quote or a backslash of the value
			}
			i++
			continue
		}
		if isSpace(c) || c < 0x20 || c == 0x7f || c == '"' || c == '\'' || c == '`' || n > 0 || c == '<' {
			return i, false
		}
		if !line && closers.has(c) {
			return i, false
		}
		i++
	}
	return i, !final
}

// plain are bytes that neither end a value nor begin an escape.
var plain = newSet("a-zA-Z0-9_+/=.:#$*@^~?!-")

// closers end a value that neither quotes nor a line hold.
var closers = newSet(",;<>|&)}][(")

// endsValue reports whether a percent-escape stands for what ends a value.
func endsValue(e []byte) bool {
	switch strings.ToUpper(string(e)) {
	case "%26", "%22", "%27", "%20", "%0A", "%0D", "%09", "%3B", "%2C", "%3C", "%3E", "%7D", "%5D":
		return true
	}
	return false
}

// trim takes the punctuation of a sentence off the end.
func trim(v []byte) []byte {
	for n := len(v); n > 0; n-- {
		switch v[n-1] {
		case '.', ',', ':', ';', '!', '?':
		default:
			return v[:n]
		}
	}
	return nil
}

// stands reports whether v stands for a value or refers to one.
func stands(v []byte) bool {
	if filler(v) {
		return true
	}
	switch v[0] {
	case '<', '{', '[', '(', '*':
		return true
	case '$', '%', '@', '&':
		if len(v) > 1 && (v[1] == '{' || v[1] == '(') {
			return true
		}
		end := word.run(v, 1)
		if len(v) > 1 && !isDigit(v[1]) && end > 2 && (end == len(v) || v[end] == '/' || v[end] == '.' || v[end] == ':' || v[end] == '}' || v[end] == '-' || v[end] == '[') {
			return true
		}
	}
	var low [64]byte
	l := lowered(low[:], v[:min(len(v), len(low))])
	for i, c := range l {
		for _, s := range standIns[c] {
			if len(l)-i >= len(s) && string(l[i:i+len(s)]) == s {
				return true
			}
		}
	}
	return false
}

// standIns are what a value that stands for one has in it, by their first byte.
var standIns = byFirst("redacted placeholder your- your_ yourapi changeme example process.env os.environ getenv secrets. vault: op:// ref+ arn: sha256: sha512- sha1- h1: file: enc[ xxxx **** ...")

func byFirst(s string) (t [256][]string) {
	for w := range strings.FieldsSeq(s) {
		t[w[0]] = append(t[w[0]], w)
	}
	return t
}

// maxJudged is how much of a long value is looked at.
const maxJudged = 96

// wordy reports whether v reads like words, names, a path, a version, a date or
// a number: each part between separators is a word or a short number.
func wordy(v []byte) bool {
	v = v[:min(len(v), maxJudged)]
	parts := 0
	for part := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r < 0x80 && !isAlnum(byte(r)) }) {
		parts++
		if !plainPart(part) {
			return false
		}
	}
	return parts > 0
}

// plainPart: words run together as in code, with few figures: userName,
// OAuth2Token, ASAuthorizationProvider. In random letters the case turns more
// often.
func plainPart(p []byte) bool {
	figures, turns := 0, 0
	for i, c := range p {
		switch {
		case isDigit(c):
			figures++
			if i > 0 && isLetter(p[i-1]) && i < len(p)-1 {
				turns++
			}
		case !isLetter(c):
			return false
		case i > 0 && isUpper(c) && isLower(p[i-1]), i > 1 && isLower(c) && isUpper(p[i-1]) && isUpper(p[i-2]):
			turns++
		}
	}
	switch {
	case figures == len(p):
		return len(p) <= 19
	case figures > 4, isDigit(p[0]) && isDigit(p[len(p)-1]):
		return false
	}
	return turns*4 <= len(p)-figures
}

// random reports whether v looks drawn at random: least bytes long, letters and
// digits or letters of both cases in disorder, and not wordy.
func random(v []byte, least int) bool {
	v = v[:min(len(v), maxJudged)]
	if len(v) < least || !mixed(v) || stands(v) || wordy(v) {
		return false
	}
	var seen [256]bool
	kinds := 0
	for _, c := range v {
		if !seen[c] {
			seen[c] = true
			kinds++
		}
	}
	return kinds >= min(6, least)
}

// reference reports whether an unquoted v names something of code and is no value:
// a constant (C.NL80211_ATTR_KEY_SEQ), or what a package has
// (x509.KeyUsageCertSign).
func reference(v []byte) bool {
	dot := bytes.LastIndexByte(v, '.')
	last := v[dot+1:]
	if len(last) == 0 || !isUpper(last[0]) {
		return false
	}
	if constant.run(last, 0) == len(last) {
		return bytes.IndexByte(last, '_') > 0 && figures(last)*3 <= len(last)
	}
	return dot > 0 && isLower(v[0]) && lower.run(v, 0) == dot && plainPart(last)
}

func figures(b []byte) int {
	n := 0
	for _, c := range b {
		if isDigit(c) {
			n++
		}
	}
	return n
}

// dateLike: 2026-01-02T03:04:05Z, 10.0.0.5:6379.
func dateLike(v []byte) bool {
	other, marks := 0, 0
	for _, c := range v {
		switch {
		case c == '-' || c == ':' || c == '.' || c == '/' || c == '+':
			marks++
		case !isDigit(c):
			other++
		}
	}
	return other <= 2 && len(v) > other && (marks > 0 || len(v) < 20)
}

// credential decodes base64 and reports whether user:password comes out.
func credential(v []byte) bool {
	t := strings.TrimRight(string(v), "=")
	for _, enc := range []*b64.Encoding{b64.RawStdEncoding, b64.RawURLEncoding} {
		d, err := enc.DecodeString(t)
		if err != nil {
			continue
		}
		i := bytes.IndexByte(d, ':')
		return i >= 0 && printable(d)
	}
	return false
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c == 0x7f {
			return false
		}
	}
	return true
}
