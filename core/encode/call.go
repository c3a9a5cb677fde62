package encode

import "strconv"

// viewCalls adds the calls and casts that make a character of a number, and the
// tables in which a character stands beside it.
func (s *Source) viewCalls() {
	dec := func(kind, before string) {
		s.each(kind, func(dst []byte, c byte) []byte { return strconv.AppendUint(append(dst, before...), uint64(c), 10) })
	}
	dec("call", "chr")                               // chr(115), CHR(115)||, Chr(115) &
	dec("call", "char")                              // [char]115, CHAR(115,
	s.each("call", func(dst []byte, c byte) []byte { // (byte) 0x73
		return append(append(dst, "byte0x"...), lowerHex[c>>4], lowerHex[c&15])
	})
	s.each("table", func(dst []byte, c byte) []byte { return append(strconv.AppendUint(dst, uint64(c), 10), c) })
	s.each("table", func(dst []byte, c byte) []byte { return strconv.AppendUint(append(dst, c), uint64(c), 10) })
}

// viewWide adds what is left in the view of UTF-16 where the zeros are shown: as od
// -c does, and Python in a string.
func (s *Source) viewWide() {
	for _, d := range [][2]string{{"", "0"}, {"", "x00"}, {"xffxfe", "x00"}} {
		s.squeeze("wide", false, func(dst []byte) []byte {
			dst = append(dst, d[0]...)
			for i, c := range s.text {
				if i > 0 {
					dst = append(dst, d[1]...)
				}
				dst = append(dst, c)
			}
			return dst
		})
	}
}
