package encode

import (
	"bytes"
	"strconv"
)

// An entity is how an encoder of XML or HTML writes the quotes, and what else it
// escapes, in hex.
type entity struct{ quote, apostrophe, slash, more string }

// The encoders differ: encoding/xml and html in Go, Python, PHP, JavaScript
// libraries, XML by the book; templates that escape slashes too.
var entityDialects = [...]entity{
	{quote: "&#34;", apostrophe: "&#39;"},
	{quote: "&quot;", apostrophe: "&#x27;"},
	{quote: "&quot;", apostrophe: "&#039;"},
	{quote: "&quot;", apostrophe: "&#39;"},
	{quote: "&quot;", apostrophe: "&apos;"},
	{quote: "&quot;", apostrophe: "'"},
	{quote: `"`, apostrophe: "'"},
	{quote: "&quot;", apostrophe: "&#39;", slash: "&#x2F;", more: "`="},
	{quote: "&#34;", apostrophe: "&#39;", more: "\t\n\r"},
}

// entityTwice is how many dialects are also applied twice: a page that shows the
// source of a page.
const entityTwice = 7

// entities adds the text in XML and HTML.
func (s *Source) entities() {
	for i := range entityDialects {
		d := &entityDialects[i]
		s.make("xml", false, func(dst []byte) []byte { return appendEntities(dst, s.text, d) })
		if i < entityTwice {
			s.make("xml-xml", false, func(dst []byte) []byte { return appendEntities(dst, appendEntities(nil, s.text, d), d) })
		}
	}
}

// appendEntities appends p in the dialect d.
func appendEntities(dst, p []byte, d *entity) []byte {
	for _, c := range p {
		switch {
		case c == '<':
			dst = append(dst, "&lt;"...)
		case c == '>':
			dst = append(dst, "&gt;"...)
		case c == '&':
			dst = append(dst, "&amp;"...)
		case c == '"':
			dst = append(dst, d.quote...)
		case c == '\'':
			dst = append(dst, d.apostrophe...)
		case c == '/' && d.slash != "":
			dst = append(dst, d.slash...)
		case bytes.IndexByte([]byte(d.more), c) >= 0:
			dst = append(dst, "&#x"...)
			dst = append(upper(strconv.AppendUint(dst, uint64(c), 16), len(dst)), ';')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
