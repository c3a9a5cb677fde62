package leaktest

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/redact"
)

// mark marks what has to be masked.
func mark(s string) string { return "\x01" + s + "\x02" }

// lane gives all shapes their lane, beside those that they need as well.
func lane(l redact.Lanes, shapes []Shape) []Shape {
	for i := range shapes {
		shapes[i].Lane |= l
	}
	return shapes
}

// with names a lane that a shape needs as well.
func (s Shape) with(l redact.Lanes) Shape {
	s.Lane |= l
	return s
}

// Shapes returns the table.
func Shapes() []Shape {
	all := lane(redact.Exact, exact())
	all = append(all, lane(redact.Encoded, bases())...)
	all = append(all, lane(redact.Encoded, escapes())...)
	all = append(all, lane(redact.Encoded, alphabets())...)
	for _, shapes := range [][]Shape{squeezed(), separated(), notations(), dumps(), nested(), orders(), numbers(), inRows()} {
		all = append(all, lane(redact.Squeezed, shapes)...)
	}
	return append(all, lane(redact.Fragments, fragments())...)
}

// token returns a shape that prints the token, encoded, between two texts.
func token(name, before string, encode func(string) string, after string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string { return before + mark(encode(c.Token)) + after }}
}

// password returns a shape that prints the password.
func password(name, before string, encode func(string) string, after string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string { return before + mark(encode(c.Password)) + after }}
}

// key returns a shape that prints the key.
func key(name, before string, encode func(string) string, after string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string { return before + mark(encode(c.Key)) + after }}
}

func same(s string) string { return s }

// group prints the token between two texts in an encoding that takes bytes in
// groups: bits of each character, of which those that share one with a
// neighbour need not be masked.
func group(name, before string, encode func([]byte) string, bits int, head, tail, after string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string {
		s := encode([]byte(head + c.Token + tail))
		from := (8*len(head) + bits - 1) / bits
		to := 8 * (len(head) + len(c.Token)) / bits
		shared := min(to+2, len(s)) // the next character belongs to the tail as well; the one after that may be a line's end
		if tail == "" {
			to, shared = len(strings.TrimRight(s, "=")), len(s)
		}
		return before + s[:from] + mark(s[from:to]) + "\x03" + s[to:shared] + "\x04" + s[shared:] + after
	}}
}

func exact() []Shape {
	return []Shape{
		token("echo", "", same, "\n"),
		token("no newline", "", same, ""),
		token("printenv", "HOME=/root\nAPI_TOKEN=", same, "\nLANG=C\n"),
		token("/proc/self/environ", "HOME=/root\x00API_TOKEN=", same, "\x00LANG=C\x00"),
		token("export -p", `declare -x API_TOKEN="`, same, "\"\n"),
		token("set -x", "+ curl -H 'Authorization: Bearer ", same, "' https://api.example.com\n"),
		token("curl -v", "> GET / HTTP/1.1\r\n> Authorization: Bearer ", same, "\r\n> Accept: */*\r\n"),
		token("ps", "  412 ?  S  0:00 mysql --password=", same, " -h db\n"),
		token("user of a URL", "fatal: could not read from 'https://x:", same, "@git.example.com/a.git'\n"),
		token("query of a URL", "GET /v1/items?access_token=", same, "&page=2 200\n"),
		token("stack trace", "panic: bad key \"", same, "\"\n\ngoroutine 1 [running]:\n"),
		token("cookie", "Set-Cookie: sid=", same, "; Path=/; HttpOnly\n"),
		token("glued to letters", "abc", same, "xyz\n"),
		token("between colours", "\x1b[31m", same, "\x1b[0m\n"),
		token("invalid UTF-8 around", "\xff\xfe\x80", same, "\x80\xc3\n"),
		{Name: "twice in a row", Print: func(c Canaries) string { return mark(c.Token+c.Token) + "\n" }},
		{Name: "after a part of itself", Print: func(c Canaries) string { return c.Token[:7] + mark(c.Token) + "\n" }},
		password("password in a log", "connect with ", same, ": refused\n"),
		key("cat of a key", "", same, ""),
		key("key with CRLF", "", func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\r\n") }, "\r\n"),
		key("key on one line", "key: ", func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ") }, "\n"),
		{Name: "one line of a key", Print: func(c Canaries) string { return "line 2: " + mark(strings.Split(c.Key, "\n")[1]) + "\x03\n\x04" }},
		{Name: "URL", Print: func(c Canaries) string { return "dial " + mark(c.URL) + ": refused\n" }},
		{Name: "password of a URL", Print: func(c Canaries) string {
			pass := strings.ReplaceAll(c.password(), "@", "%40")
			return "password is " + mark(pass) + "\n"
		}},
		{Name: "password of a URL, decoded", Print: func(c Canaries) string {
			return "authentication failed for app with " + mark(c.password()) + "\n"
		}},
		{Name: "document", Print: func(c Canaries) string { return mark(c.Document) + "\n" }},
		{Name: "key out of a document", Print: func(c Canaries) string {
			_, rest, _ := strings.Cut(c.Document, `"private_key":"`)
			body, _, _ := strings.Cut(rest, `"`)
			return mark(strings.ReplaceAll(body, `\n`, "\n")) + "\n"
		}},
		{Name: "indented key", Print: func(c Canaries) string {
			var b strings.Builder
			for i, line := range strings.Split(strings.TrimSpace(c.Key), "\n") {
				if i > 0 && !strings.HasPrefix(line, "-----") {
					line = mark(line)
				}
				b.WriteString("    " + line + "\n")
			}
			return "\x03key: |\n" + b.String() + "\x04"
		}},
	}
}

func fragments() []Shape {
	piece := func(name, before string, encode func(string) string, from, to int, after string) Shape {
		return Shape{Name: name, Print: func(c Canaries) string { return before + mark(encode(c.Token)[from:to]) + after }}
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	hexed := func(s string) string { return fmt.Sprintf("%x", s) }
	return []Shape{
		piece("cut -c1-20", "", same, 0, 20, "\n"),
		piece("head -c 12", "", same, 0, 12, ""),
		piece("tail -c 16", "...", same, 16, 32, "\n"),
		piece("from the middle", "token: ****", same, 9, 23, "****\n"),
		piece("truncated", "token=", same, 0, 24, "... (truncated)\n"),
		piece("head of the base64", "", b64, 0, 16, "\n").with(redact.Encoded),
		piece("middle of the base64", "=> ", b64, 13, 29, "\n").with(redact.Encoded),
		piece("tail of the hex", "..", hexed, 44, 64, "\n").with(redact.Encoded),
		piece("head of the capital hex", "", func(s string) string { return strings.ToUpper(hexed(s)) }, 0, 20, "\n").with(redact.Encoded),
		piece("reversed, cut", "", reverse, 3, 19, "\n").with(redact.Encoded),
		{Name: "halves on two lines", Print: func(c Canaries) string {
			return "first: " + mark(c.Token[:16]) + "\nsecond: " + mark(c.Token[16:]) + "\n"
		}},
		{Name: "with text between", Print: func(c Canaries) string {
			return mark(c.Token[:15]) + " (continued below) " + mark(c.Token[15:]) + "\n"
		}},
		{Name: "field of a document", Print: func(c Canaries) string {
			line := strings.Split(c.Key, "\n")[2]
			return "modulus: " + mark(line[10:50]) + "\n"
		}},
		{Name: "one byte wrong", Print: func(c Canaries) string {
			return mark(c.Token[:15]) + "#" + mark(c.Token[16:]) + "\n"
		}},
	}
}
