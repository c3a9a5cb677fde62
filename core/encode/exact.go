package encode

import "bytes"

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

// lines adds each line of p, without its indentation, if p has several.
func (s *Source) lines(kind string, p []byte) {
	if !bytes.ContainsAny(p, "\r\n") {
		return
	}
	for line := range bytes.FieldsFuncSeq(p, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = bytes.TrimSpace(line)
		if len(line) >= minForm && !structural(line) {
			s.add(Form{Kind: kind, Bytes: line})
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

// structural reports whether a line is the same in other values of its type: a
// brace, the armour of PEM, a setting that is made of words only. Any other
// line of words may be a passphrase.
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
	if n < minForm/2 {
		return true
	}
	return setting(line) && New(line).bits(0, len(line)) < minBits
}

// setting reports whether a line sets a name that does not sound like a secret.
func setting(line []byte) bool {
	i := bytes.IndexAny(line, ":=")
	if i < 0 {
		return bytes.HasPrefix(line, []byte("- ")) || bytes.HasPrefix(line, []byte("[")) || line[0] == '"'
	}
	for _, c := range line[:i] {
		if !alphanumeric(c) && bytes.IndexByte([]byte(`"'_-. `), c) < 0 {
			return false
		}
	}
	return !sensitive(line[:i])
}

// sensitive reports whether a name sounds like that of a secret.
func sensitive(name []byte) bool {
	name = bytes.ToLower(name)
	for _, w := range []string{"pass", "pwd", "secret", "token", "key", "cred", "auth"} {
		if bytes.Contains(name, []byte(w)) {
			return true
		}
	}
	return false
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
