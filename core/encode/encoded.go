package encode

// Encoded returns the forms of the encoded lane. See the function of that name.
func (s *Source) Encoded() []Form {
	exact := s.Exact()
	s.begin(len(exact)+80, 96*min(len(s.text), maxDoc)+256)
	s.forms = append(s.forms, exact...) // what has been found needs no second form
	if len(s.text) > maxDoc {
		s.archive()
		return s.end()[len(exact):]
	}
	s.short()
	s.bases()
	s.everyByte()
	s.alphabets()
	s.escapes()
	s.decoded()
	s.partBases()
	return s.end()[len(exact):]
}

// make adds the form of the whole text that enc appends to dst. It returns the
// form, or nil if the list has it already or has no use for it.
func (s *Source) make(kind string, dense bool, enc func(dst []byte) []byte) *Form {
	start := len(s.arena)
	s.arena = enc(s.arena)
	p := s.arena[start:len(s.arena):len(s.arena)]
	n := len(s.forms)
	from := s.offset(s.text)
	s.add(Form{Kind: kind, Bytes: p, Dense: dense, Word: s.words, from: from, to: from + len(s.text)})
	if len(s.forms) == n {
		s.arena = s.arena[:start]
		return nil
	}
	return &s.forms[n]
}
