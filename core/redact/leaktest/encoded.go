package leaktest

import (
	"bytes"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"mime/quotedprintable"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
)

func bases() []Shape {
	std, raw, web := base64.StdEncoding.EncodeToString, base64.RawStdEncoding.EncodeToString, base64.URLEncoding.EncodeToString
	b32 := base32.StdEncoding.EncodeToString
	return []Shape{
		group("base64", "", std, 6, "", "", "\n"),
		token("echo into base64", "", func(s string) string { return std([]byte(s + "\n")) }, "\n"),
		{Name: "echo of a user and the token into base64", Print: func(c Canaries) string {
			s := std([]byte("user:" + c.Token + "\n"))
			return s[:7] + mark(s[7:]) + "\n"
		}},
		group("base64 without padding", "", raw, 6, "", "", "\n"),
		group("base64 for URLs", "", web, 6, "", "", "\n"),
		group("basic authorization", "Authorization: Basic ", std, 6, "user:", "", "\r\n"),
		group("basic authorization, other length", "Authorization: Basic ", std, 6, "app:", "", "\r\n"),
		group("base64 with text after", "", std, 6, "", "\nLANG=C\n", "\n"),
		group("base64 of the environment", "", std, 6, "A=1\x00TOKEN=", "\x00B=2", "\n"),
		group("base64 of JSON", `{"auth":"`, std, 6, `{"token":"`, `"}`, "\"}\n"),
		group("claims of a JWT", "eyJhbGciOiJub25lIn0.", base64.RawURLEncoding.EncodeToString, 6, `{"sub":"`, `"}`, ".\n"),
		group("data: URL", "data:text/plain;base64,", std, 6, "k ", ".", "\n"),
		group("base32", "", b32, 5, "", "", "\n"),
		group("base32 with text before", "otp: ", b32, 5, "abc", "z", "\n"),
		group("hex", "", hex.EncodeToString, 4, "", "", "\n"),
		group("hex with text around", "0x", hex.EncodeToString, 4, "key=", "\n", "\n"),
		token("capital hex", "", func(s string) string { return fmt.Sprintf("%X", s) }, "\n"),
		token("ascii85", "<~", func(s string) string {
			b := make([]byte, ascii85.MaxEncodedLen(len(s)))
			return string(b[:ascii85.Encode(b, []byte(s))])
		}, "~>\n"),
		{Name: "basic authorization of a URL", Print: func(c Canaries) string {
			pass := c.password()
			s := std([]byte("app:" + pass))
			from, to := (8*4+5)/6, 8*(4+len(pass))/6
			return "Authorization: Basic \x03" + s[:from] + mark(s[from:to]) + "\x04" + s[to:] + "\r\n" // the URL holds the user as well
		}},
		{Name: "base64 in a URL", Print: func(c Canaries) string {
			s := std([]byte(c.Password))
			n := len(c.Password) * 8 / 6
			return "GET /?state=" + mark(url.QueryEscape(s[:n])) + "\x03" + url.QueryEscape(s[n:]) + "\x04\n"
		}},
	}
}

