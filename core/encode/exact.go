package encode

import (
	"bytes"
	"iter"
)

// Exact returns the forms of the exact lane. See the function of that name.
func (s *Source) Exact() []Form {
	s.begin(8, 0)
	s.piece("exact", s.value)
	s.piece("exact", s.text)
	if bytes.ContainsAny(s.text, "\r\n") {
		s.lines("line", s.text)
		s.lineEnds()
	}
	for _, p := range s.parts() {
		s.add(Form{Kind: "part", Bytes: p})
		s.lines("part", p)
	}
	return s.end()
}

// piece adds a piece of the value, as it is.
func (s *Source) piece(kind string, p []byte) {
	from := s.offset(p)
	s.add(Form{Kind: kind, Bytes: p, Word: len(p) < minForm, Dense: true, from: from, to: from + len(p)})
}

// lines adds each line of p that says something, without its indentation, if p
// has several. (A structural line says nothing: see publicLines.)
func (s *Source) lines(kind string, p []byte) {
	if !bytes.ContainsAny(p, "\r\n") {
		return
	}
	of := New(p)
	for start, end := range eachLine(p) {
		if end-start >= minForm && of.bits(start, end) > 0 {
			s.add(Form{Kind: kind, Bytes: p[start:end]})
		}
	}
}

// lineEnds adds the value with its lines joined as others join them.
func (s *Source) lineEnds() {
	lf := bytes.ReplaceAll(s.text, []byte("\r\n"), []byte("\n"))
	for _, end := range []string{"\n", "\r\n", "\r", " ", ""} {
		s.add(Form{Kind: "line-ends", Bytes: bytes.ReplaceAll(lf, []byte("\n"), []byte(end))})
	}
}

// eachLine yields where the lines of p start and end, without the white space
// around them.
func eachLine(p []byte) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		for at := 0; at < len(p); {
			n := end(p[at:], "\r\n")
			line := bytes.TrimSpace(p[at : at+n])
			start := at + n - len(bytes.TrimLeft(p[at:at+n], " \t\v\f"))
			if len(line) > 0 && !yield(start, start+len(line)) {
				return
			}
			at += n + 1
		}
	}
}
