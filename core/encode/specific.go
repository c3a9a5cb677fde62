package encode

// Specific reports for each i whether f.Bytes[i:i+n] says enough about the
// value to be masked on its own.
func (f Form) Specific(n int) []bool {
	if len(f.Bytes) < n {
		return nil
	}
	out := make([]bool, len(f.Bytes)-n+1)
	for i := range out {
		a, b := f.source(i), f.source(i+n)
		out[i] = b-a >= minSource && f.src.bits(a, b) >= uint32(b-a)*perByte
	}
	return out
}

const (
	minSource = 6  // the fewest bytes of the value that a fragment may spell
	perByte   = 20 // what each must say on average, in eighths of a bit
)

// source is the byte of the value that byte i of the form spells.
func (f Form) source(i int) int {
	if f.reverse {
		i = len(f.Bytes) - i
	}
	return f.from + i*(f.to-f.from)/len(f.Bytes)
}

// bits is the information in value[a:b], in eighths of a bit.
func (s *Source) bits(a, b int) uint32 {
	if a > b {
		a, b = b, a
	}
	if s.info == nil {
		s.info = make([]uint32, len(s.value)+1)
		for i, c := range s.value {
			s.info[i+1] = s.info[i] + price(c)
		}
	}
	return s.info[b] - s.info[a]
}

// price is what a byte of a random value says, in eighths of a bit.
func price(c byte) uint32 {
	switch {
	case '0' <= c && c <= '9':
		return 26
	case alphanumeric(c):
		return 37
	}
	return 24
}
