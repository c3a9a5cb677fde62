package builtin

import (
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// A label is a rule for values that follow a name: the name's keyword passes,
// the value is held until it ends and then judged.
type label struct {
	id     string
	keys   []string
	tier   scan.Tier // 0 means Precise
	front  bool      // the keyword must begin a word: pass, not bypass
	query  bool      // it must stand in the query of a URL
	header bool      // a scheme may stand before the value: Bearer
	accept func(v []byte, l context) bool
	source string
	eg, no string // texts

	first [32][]string // the keywords by the low bits of their first byte
	long  int          // length of the longest one
}

// context is what a value is judged by beside its bytes.
type context struct {
	gap
	left, right string // the rest of the name, before and after the keyword
	line        bool   // the name starts its line
	before      []byte // bytes before the keyword
}

const (
	maxName  = 32
	maxValue = 256
	labelCtx = 128
)

func (l *label) rule() rule {
	for _, k := range l.keys {
		l.first[k[0]&31] = append(l.first[k[0]&31], k)
		l.long = max(l.long, len(k))
	}
	return rule{scan.Rule{
		ID: l.id, Keywords: l.keys, Fold: true, After: true, Behind: labelCtx,
		Need: l.long + maxName + maxGap + maxValue, Max: scan.MaxWindow, Tier: max(l.tier, scan.Precise),
		Swallow: func(c byte) bool { return c > ' ' && c != '"' && c != '\'' && c != '<' && c != 0x7f },
	}, l.find}
}

func (l *label) find(w []byte, at int, final bool) ([]scan.Span, int) {
	if l.front && !front(w, at) || l.query && !(at > 0 && (w[at-1] == '?' || w[at-1] == '&' || w[at-1] == ';')) {
		return nil, at
	}
	i := at + l.key(w[at:])
	name := i
	for word[w[i-1]] && name < len(w) && name-i < maxName && (word[w[name]] || w[name] == '-') {
		name++
	}
	if name == len(w) && !final {
		return wait(name), more
	}
	c := context{left: left(w, at), right: string(w[i:name]), before: w[:at]}
	if name-i == maxName || denied(c.left, c.right) {
		return nil, name + 1
	}
	c.gap = parseGap(w, name, final)
	if c.more {
		return wait(c.end), more
	}
	if c.end == name && w[i-1] != '=' && w[i-1] != ':' && w[i-1] != ' ' {
		return nil, name + 1 // no gap: the name goes on
	}
	c.strong = c.strong || w[i-1] == '=' || w[i-1] == ':'
	if before := at - len(c.left) - 1; before >= 0 && c.quote != 0 && w[before] == c.quote && string(w[name:c.end]) == "="+string(c.quote) {
		return nil, c.end + 1 // "PWD="+dir: what is quoted is the name
	}
	if l.header {
		end, cut := scheme(w, c.end, final)
		if cut {
			return wait(c.end), more
		}
		c.end = end
	}
	c.line = lineStart(w, at-len(c.left)) && c.tight
	end, cut := parseValue(w, c.gap, c.line, c.line || l.query, final)
	full := len(w)-at >= l.long+maxName+maxGap+maxValue
	if cut && !full {
		return wait(c.end), more
	}
	v := w[c.end:end]
	if c.quote == 0 {
		v = trim(v)
	}
	if end < len(w) && (w[end] == '(' || w[end] == '[') && c.quote == 0 || len(v) == 0 || !l.accept(v, c) {
		return nil, end + 1
	}
	return []scan.Span{{Start: c.end, End: c.end + len(v), Open: cut && !final}}, end + 1
}

// wait holds the bytes from i on.
func wait(i int) []scan.Span { return []scan.Span{{Start: i, End: i}} }

// key returns the length of the longest keyword that b starts with.
func (l *label) key(b []byte) int {
	n := 0
	for _, k := range l.first[b[0]&31] {
		if len(k) > n && len(b) >= len(k) && equalFold(b[:len(k)], k) {
			n = len(k)
		}
	}
	return n
}

// left returns the part of the name before at, in lower case.
func left(w []byte, at int) string {
	i := at
	for i > 0 && at-i < maxName && (word[w[i-1]] || w[i-1] == '-') {
		i--
	}
	if i < at && i > 0 && escaped(w, i+1) && isAlnum(w[i]) && w[i-1] == '\\' { // \nNAME
		i++
	}
	return strings.ToLower(string(w[i:at]))
}

// lineStart reports whether at is the start of a line, but for export and the
// like, or follows a literal \n.
func lineStart(w []byte, at int) bool {
	if at <= 0 || w[at-1] == '\n' || w[at-1] == '\r' {
		return true
	}
	if c := w[at-1]; c != ' ' && c != '+' && c != '-' {
		return false
	}
	for _, s := range []string{"export ", "declare -x ", "ENV ", "setenv ", "\n+", "\n-"} {
		if n := at - len(s); n >= 0 && string(w[n:at]) == s {
			return true
		}
	}
	return false
}

// front reports whether a word of a name starts at at.
func front(w []byte, at int) bool {
	if boundary(w, at) {
		return true
	}
	return isUpper(w[at]) && isLower(w[at-1]) || isDigit(w[at-1])
}

// rights are the last words of names whose values are no secrets; lefts the words
// before a keyword.
var (
	rights = words("name id ids type url uri path file version ttl arn count length len size expiry expires expiration expiresat at hint policy reset label format prefix algorithm alg method status state field ref manager store provider class index endpoint scope scopes limit usage used ring host hash sha sha256 fingerprint created updated enabled required rotation strength attempts valid in age days number source kind mount volume engine protected bytes vault server account tokens dir template pattern regex")
	lefts  = words("page next continuation cursor public pub max min num total prompt completion input output has is no primary foreign partition sort idempotency cached reasoning")
)

func words(s string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		m[w] = true
	}
	return m
}

