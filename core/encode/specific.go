package encode

import (
	"slices"
	"sync"
)

// What a fragment must say, in eighths of a bit (see the package comment).
const (
	minSource = 6      // bytes of the value that it spells, at least
	perByte   = 17     // on average for each of them
	minBits   = 8 * 30 // what a value must say before it is looked for in other orders and cases
	wordCost  = 8 * 5  // a word of five letters or more, however long
	shortCost = 8 * 7  // a word of four letters
	stepCost  = 8      // a byte that continues a run: aaaa, 1234
)

// Specific reports for each i whether f.Bytes[i:i+n] says enough about the
// value to be masked wherever it stands. It is nil if no run of n bytes does.
func (f Form) Specific(n int) []bool {
	if !f.Dense || len(f.Bytes) < n || n < 1 {
		return nil
	}
	info := f.src.priced()
	out := make([]bool, len(f.Bytes)-n+1)
	some := false
	rate := f.rate()
	for i := 0; i < len(out); i += max(1, f.step) {
		a, b := f.source(i, rate), f.source(i+n, rate)
		out[i] = b-a >= minSource && info[b]-info[a] >= uint32(b-a)*perByte
		some = some || out[i]
	}
	if f.reverse {
		slices.Reverse(out)
	}
	if !some {
		return nil
	}
	return out
}

// Window returns how long a run of the form must be, at least n, to spell as
// much of the value as a fragment must: the sparser the form, the longer.
func (f Form) Window(n int) int {
	if !f.Dense || f.to == f.from {
		return n
	}
	value := f.to - f.from
	least, step := max(n, (minSource*len(f.Bytes)+value-1)/value), max(1, f.step)
	return (least + step - 1) / step * step
}

// minRow is the shortest run of a form that Row asks for: less turns up by chance.
const minRow = 8

// Row returns how long a run of the form must be, at most n, so that every row
// of n bytes of the value holds one, as od -c prints it: a row has fewer letters
// and digits, which are all that the view keeps, the more signs it has.
func (f Form) Row(n int) int {
	if f.Kind != "exact" || f.at == nil || !f.src.solid() {
		return n // of words, half a row stands elsewhere too
	}
	row := n
	for i, j := 0, 0; i < len(f.Bytes); i++ {
		for j < len(f.Bytes) && int(f.at[j]) < int(f.at[i])+n {
			j++
		}
		if int(f.at[i])+n > f.to {
			break
		}
		row = min(row, j-i)
	}
	return max(row-1, minRow) // a row may begin with the sign before the letter
}

// rate is how many bytes of the value a byte of the form spells, in units of
// 2^-32 and rounded up, so that a product of it rounds down to the exact quotient.
func (f Form) rate() uint64 {
	n := uint64(len(f.Bytes))
	return (uint64(f.to-f.from)<<32 + n - 1) / n
}

// source is where byte i of the form, read forwards, stands in the value.
func (f Form) source(i int, rate uint64) int {
	if f.at != nil {
		return int(f.at[i])
	}
	return f.from + int(uint64(i)*rate>>32)
}

// bits is the information in value[a:b], in eighths of a bit.
func (s *Source) bits(a, b int) uint32 {
	info := s.priced()
	return info[b] - info[a]
}

// priced returns the sums of the information in the bytes before each.
func (s *Source) priced() []uint32 {
	if s.info != nil {
		return s.info
	}
	// 1. What a byte says if the value is random.
	cost := make([]uint8, len(s.value))
	for i, c := range s.value {
		cost[i] = price(c)
	}
	// 2. Words and runs say little.
	runs(s.value, cost)
	words().reduce(s.value, cost)
	inBase64(s.value, cost)
	// 3. What is public by its place says nothing.
	public(s.value, cost)
	s.info = make([]uint32, len(cost)+1)
	for i, c := range cost {
		s.info[i+1] = s.info[i] + uint32(c)
	}
	return s.info
}

// price is what a byte of a random value says, in eighths of a bit: a digit
// log2(10), a letter log2(26), since its case goes with its neighbours', and a
// sign less than its due, because signs repeat in formats.
func price(c byte) uint8 {
	switch {
	case '0' <= c && c <= '9':
		return 26
	case alphanumeric(c):
		return 37
	case c <= ' ':
		return 8
	case c == '/':
		return 16
	case c >= 0x80:
		return 40
	}
	return 24
}

// runs lowers the price of bytes that repeat or count on, in runs of eight and
// more: shorter ones turn up in random values.
func runs(p []byte, cost []uint8) {
	for i := 0; i < len(p); {
		n := runOf(p[i:])
		if n >= 8 {
			for k := range n {
				cost[i+k] = min(cost[i+k], stepCost)
			}
		}
		i += max(n-1, 1)
	}
}

// runOf returns how many bytes at the start of p repeat or count up or down;
// after 9 comes 0.
func runOf(p []byte) int {
	if len(p) < 2 {
		return len(p)
	}
	step := p[1] - p[0]
	if step+1 > 2 {
		return 1
	}
	n := 2
	for n < len(p) && (p[n] == p[n-1]+step || p[n-1] == '9' && p[n] == '0' && step == 1 || p[n-1] == '0' && p[n] == '9' && step == 0xff) {
		n++
	}
	return n
}

// words returns the dictionary, which is read once.
var words = sync.OnceValue(func() *dictionary { return newDictionary(wordList) })
