package encode

import "math"

// Weak is the Strength below which a value can be guessed by a program that is
// allowed to print its guesses, and to see which of them are masked.
const Weak = 40

// The costs of what people put into passwords, in bits.
const (
	bitsWord   = 11  // one of about 2,600 words
	bitsPhrase = 8   // one of the passphrases that everybody knows
	bitsTop    = 5   // one of the first that anyone tries
	bitsCase   = 1   // its first letter or all of it in capitals
	bitsRun    = 2   // the direction of aaaa, 1234, qwerty, besides its start
	bitsStep   = 0.5 // its length, for each further byte
	bitsCopy   = 3   // the length of a copy, besides its place
	bitsYear   = 7   // 1930 to 2059
	bitsKind   = 3   // that random bytes end where they do: they look like a word somewhere
	maxScored  = 256
)

// Strength estimates the binary logarithm of the guesses it takes to find the
// value: the cheapest way to put it together of words, runs, years and random
// bytes of the kinds that it holds. Of a URL with a password, the password
// counts alone.
func Strength(value []byte) float64 {
	s := New(value)
	p := s.text
	for _, u := range urls(p) {
		if u.pass < u.passEnd {
			p = p[u.pass:u.passEnd]
			break
		}
	}
	p = p[:min(len(p), maxScored)]
	char := charBits(p)
	// random[i] is the cost of p[:i] with a random byte at its end, made[i] that with something people choose, or nothing.
	random, made := make([]float64, len(p)+1), make([]float64, len(p)+1)
	for i := range p {
		random[i+1], made[i+1] = math.Inf(1), math.Inf(1)
	}
	random[0] = math.Inf(1)
	piece := func(i, n int, bits float64) { made[i+n] = min(made[i+n], min(made[i], random[i]+bitsKind)+bits) }
	d := words()
	for i := range p {
		if n := phrase(p[i:]); n > 0 {
			piece(i, n, bitsPhrase)
		}
		random[i+1] = min(random[i], made[i]) + char
		for n := run(p[i:]); n >= 3; n-- {
			piece(i, n, char+bitsRun+bitsStep*float64(n-1))
		}
		if year(p, i) {
			piece(i, 4, bitsYear)
		}
		d.eachWord(p[i:], func(n int, bits float64) { piece(i, n, bits) })
		if n := repeat(p, i); n >= 4 {
			piece(i, n, math.Log2(float64(i+1))+bitsCopy)
		}
	}
	return min(random[len(p)], made[len(p)])
}

// charBits is what a random byte of p costs: the logarithm of the size of the
// alphabet that its characters are from.
func charBits(p []byte) float64 {
	var digit, low, up, other, high float64
	for _, c := range p {
		switch {
		case '0' <= c && c <= '9':
			digit = 10
		case 'a' <= c && c <= 'z':
			low = 26
		case 'A' <= c && c <= 'Z':
			up = 26
		case c >= 0x80:
			high = 100
		default:
			other = 33
		}
	}
	if low+up > 0 && other+high == 0 && onlyHex(p) {
		return 4
	}
	return math.Log2(max(1, digit+low+up+other+high))
}

func onlyHex(p []byte) bool {
	for _, c := range p {
		if !('0' <= c && c <= '9' || 'a' <= toLower(c) && toLower(c) <= 'f') {
			return false
		}
	}
	return true
}

// run returns the length of the run at the start of p: one byte repeated,
// counting up or down, or neighbours on a keyboard.
func run(p []byte) int { return max(runOf(p), keys(p)) }

// rows are the walks over a keyboard that passwords are made of.
var rows = [...]string{"qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv", "qazwsxedc", "1q2w3e4r5t6y", "!@#$%^&*()"}

// keys returns the length of the walk at the start of p.
func keys(p []byte) int {
	longest := 0
	for _, row := range rows {
		for i := range len(row) {
			n := 0
			for n < len(p) && i+n < len(row) && toLower(p[n]) == row[i+n] {
				n++
			}
			longest = max(longest, n)
		}
	}
	return longest
}

// year reports whether p[i:] starts with a year that people use, not in the
// middle of a long number.
func year(p []byte, i int) bool {
	q := p[i:]
	if len(q) < 4 || !number(q[2:4]) {
		return false
	}
	switch century := string(q[:2]); {
	case century == "19" && q[2] >= '3', century == "20" && q[2] <= '5':
	default:
		return false
	}
	start, stop := i, i+4
	for start > 0 && number(p[start-1:start]) {
		start--
	}
	for stop < len(p) && number(p[stop:stop+1]) {
		stop++
	}
	return stop-start <= 8
}

// repeat returns the length of the longest copy at p[i:] of what stands before.
func repeat(p []byte, i int) int {
	longest := 0
	for j := range i {
		n := 0
		for i+n < len(p) && j+n < i && p[j+n] == p[i+n] {
			n++
		}
		longest = max(longest, n)
	}
	return longest
}

// topWords are what is tried first.
const topWords = " password passwd admin administrator root user guest test secret welcome changeme letmein hunter monkey " +
	"dragon login master hello qwerty default postgres mysql oracle redis token pass iloveyou princess football superman "

// eachWord calls f with the length and the cost of each word at the start of p,
// whatever its case and with digits and signs for the letters they look like.
func (d *dictionary) eachWord(p []byte, f func(n int, bits float64)) {
	var buf [longest]byte
	plain, extra, capitals := buf[:0], 0.0, 0
	for _, c := range p[:min(len(p), longest)] {
		if u := unleet(c); u != toLower(c) {
			extra++
			c = u
		} else if c != toLower(c) {
			capitals++
		}
		plain = append(plain, toLower(c))
		if len(plain) < 3 {
			continue
		}
		bits := wordBits(d, plain)
		if bits == 0 {
			continue
		}
		if capitals == 1 && p[0] != toLower(p[0]) || capitals == len(plain) {
			bits += bitsCase
		} else {
			bits += float64(capitals)
		}
		f(len(plain), bits+extra)
	}
}

func wordBits(d *dictionary, w []byte) float64 {
	if containsWord(topWords, w) {
		return bitsTop
	}
	if _, ok := d.words[string(w)]; ok {
		return bitsWord
	}
	return 0
}

func containsWord(list string, w []byte) bool {
	for i := 0; i+len(w)+1 < len(list); i++ {
		if list[i] == ' ' && list[i+1:i+1+len(w)] == string(w) && list[i+1+len(w)] == ' ' {
			return true
		}
	}
	return false
}

// unleet returns the letter that a digit or a sign stands for.
func unleet(c byte) byte {
	switch c {
	case '0':
		return 'o'
	case '1', '!':
		return 'i'
	case '3':
		return 'e'
	case '4', '@':
		return 'a'
	case '5', '$':
		return 's'
	case '7':
		return 't'
	}
	return toLower(c)
}
