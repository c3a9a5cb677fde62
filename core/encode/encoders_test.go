package encode

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// encoders are functions of the standard library; each returns what has to be
// among the forms of a value.
var encoders = map[string]func(string) string{
	"encoding/json": func(s string) string { return unquote(marshal(s, true)) },
	"json without HTML": func(s string) string {
		return unquote(marshal(s, false))
	},
	"json of json":       func(s string) string { return unquote(marshal(unquote(marshal(s, true)), true)) },
	"strconv.Quote":      func(s string) string { return unquote(strconv.Quote(s)) },
	"strconv.QuoteASCII": func(s string) string { return unquote(strconv.QuoteToASCII(s)) },
	"url.QueryEscape":    url.QueryEscape,
	"url.PathEscape":     url.PathEscape,
	"query, twice":       func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"RFC 3986, twice": func(s string) string {
		return url.QueryEscape(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"))
	},
	"url.User":          func(s string) string { return strings.TrimPrefix(url.UserPassword("", s).String(), ":") },
	"html.EscapeString": html.EscapeString,
	"xml.EscapeText": func(s string) string {
		var b bytes.Buffer
		xml.EscapeText(&b, []byte(s))
		return b.String()
	},
	"regexp.QuoteMeta": regexp.QuoteMeta,
	"%x":               func(s string) string { return fmt.Sprintf("%x", s) },
	"%X":               func(s string) string { return fmt.Sprintf("%X", s) },
	"base64":           func(s string) string { return whole(base64.StdEncoding.EncodeToString([]byte(s)), s, 6) },
	"base64url":        func(s string) string { return whole(base64.URLEncoding.EncodeToString([]byte(s)), s, 6) },
	"base32":           func(s string) string { return whole(base32.StdEncoding.EncodeToString([]byte(s)), s, 5) },
	"hex":              func(s string) string { return hex.EncodeToString([]byte(s)) },
	"SQL":              func(s string) string { return strings.ReplaceAll(s, "'", "''") },
	"shell":            func(s string) string { return strings.ReplaceAll(s, "'", `'\''`) },
}

func marshal(s string, escapeHTML bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(escapeHTML)
	if err := e.Encode(s); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

func unquote(s string) string { return s[1 : len(s)-1] }

// whole leaves out the last character if it does not depend on s alone.
func whole(encoded, s string, bits int) string { return encoded[:8*len(s)/bits] }

// plain reports whether a value is one that the encoders above and ours agree
// on: text, as long as a form must be, without white space around it. Encoders
// replace what is not UTF-8, so that what they print is no longer the value.
func plain(s string) bool {
	return len(s) >= minForm && utf8.ValidString(s) && strings.TrimSpace(s) == s && len(bytes.TrimSpace([]byte(s))) == len(s) &&
		strings.IndexFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError }) < 0
}

func encodes(t *testing.T, value string) {
	t.Helper()
	src := New([]byte(value))
	known := map[string]bool{}
	for _, f := range append(src.Exact(), src.Encoded()...) {
		known[string(f.Bytes)] = true
	}
	for name, encode := range encoders {
		if out := encode(value); len(out) >= minForm && !known[out] {
			t.Errorf("%s of %q is %q: not among the forms", name, value, out)
		}
	}
}

func TestEncoders(t *testing.T) {
	for _, v := range []string{
		awkward, golden["token"], golden["url"], strings.TrimSpace(golden["pem"]), "tab\there and\nthere", "ünïcödé-päss", "日本語のパスワード",
		"emoji \U0001f511 key", "line\u2028sep\u2029here", "~`!@#$%^&*()_-+={[}]|:;<,>.?/", `C:\path\"x"`, "100%sure%20yes", "a+b c&d=e",
	} {
		if v = strings.ReplaceAll(v, "\r", ""); !plain(v) {
			t.Fatalf("%q is not plain", v)
		}
		encodes(t, v)
	}
}

func FuzzEncoders(f *testing.F) {
	f.Add(awkward)
	f.Add("日本語のパスワード")
	f.Fuzz(func(t *testing.T, value string) {
		if plain(value) && len(value) < 1024 {
			encodes(t, value)
		}
	})
}
