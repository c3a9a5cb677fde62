package encode

import (
	"bytes"
	_ "embed"
	"strings"
)

// wordList is the dictionary: lower-case words of four letters and more that
// programs print, and a few pieces of formats in base64 (with capitals), one a
// line.
//
//go:embed words.txt
var wordList string

const (
	shortest = 4  // word
	anywhere = 6  // from this length on a word counts inside a longer run of letters
	longest  = 20 // word
)

// A dictionary is a set of words, with a filter by their first four letters.
type dictionary struct {
	words  map[string]struct{}
	idioms [][]byte // matched as they are, wherever they stand
	filter [1 << 12]uint64
}

func newDictionary(list string) *dictionary {
	d := &dictionary{words: make(map[string]struct{}, strings.Count(list, "\n"))}
	for w := range strings.Lines(list) {
		w = strings.TrimSuffix(w, "\n")
		if strings.ToLower(w) != w {
			d.idioms = append(d.idioms, []byte(w))
			continue
		}
		d.words[w] = struct{}{}
		h := prefix([]byte(w))
		d.filter[h>>6] |= 1 << (h & 63)
	}
	return d
}

// prefix hashes the first four letters of a word to 18 bits.
func prefix(p []byte) uint32 {
	v := uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
	return v * 0x9e3779b1 >> 14
}

// reduce lowers the price of the words in p.
func (d *dictionary) reduce(p []byte, cost []uint8) {
	for i := 0; i < len(p); {
		n := piece(p[i:])
		if n >= shortest {
			d.piece(p[i:i+n], cost[i:i+n])
		} else if n > 0 && i > 0 && p[i-1] == ' ' && i+n < len(p) && p[i+n] == ' ' {
			for k := range n { // a, of, the
				cost[i+k] = min(cost[i+k], stepCost)
			}
		}
		i += max(n, 1)
	}
	for _, idiom := range d.idioms {
		for at := 0; ; {
			i := bytes.Index(p[at:], idiom)
			if i < 0 {
				break
			}
			clear(cost[at+i : at+i+len(idiom)])
			at += i + len(idiom)
		}
	}
}

// piece returns the length of the letters at the start of p that are written in
// one way: capitals, small letters, or small letters after one capital.
func piece(p []byte) int {
	n := 0
	for n < len(p) && 'A' <= p[n] && p[n] <= 'Z' {
		n++
	}
	if n > 1 {
		return n
	}
	for n < len(p) && 'a' <= p[n] && p[n] <= 'z' {
		n++
	}
	return n
}

// piece lowers the price of the words in a run of letters: of all of them if
// the run is nothing but words, else of those that are too long for chance.
func (d *dictionary) piece(p []byte, cost []uint8) {
	var buf [64]byte
	low := buf[:0]
	for _, c := range p {
		low = append(low, toLower(c))
	}
	if d.segment(low, cost) {
		return
	}
	for i := 0; i+anywhere <= len(low); i++ {
		if n := d.longest(low[i:], anywhere); n > 0 {
			spread(cost[i:i+n], n)
			i += n - 1
		}
	}
}

// segment lowers the price of all of p if it is one word after another, with an
// ending that English puts behind words.
func (d *dictionary) segment(p []byte, cost []uint8) bool {
	if len(p) > 3*longest {
		return false
	}
	var lengths [3 * longest / shortest]int
	k := 0
	for i := 0; i < len(p); k++ {
		n := d.longest(p[i:], shortest)
		if n == 0 && k > 0 && ending(string(p[i:])) {
			n = len(p) - i
		}
		if n == 0 {
			return false
		}
		lengths[k] = n
		i += n
	}
	for _, n := range lengths[:k] {
		spread(cost[:n], n)
		cost = cost[n:]
	}
	return true
}

func ending(s string) bool {
	switch s {
	case "s", "es", "ed", "d", "er", "ers", "ing", "ly", "ion":
		return true
	}
	return false
}

// longest returns the length of the longest word at the start of p, 0 if none
// has at least the given length.
func (d *dictionary) longest(p []byte, least int) int {
	if len(p) < least {
		return 0
	}
	if h := prefix(p); d.filter[h>>6]&(1<<(h&63)) == 0 {
		return 0
	}
	for n := min(len(p), longest); n >= least; n-- {
		if _, ok := d.words[string(p[:n])]; ok {
			return n
		}
	}
	return 0
}

// spread shares the price of a word among its letters.
func spread(cost []uint8, letters int) {
	total := wordCost
	if letters == shortest {
		total = shortCost
	}
	for i := range cost {
		cost[i] = min(cost[i], uint8(total/len(cost)))
	}
}
