package builtin

import (
	"bytes"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// maxManifest bounds the data of a Kubernetes Secret that is held.
const maxManifest = 4096

// kubeRules find the values under data: of a Secret, in YAML as kubectl prints it
// (kind after data, indented in a list) or as it is written (kind before, or
// last), and in JSON. Source: kubernetes.io/docs/concepts/configuration/secret.
func kubeRules() []rule {
	return []rule{{scan.Rule{
		ID: "kubernetes-secret", Keywords: []string{"\ndata:", "\nstringData:", "\n  data:", "\n  stringData:", "\n    data:", `"data": {`, `"data":{`, `"stringData": {`}, After: true,
		Behind: scan.MaxBehind, Need: maxManifest, Tier: scan.Precise,
	}, findManifest}}
}

func findManifest(w []byte, at int, final bool) ([]scan.Span, int) {
	full := final || len(w)-at >= maxManifest
	if w[at] == '"' {
		return findJSONData(w, at, full)
	}
	m := manifest{w: w, base: indent(w[at+1:]), block: -1, at: at + bytes.IndexByte(w[at:], ':') + 1}
	// 1. The data: the lines after its name, while they are deeper than that.
	m.next(m.line())
	other := false // it is no Secret
	for {
		line := m.line()
		deeper := m.deeper(line)
		if m.cut && !full && deeper {
			return wait(hold(m.spans, m.at)), more
		}
		if !deeper || m.at == len(w) {
			break
		}
		if !m.take(line) && !m.cut {
			other = true
			break
		}
		m.next(line)
	}
	// 2. The kind: before it, or after it among the other fields of the object.
	if kindOf(w[:at]) {
		return m.spans, m.at + len("kind:")
	}
	for len(m.spans) > 0 && !other {
		line := m.line()
		kind, rest := m.field(line)
		switch {
		case m.cut && !full && rest:
			return wait(hold(m.spans, len(w))), more
		case kind:
			return m.spans, m.at + len(line)
		case m.cut || !rest:
			return nil, m.at + len(line)
		}
		m.next(line)
	}
	return nil, m.at + 1
}

// manifest reads the lines of an object in YAML.
type manifest struct {
	w     []byte
	at    int  // where the next line starts
	cut   bool // the window ends before the last line does
	base  int  // indentation of the object's fields
	block int  // indentation of the key whose value is on lines of its own; -1 if none
	spans []scan.Span
}

// line returns the line at m.at. The rest of the line of data: comes first.
func (m *manifest) line() []byte {
	if m.at >= len(m.w) {
		m.cut = true
		return nil
	}
	n := bytes.IndexByte(m.w[m.at:], '\n')
	if m.cut = n < 0; m.cut {
		return m.w[m.at:]
	}
	return m.w[m.at : m.at+n]
}

// next goes on to the next line.
func (m *manifest) next(line []byte) { m.at = min(len(m.w), m.at+len(line)+1) }

// deeper reports whether the line belongs to the data, or is blank, or may yet
// turn out to.
func (m *manifest) deeper(line []byte) bool {
	n := indent(line)
	return n > m.base || n == len(line) || line[n] == '\r'
}

// take finds the value on a line of the data. False says that no Secret has such a
// line.
func (m *manifest) take(line []byte) bool {
	n := indent(line)
	switch s, ok := entry(line, m.at); {
	case m.block >= 0 && n > m.block && n < len(line):
		if end := len(bytes.TrimRight(line, " \r")); end-n >= 4 {
			m.spans = append(m.spans, scan.Span{Start: m.at + n, End: m.at + end})
		}
	case ok && (m.w[s.Start] == '|' || m.w[s.Start] == '>'):
		m.block = n
	case ok:
		if m.block = -1; s.End-s.Start >= 4 && !stands(m.w[s.Start:s.End]) {
			m.spans = append(m.spans, s)
		}
	case n < len(line) && line[n] != '\r' && line[n] != '#' && !ok && !m.entryLike(line[n:]):
		return false
	case n < len(line):
		m.block = -1
	}
	return true
}

// entryLike reports whether a line, without its indentation, is a key and a colon.
func (m *manifest) entryLike(text []byte) bool {
	i := dotted.run(text, 0)
	return i > 0 && i < len(text) && text[i] == ':' || text[0] == '"' || text[0] == '\''
}

// field tells whether a line after the data is the kind of a Secret, and whether
// it may be any other field of an object.
func (m *manifest) field(line []byte) (kind, may bool) {
	n := indent(line)
	text := line[n:]
	switch {
	case n > m.base || len(text) == 0:
		return false, true
	case n < m.base:
		return false, false
	case bytes.HasPrefix(text, []byte("kind:")):
		return kindOf(line), m.cut && len(text) < len(`kind: "Secret"`)
	}
	for _, f := range []string{"kind:", "metadata:", "type:", "immutable:", "apiVersion:", "data:", "stringData:"} {
		if bytes.HasPrefix(text, []byte(f)) || m.cut && bytes.HasPrefix([]byte(f), text) {
			return false, true
		}
	}
	return false, false
}

func indent(line []byte) int {
	n := 0
	for n < len(line) && (line[n] == ' ' || line[n] == '\t') {
		n++
	}
	return n
}

// kindOf reports whether b says that the object is a Secret.
func kindOf(b []byte) bool {
	for {
		i := bytes.Index(b, []byte("kind:"))
		if i < 0 {
			return false
		}
		b = b[i+len("kind:"):]
		if rest, ok := bytes.CutPrefix(bytes.TrimLeft(b, ` "'`), []byte("Secret")); ok && (len(rest) == 0 || !isAlnum(rest[0])) {
			return true
		}
	}
}

// hold returns where the first value starts.
func hold(spans []scan.Span, otherwise int) int {
	if len(spans) > 0 {
		return spans[0].Start
	}
	return otherwise
}

// entry finds the value of "  key: dmFsdWU=".
func entry(line []byte, at int) (scan.Span, bool) {
	n := indent(line)
	i := dotted.run(line, n)
	if i < len(line) && (line[n] == '"' || line[n] == '\'') {
		i = min(len(line), dotted.run(line, n+1)+1)
	}
	if n == 0 || i == n || i == len(line) || line[i] != ':' {
		return scan.Span{}, false
	}
	from := i + 1
	for from < len(line) && (line[from] == ' ' || line[from] == '"' || line[from] == '\'') {
		from++
	}
	end := len(bytes.TrimRight(line, " \r\"'"))
	return scan.Span{Start: at + from, End: at + end}, end > from
}

// findJSONData finds the values of "data": {...} next to "kind": "Secret".
func findJSONData(w []byte, at int, full bool) ([]scan.Span, int) {
	i := at + bytes.IndexByte(w[at:], '{') + 1
	end := bytes.IndexByte(w[i:], '}')
	if end < 0 {
		if !full {
			return wait(i), more
		}
		end = len(w) - i
	}
	tail := w[i+end:]
	secret := func(b []byte) bool {
		return strings.Contains(strings.ReplaceAll(string(b), " ", ""), `"kind":"Secret"`)
	}
	if !secret(w[:at]) && !secret(tail[:min(len(tail), 64)]) {
		return wait(i), unless(!full && len(tail) < 64, i+end+64)
	}
	var spans []scan.Span
	quotes := 0
	start := 0
	for j := i; j < i+end; j++ {
		if w[j] != '"' {
			continue
		}
		quotes++
		switch quotes % 4 {
		case 3:
			start = j + 1
		case 0:
			if j-start >= 4 {
				spans = append(spans, scan.Span{Start: start, End: j})
			}
		}
	}
	return spans, i + end + 64
}