func escapes() []Shape {
	return []Shape{
		password("encoding/json", `{"level":"error","dsn":"`, func(s string) string { return inner(encodeJSON(s)) }, "\"}\n"),
		password("JSON.stringify", `{"dsn":"`, stringify, "\"}\n"),
		password("JSON in JSON", `{"log":"{\"dsn\":\"`, func(s string) string { return stringify(stringify(s)) }, "\\\"}\"}\n"),
		password("encoding/json twice", `{"log":"`, func(s string) string { return inner(encodeJSON(inner(encodeJSON(s)))) }, "\"}\n"),
		password("json_encode of PHP", `"`, func(s string) string {
			return strings.ReplaceAll(strings.ReplaceAll(stringify(s), "/", `\/`), "é", `\u00e9`)
		}, "\"\n"),
		password("json.dumps of Python", `"`, func(s string) string { return strings.ReplaceAll(stringify(s), "é", `\u00e9`) }, "\"\n"),
		token("JSON, all escaped", `"`, listing(`\u%04x`, ""), "\"\n"),
		token("JSON, all escaped in capitals", `"`, listing(`\u%04X`, ""), "\"\n"),
		key("key in JSON", `{"private_key":"`, func(s string) string { return stringify(strings.TrimSpace(s)) }, `\n"}`+"\n"),
		password("%q of Go", "dsn=", func(s string) string { return inner(fmt.Sprintf("%q", s)) }, "\n").quoted(),
		password("%+q of Go", "dsn=", func(s string) string { return inner(fmt.Sprintf("%+q", s)) }, "\n").quoted(),
		password("logfmt", "msg=start dsn=", func(s string) string { return inner(fmt.Sprintf("%q", s)) }, " ok=true\n").quoted(),
		password("repr of Python", "{'dsn': '", func(s string) string {
			return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `'`, `\'`)
		}, "'}\n"),
		password("repr of bytes", "b'", func(s string) string {
			return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `'`, `\'`), "é", `\xc3\xa9`)
		}, "'\n"),
		password("url.QueryEscape", "GET /?p=", url.QueryEscape, "&x=1\n"),
		password("url.PathEscape", "GET /p/", url.PathEscape, "/x\n"),
		password("url.UserPassword", "postgres://app:", func(s string) string {
			return strings.TrimPrefix(url.UserPassword("", s).String(), ":")
		}, "@db/x\n"),
		password("encodeURIComponent", "?p=", func(s string) string {
			return strings.NewReplacer("+", "%20", "%27", "'").Replace(url.QueryEscape(s))
		}, "\n"),
		password("percent-encoded twice", "?next=", func(s string) string { return url.QueryEscape(strings.ReplaceAll(url.QueryEscape(s), "+", "%20")) }, "\n"),
		password("percent-encoded three times", "?next=", func(s string) string {
			return url.QueryEscape(url.QueryEscape(strings.ReplaceAll(url.QueryEscape(s), "+", "%20")))
		}, "\n"),
		password("html.EscapeString twice", "<pre>&lt;p&gt;", func(s string) string { return html.EscapeString(html.EscapeString(s)) }, "&lt;/p&gt;</pre>\n"),
		password("html.EscapeString", "<p>", html.EscapeString, "</p>\n"),
		password("xml.EscapeText", "<p>", func(s string) string {
			var b bytes.Buffer
			xml.EscapeText(&b, []byte(s))
			return b.String()
		}, "</p>\n"),
		password("html.escape of Python", "<p>", func(s string) string {
			return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;").Replace(s)
		}, "</p>\n"),
		password("shell quotes", "P='", func(s string) string { return strings.ReplaceAll(s, `'`, `'\''`) }, "'\n"),
		password("shlex.quote", "P='", func(s string) string { return strings.ReplaceAll(s, `'`, `'"'"'`) }, "'\n"),
		password("printf %q", "P=", func(s string) string {
			return regexp.MustCompile(`["'<>&\\ $;]`).ReplaceAllString(s, `\$0`)
		}, "\n"),
		password("SQL", "INSERT INTO t VALUES ('", func(s string) string { return strings.ReplaceAll(s, `'`, `''`) }, "');\n"),
		password("CSV", `1,"`, func(s string) string { return strings.ReplaceAll(s, `"`, `""`) }, "\",x\n"),
		password("regexp.QuoteMeta", "/", regexp.QuoteMeta, "/\n"),
		password("quoted-printable", "P ", func(s string) string {
			var b bytes.Buffer
			w := quotedprintable.NewWriter(&b)
			w.Binary = true
			w.Write([]byte(s))
			w.Close()
			return b.String()
		}, "\n"),
	}
}

// quoted puts quotes around what a shape marks.
func (s Shape) quoted() Shape {
	print := s.Print
	s.Print = func(c Canaries) string {
		return strings.NewReplacer("\x01", "\"\x01", "\x02", "\x02\"").Replace(print(c))
	}
	return s
}

func alphabets() []Shape {
	return []Shape{
		token("reversed", "", reverse, "\n"),
		token("rot47", "", rot47, "\n"),
		token("UTF-16 LE", "\xff\xfe", func(s string) string { return strings.TrimSuffix(wide(s, binary.LittleEndian), "\x00") }, "\x00\n\x00"),
		token("UTF-16 BE", "\xfe\xff\x00", func(s string) string { return strings.TrimPrefix(wide(s, binary.BigEndian), "\x00") }, "\x00\n"),
	}
}

func wide(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// encodeJSON is encoding/json as it comes.
func encodeJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// stringify is what most encoders of JSON write, without the quotes.
func stringify(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return err.Error()
	}
	return inner(strings.TrimSpace(b.String()))
}