// denied reports whether the rest of a name says that its value is no secret.
func denied(before, after string) bool {
	if before == "" && after == "" {
		return false
	}
	if after != "" && isLetter(after[0]) && !isUpper(after[0]) && !goesOn(after) {
		return true // another word: secretary, passwordless
	}
	after = strings.TrimLeft(after, "_-")
	if snake, camel := lastWord(after); rights[snake] || rights[camel] {
		return true
	}
	before = strings.TrimRight(before, "_-")
	snake, _ := lastWord(before)
	return lefts[snake] || lefts[strings.TrimPrefix(snake, "next")] || strings.HasPrefix(before, "next_") || strings.HasPrefix(before, "public_")
}

// lastWord returns the last word of a name in lower case, between dashes or
// underscores and by its capitals.
func lastWord(s string) (snake, camel string) {
	s = s[strings.LastIndexAny(s, "_-")+1:]
	i := len(s) - 1
	for i > 0 && !(isUpper(s[i]) && isLower(s[i-1])) {
		i--
	}
	return strings.ToLower(s), strings.ToLower(s[max(i, 0):])
}

// goesOn reports whether letters after a keyword still belong to the name of a
// secret: awssecretaccesskey, secrets.
func goesOn(after string) bool {
	for _, s := range []string{"s", "key", "value", "accesskey", "keybase", "code", "token", "data", "string", "text"} {
		if rest, ok := strings.CutPrefix(after, s); ok && (rest == "" || !isLower(rest[0])) {
			return true
		}
	}
	return false
}

// scheme skips the authentication scheme of a header value.
func scheme(w []byte, i int, final bool) (end int, more bool) {
	for _, s := range []string{"bearer", "token", "basic", "apikey", "digest", "negotiate", "key", "splunk", "bot", "ghs", "oauth", "genieKey"} {
		n := len(s)
		if len(w)-i <= n {
			if !final && strings.EqualFold(string(w[i:]), s[:len(w)-i]) {
				return i, true
			}
			continue
		}
		if !strings.EqualFold(string(w[i:i+n]), s) {
			continue
		}
		switch {
		case w[i+n] == ' ' || w[i+n] == '+' || w[i+n] == '=' || w[i+n] == ':':
			return i + n + 1, false
		case len(w)-i < n+3:
			return i, !final
		case string(w[i+n:i+n+3]) == "%20":
			return i + n + 3, false
		}
	}
	return i, false
}
