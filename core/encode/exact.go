package encode

import "bytes"

// Exact returns the forms of the exact lane. See the function of that name.
func (s *Source) Exact() []Form {
	s.begin(8, 0)
	s.part("exact", s.value)
	s.part("exact", s.text)
	if bytes.ContainsAny(s.text, "\r\n") {
		s.lines()
		s.lineEnds()
	}
	return s.end()
}

// part adds a piece of the value, as it is.
func (s *Source) part(kind string, p []byte) {
	from := s.offset(p)
	s.add(Form{Kind: kind, Bytes: p, Word: len(p) < minForm, Dense: true, from: from, to: from + len(p)})
}

// lines adds each line of a value of several, without its indentation.
func (s *Source) lines() {
	for line := range bytes.FieldsFuncSeq(s.text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = bytes.TrimSpace(line)
		if len(line) >= minForm && !structural(line) {
			s.part("line", line)
		}
	}
}

// structural reports whether a line is the same in every value of its type:
// a brace, the armour of a PEM block.
func structural(line []byte) bool {
	if bytes.HasPrefix(line, []byte("-----BEGIN ")) || bytes.HasPrefix(line, []byte("-----END ")) {
		return true
	}
	n := 0
	for _, c := range line {
		if alphanumeric(c) || c >= 0x80 {
			n++
		}
	}
	return n < minForm/2
}

// lineEnds adds the value with its lines joined as others join them.
func (s *Source) lineEnds() {
	lf := bytes.ReplaceAll(s.text, []byte("\r\n"), []byte("\n"))
	for _, end := range []string{"\n", "\r\n", "\r", " ", ""} {
		p := bytes.ReplaceAll(lf, []byte("\n"), []byte(end))
		s.add(Form{Kind: "line-ends", Bytes: p, from: s.offset(s.text), to: s.offset(s.text) + len(s.text)})
	}
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
