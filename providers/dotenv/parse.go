package dotenv

import (
	"errors"
	"fmt"
	"strings"
)

// A Dialect is one way to read a .env file.
type Dialect string

// The dialects. The last three agree with the programs that they are named for
// on the cases in testdata.
const (
	Literal Dialect = "literal" // what stands between the quotes, unchanged
	Node    Dialect = "node"    // dotenv for Node.js
	Compose Dialect = "compose" // Docker Compose
	Shell   Dialect = "shell"   // what a POSIX shell would assign; nothing is run
)

// Dialects lists them.
func Dialects() []Dialect { return []Dialect{Literal, Node, Compose, Shell} }

// A Pair is one assignment.
type Pair struct {
	Name, Value string
	Line        int    // 1-based
	text        string // the whole assignment
}

// Reasons for which a line is refused. They quote nothing of it.
var (
	errName   = errors.New("no name and = at its beginning")
	errQuote  = errors.New("a quote that does not end")
	errAfter  = errors.New("text after the closing quote")
	errSpaces = errors.New("spaces outside of quotes")
	errRun    = errors.New("would run a command, which is not done here")
)

// Parse reads text in dialect d. An error names the line.
func Parse(text string, d Dialect) ([]Pair, error) {
	p := parser{text: text, d: d, known: map[string]string{}}
	if d != Shell { // a shell takes a byte order mark for the beginning of a command
		p.text = strings.TrimPrefix(text, "\ufeff")
	}
	p.line = 1
	var out []Pair
	for p.skip() {
		line, from := p.line, p.at
		name, err := p.name()
		var value string
		if err == nil {
			value, err = p.value()
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		p.known[name] = value
		out = append(out, Pair{Name: name, Value: value, Line: line, text: p.text[from:p.at]})
	}
	return out, nil
}

type parser struct {
	text  string
	at    int
	line  int
	d     Dialect
	known map[string]string
}

func (p *parser) rest() string { return p.text[p.at:] }

func (p *parser) take(n int) string {
	s := p.text[p.at : p.at+n]
	p.at += n
	p.line += strings.Count(s, "\n")
	return s
}

func (p *parser) spaces(set string) int {
	n := len(p.rest()) - len(strings.TrimLeft(p.rest(), set))
	p.take(n)
	return n
}

// toEnd returns how many bytes are left of this line.
func (p *parser) toEnd() int {
	if i := strings.IndexByte(p.rest(), '\n'); i >= 0 {
		return i
	}
	return len(p.rest())
}

// skip goes to the next assignment, over blank lines and comments.
func (p *parser) skip() bool {
	for {
		p.spaces(" \t\r\n")
		if !strings.HasPrefix(p.rest(), "#") {
			return p.rest() != ""
		}
		p.take(p.toEnd())
	}
}

// name reads "export NAME =", or NAME: where the dialect takes that.
func (p *parser) name() (string, error) {
	if after, ok := strings.CutPrefix(p.rest(), "export"); ok && strings.TrimLeft(after, " \t") != after {
		p.take(len("export"))
		p.spaces(" \t")
	}
	n := strings.IndexFunc(p.rest(), func(r rune) bool {
		return !(r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || p.d != Shell && (r == '.' || r == '-'))
	})
	if n <= 0 {
		return "", errName
	}
	name := p.take(n)
	if p.d == Shell {
		if name[0] <= '9' || !strings.HasPrefix(p.rest(), "=") {
			return "", errName
		}
		p.take(1)
		return name, nil
	}
	p.spaces(" \t")
	if r := p.rest(); r == "" || r[0] != '=' && (r[0] != ':' || len(r) > 1 && !strings.ContainsRune(" \t\r\n", rune(r[1]))) {
		return "", errName
	}
	p.take(1)
	p.spaces(" \t")
	return name, nil
}

func (p *parser) value() (string, error) {
	if p.d == Shell {
		return p.word()
	}
	r := p.rest()
	if r != "" && (r[0] == '\'' || r[0] == '"' || r[0] == '`' && p.d != Compose) {
		value, ok, err := p.quoted(r[0])
		if err != nil || ok {
			return value, err
		}
	}
	return p.bare(), nil
}

// quoted reads to the quote's end. ok is false where Node.js falls back to the
// bare form.
func (p *parser) quoted(q byte) (value string, ok bool, err error) {
	end := closing(p.rest(), q)
	if end < 0 || p.d == Node && !p.onlyComment(end+1) {
		if p.d == Node {
			return "", false, nil
		}
		return "", false, errQuote
	}
	if !p.onlyComment(end + 1) {
		return "", false, errAfter
	}
	value = p.take(end + 1)[1:end]
	p.take(p.toEnd())
	switch {
	case p.d == Node && q == '"':
		value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
	case p.d == Compose && q == '"':
		value = p.expand(value, true)
	}
	return value, true, nil
}

// onlyComment reports whether nothing but a comment follows on the line after n
// more bytes.
func (p *parser) onlyComment(n int) bool {
	line, _, _ := strings.Cut(p.rest()[n:], "\n")
	line = strings.Trim(line, " \t\r")
	return line == "" || line[0] == '#'
}

// closing returns where the quote that s begins with ends. A backslash keeps a
// double quote from ending.
func closing(s string, q byte) int {
	for i := 1; i < len(s); i++ {
		if s[i] == '\\' && q == '"' {
			i++
		} else if s[i] == q {
			return i
		}
	}
	return -1
}

// bare reads the rest of the line, without a comment.
func (p *parser) bare() string {
	line := strings.TrimRight(p.take(p.toEnd()), "\r")
	if p.d == Node {
		line, _, _ = strings.Cut(line, "#")
	}
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			line = line[:i]
			break
		}
	}
	line = strings.Trim(line, " \t")
	if p.d == Compose {
		line = p.expand(line, false)
	}
	return line
}
