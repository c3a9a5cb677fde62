package builtin

import (
	"bytes"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// maxUserinfo bounds user and password of a URL.
const maxUserinfo = 512

// databases are the schemes of URLs that name no path before the password ends: an
// unescaped slash in it is common.
var databases = words("postgres postgresql mysql mariadb mongodb redis rediss amqp amqps mssql sqlserver cockroachdb clickhouse cassandra jdbc ldap smtp smtps mqtt kafka nats")

// urlRules find the password in scheme://user:password@host, also with the
// punctuation percent-encoded or the slashes escaped. Source: RFC 3986, 3.2.1.
func urlRules() []rule {
	r := scan.Rule{
		ID: "url-password", Keywords: []string{"://", `:\/\/`, "%3A%2F%2F", "%3a%2f%2f"}, After: true,
		Behind: 20, Need: maxUserinfo + 16, Tier: scan.Precise,
	}
	return []rule{{r, findUserinfo}}
}

func findUserinfo(w []byte, at int, final bool) ([]scan.Span, int) {
	i, coded := at+3, false
	switch w[at] {
	case '%':
		i, coded = at+9, true
	case ':':
		if w[at+1] == '\\' {
			i = at + 5
		}
	}
	u := userinfo{w: w, from: i, coded: coded, database: isDatabase(w[:at]), final: final || len(w)-at >= maxUserinfo+16}
	colon, end, read := u.scan()
	switch {
	case read == more && colon < 0:
		return wait(i), more // a token may stand in place of the user
	case read == more:
		return wait(colon), more
	case end < 0:
		return nil, read
	case colon < 0:
		if user := w[i:end]; random(user, 16) {
			return []scan.Span{{Start: i, End: end}}, read
		}
		return nil, read
	}
	p := w[colon:end]
	if len(p) == 0 || stands(p) || len(p) < 3 || isPlaceholderWord(p) {
		return nil, read
	}
	return []scan.Span{{Start: colon, End: end}}, read
}

// userinfo is the part of a URL after the slashes, as it is read.
type userinfo struct {
	w        []byte
	from     int
	coded    bool // the punctuation is percent-encoded
	database bool
	final    bool
}

// scan returns where the password starts (-1 without a colon) and where the last
// @ of the userinfo stands (-1: this is none), and how much it read.
func (u *userinfo) scan() (colon, end, read int) {
	colon, end = -1, -1
	slash := false
	for i := u.from; i < len(u.w); i++ {
		c := u.w[i]
		if c == '%' && u.coded {
			if len(u.w)-i < 3 && !u.final {
				return colon, end, more
			}
			switch esc := strings.ToUpper(string(u.w[i:min(len(u.w), i+3)])); esc {
			case "%3A":
				if colon < 0 {
					colon = i + 3
				}
				i += 2
				continue
			case "%40":
				return colon, i, i + 3
			case "%2F", "%3F", "%20", "%22":
				return colon, -1, i + 3
			}
		}
		switch {
		case c <= ' ' || c == '"' || c == '\'' || c == '`' || c == '<' || c == '>' || c == '\\' || c == 0x7f:
			return u.settle(colon, end, i, slash)
		case c == '@':
			end = i
			if slash { // a path may have an @: the first one after a slash is taken
				return u.settle(colon, end, i, slash)
			}
		case c == ':' && colon < 0 && end < 0:
			colon = i + 1
		case c == '/' || c == '?' || c == '#':
			if end >= 0 && colon >= 0 && c != '#' || end >= 0 && colon < 0 {
				return u.settle(colon, end, i, slash)
			}
			if c == '/' && (colon < 0 || i == colon || digit.run(u.w, colon) == i || !u.database && bytes.IndexByte(u.w[u.from:colon], '.') >= 0) {
				return u.settle(colon, end, i, slash)
			}
			slash = slash || c == '/'
		case (c == ',' || c == ';' || c == ')' || c == ']') && end >= 0:
			return u.settle(colon, end, i, slash)
		}
	}
	if u.final {
		return u.settle(colon, end, len(u.w)-1, slash)
	}
	return colon, end, more
}

// settle drops a port that looks like a password. last is the last byte read.
func (u *userinfo) settle(colon, end, last int, slash bool) (int, int, int) {
	if colon > end {
		colon = -1
	}
	if slash && !u.database && colon >= 0 && end >= 0 && !random(u.w[colon:end], 16) {
		return colon, -1, last + 1
	}
	return colon, end, last + 1
}

// isDatabase reports whether b ends in the scheme of a database.
func isDatabase(b []byte) bool {
	i := len(b)
	for i > 0 && (isAlnum(b[i-1]) || b[i-1] == '+' || b[i-1] == '-') {
		i--
	}
	scheme, _, _ := bytes.Cut(b[i:], []byte("+")) // postgresql+psycopg2
	var low [16]byte
	if len(scheme) > len(low) {
		return false
	}
	return databases[string(lowered(low[:], scheme))]
}

// isPlaceholderWord: what manuals write in place of a password.
func isPlaceholderWord(p []byte) bool {
	switch strings.ToLower(string(p)) {
	case "password", "passwd", "pass", "pwd", "pw", "secret", "token", "xxx", "port", "yourpassword", "mypassword", "pass_word":
		return true
	}
	return false
}
