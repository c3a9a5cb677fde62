package encode

// Encoded returns the forms of the encoded lane. See the function of that name.
func (s *Source) Encoded() []Form {
	exact := s.Exact()
	s.begin(64, 64*len(s.text)+256)
	s.forms = append(s.forms, exact...) // what has been found needs no second form
	s.bases()
	return s.end()[len(exact):]
}
