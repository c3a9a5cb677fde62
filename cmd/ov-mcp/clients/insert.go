package clients

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tailscale/hujson"
)

// An object is a JSON object in the order in which people write it.
type object []member

type member struct {
	name  string
	value any // object, []string or string
}

// MarshalJSON keeps the order.
func (o object) MarshalJSON() ([]byte, error) {
	return []byte(pretty(o, "", "", "")), nil
}

// insert adds a member at the end of the object obj of doc, in the manner of what
// is there: its newlines, its indentation, its last comma. All other bytes stay.
func insert(doc []byte, obj *hujson.Value, m member) []byte {
	members := obj.Value.(*hujson.Object).Members
	end := obj.EndOffset - 1
	nl, unit := "\n", unitOf(doc)
	if bytes.Contains(doc, []byte("\r\n")) {
		nl = "\r\n"
	}
	inside := doc[obj.StartOffset+1 : end]
	base := indentAt(doc, obj.StartOffset)
	if len(members) == 0 {
		text := nl + base + unit + pretty(object{m}[0], base+unit, unit, nl) + nl + base
		if len(bytes.TrimSpace(inside)) == 0 {
			return splice(doc, obj.StartOffset+1, end, text)
		}
		return splice(doc, end, end, text) // a comment stays where it is
	}
	last := &members[len(members)-1]
	comma := last.Value.AfterExtra != nil // as people leave it for the next line
	if !bytes.ContainsRune(inside, '\n') {
		if at := last.Value.EndOffset; !comma {
			return splice(doc, at, at, ", "+pretty(m, "", "", ""))
		}
		return splice(doc, end, end, " "+pretty(m, "", "", "")+",")
	}
	indent := base + unit
	if at := last.Name.StartOffset; len(bytes.TrimSpace(lineBefore(doc, at))) == 0 {
		indent = string(lineBefore(doc, at))
	}
	text := indent + pretty(m, indent, unit, nl)
	if comma {
		text += ","
	}
	if before := lineBefore(doc, end); len(bytes.TrimSpace(before)) == 0 {
		doc = splice(doc, end-len(before), end-len(before), text+nl)
	} else {
		doc = splice(doc, end, end, nl+text+nl+base)
	}
	if !comma {
		doc = splice(doc, last.Value.EndOffset, last.Value.EndOffset, ",")
	}
	return doc
}

// splice puts text in place of doc[from:to].
func splice(doc []byte, from, to int, text string) []byte {
	return bytes.Join([][]byte{doc[:from], []byte(text), doc[to:]}, nil)
}

// lineBefore is what stands before at on its line.
func lineBefore(doc []byte, at int) []byte {
	return doc[bytes.LastIndexByte(doc[:at], '\n')+1 : at]
}

// indentAt is the white space that the line of at begins with.
func indentAt(doc []byte, at int) string {
	line := lineBefore(doc, at)
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// unitOf is one step of the document's indentation.
func unitOf(doc []byte) string {
	for line := range bytes.Lines(doc) {
		rest := bytes.TrimLeft(line, " \t")
		if n := len(line) - len(rest); n > 0 && len(bytes.TrimSpace(rest)) > 0 {
			return string(line[:n])
		}
	}
	return "  "
}

// pretty writes v: objects over several lines when there is a unit to indent by,
// everything else on one.
func pretty(v any, indent, unit, nl string) string {
	switch v := v.(type) {
	case member:
		return quoted(v.name) + ": " + pretty(v.value, indent, unit, nl)
	case object:
		if len(v) == 0 {
			return "{}"
		}
		parts := make([]string, len(v))
		for i, m := range v {
			parts[i] = pretty(m, indent+unit, unit, nl)
		}
		if unit == "" {
			return "{" + strings.Join(parts, ", ") + "}"
		}
		return "{" + nl + indent + unit + strings.Join(parts, ","+nl+indent+unit) + nl + indent + "}"
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = quoted(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return quoted(v)
	}
	panic("clients: a value of another kind") // there is none
}

// quoted is a JSON string without the escapes for HTML.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // not of a string
	}
	return strings.TrimSuffix(b.String(), "\n")
}
