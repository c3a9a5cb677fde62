// Package match finds every occurrence of a set of byte strings in a stream
// that arrives in pieces of any size.
//
// # The idea
//
// Looking at every byte of a stream costs about a nanosecond a byte. This
// package looks at one word in ten to sixty bytes. Let m be the length of the
// shortest needle, q the length of a gram (4 to 8 bytes) and s = m-q+1. Each
// needle contributes s consecutive grams, its window, to a small filter. The
// scan loads the gram at every s-th byte and asks the filter. An occurrence of a
// needle contains each gram of the window at consecutive offsets, so exactly one
// of them lies at a multiple of s: no occurrence is missed, whatever the needles.
//
// What passes the filter is a candidate: the gram's entry says how far behind it
// the needle would end and what its last 8 bytes are. Only when those agree are
// the needles themselves compared.
//
// # Invariants
//
//   - Of the needles that end at one byte, the longest is reported (all of them
//     if the set is compiled so). Shorter ones lie inside it.
//   - A gram has at most [maxPerGram] entries. Needles that would exceed this in
//     every window, periodic ones or such as share long stretches, are told apart
//     by wider grams if they are long (a second tier), else by the crowd, an
//     Aho-Corasick automaton that runs only around the grams of its needles, else
//     by a hash of the whole needle (the pool).
//   - A block in which too many bytes were compared is finished by an automaton of
//     all needles. It is slow, but not slower with any stream.
//   - The filter's multiplier is random in each process: no one who writes the
//     stream can build collisions.
//   - What is held back at the end of a block is the longest suffix that may still
//     become an occurrence, found through the last bytes of the block first, so
//     that a line which ends like no needle costs a few loads.
//
// The package does not know what a secret is and never writes.
package match

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Limits of a set.
const (
	MinLen   = 4        // of a needle, in bytes
	MaxBytes = 32 << 20 // of all needles together
)

var (
	// ErrNeedle is wrapped by the errors of Compile about a single needle.
	ErrNeedle = errors.New("invalid needle")
	// ErrSize is wrapped by the error of Compile when the needles together are too big.
	ErrSize = errors.New("too many needles")
)

// A Needle is a byte string to look for.
type Needle struct {
	Bytes []byte
	Word  bool // only where no letter or digit stands on either side
}

// A Hit is an occurrence of a needle: block[Start:End].
type Hit struct{ Start, End, Needle int }

// A Block is a stretch of the stream: what was held back of the block before it,
// followed by new bytes.
type Block struct {
	Bytes []byte
	From  int  // Bytes[:From] were in the block before this one
	Prev  int  // the byte before Bytes[0], -1 at the start of the stream
	Final bool // no more bytes will come

	// Open, if it is not nil, says where an occurrence may start. Whether it may
	// does not change as the stream goes on, except from yes to no.
	Open func(i int) bool
}

// A Set is a compiled set of needles. It is immutable: streams share it. A nil
// Set has no needles.
type Set struct {
	tiers []*tier
	held  prefixes
}

// Compile prepares needles for the search. With every, Find reports all needles
// that end at a byte and not only the longest, as blocks with Open need it. The set keeps no reference to the
// needles' bytes. Of equal needles the first is reported.
func Compile(needles []Needle, every bool) (*Set, error) { return compile(needles, every, nil) }

// compile is Compile for a pass, which is nil if there is none to share.
func compile(needles []Needle, every bool, p *pass) (*Set, error) {
	total := 0
	for i, n := range needles {
		if len(n.Bytes) < MinLen {
			return nil, fmt.Errorf("compile needle %d of %d bytes: %w: shorter than %d", i, len(n.Bytes), ErrNeedle, MinLen)
		}
		total += len(n.Bytes)
	}
	if total > MaxBytes {
		return nil, fmt.Errorf("compile %d needles of %d bytes: %w: want at most %d bytes", len(needles), total, ErrSize, MaxBytes)
	}
	s := &Set{}
	for _, class := range classes(needles) {
		s.add(needles, class, every, p)
	}
	for _, t := range s.tiers {
		t.taken = bitset{}
	}
	s.held = newPrefixes(s.tiers, 1)
	return s, nil
}

// wideLen is the length from which on a needle that is hard to tell from others
// is looked for by grams of 16 bytes. Such are the spellings that take several
// bytes for a character: u0061, 0x61, &#97.
const wideLen = 40

// add makes a tier of the needles with the given numbers. Those that find no
// room in it get a tier with wider grams, if that has room, and else the crowd.
func (s *Set) add(needles []Needle, ids []int32, every bool, p *pass) {
	t := newTier(needles, ids, every, false, p)
	s.tiers = append(s.tiers, t)
	crowd := t.fill()
	wide := make(map[int32]bool)
	for _, k := range crowd {
		if len(t.needle(k)) >= wideLen {
			wide[t.id[k]] = true
		}
	}
	// A needle that does not fit there either makes the tier anew without it.
	for len(wide) > 0 {
		w := newTier(needles, slices.Sorted(maps.Keys(wide)), every, true, nil)
		out := w.fill()
		if len(out) == 0 {
			s.tiers = append(s.tiers, w)
			break
		}
		for _, k := range out {
			delete(wide, w.id[k])
		}
	}
	t.settle(slices.DeleteFunc(crowd, func(k int) bool { return wide[t.id[k]] }))
}

// bounds separate the tiers: a short needle would shorten the stride of all.
var bounds = [...]int{8, 16, 1 << 62}

// classes sorts needles into tiers by length and kind. Empty ones are left out.
func classes(needles []Needle) [][]int32 {
	var all [2 * len(bounds)][]int32
	for i, n := range needles {
		k := 0
		for len(n.Bytes) >= bounds[k] {
			k++
		}
		if n.Word {
			k += len(bounds)
		}
		all[k] = append(all[k], int32(i))
	}
	var some [][]int32
	for _, c := range all {
		if len(c) > 0 {
			some = append(some, c)
		}
	}
	return some
}

// A Scratch is the memory of a search, to be used again for the next.
type Scratch struct {
	b    Block
	hits []Hit
	runs []Hit
	near []stretch // where the crowd must be asked, in order

	found [2 * batch]candidate
	n     int // of them
	work  int // bytes compared in the block

	lines [8]line // that were grown last
	line  int
}

func (c *Scratch) begin(b Block) {
	c.b, c.hits, c.runs, c.lines = b, c.hits[:0], c.runs[:0], [8]line{}
}

// Find returns the occurrences that became known with the bytes from b.From on:
// those that end there, and words that end at b.From. They are in no order, may
// be reported twice, and are valid until the next use of c.
func (s *Set) Find(c *Scratch, b Block) []Hit {
	c.begin(b)
	s.find(c)
	return c.hits
}

func (s *Set) find(c *Scratch) {
	if s != nil {
		for _, t := range s.tiers {
			t.find(c)
		}
	}
}

// Hold returns the start of the longest suffix of the block that may still
// become an occurrence; len(b.Bytes) when there is none.
func (s *Set) Hold(b Block) int {
	if s == nil || b.Final {
		return len(b.Bytes)
	}
	return s.held.find(&b)
}

// Rest returns what would have to follow the block, all but its last byte, for
// Hold to return i again, as it did now; nil if that cannot be said. It is not to
// be changed.
func (s *Set) Rest(b Block, i int) []byte {
	if s == nil {
		return nil
	}
	return s.held.rest(&b, i)
}

// Size returns about how many bytes of memory the set takes.
func (s *Set) Size() int {
	if s == nil {
		return 0
	}
	n := s.held.size()
	for _, t := range s.tiers {
		n += t.size()
	}
	return n
}

// opens reports whether an occurrence may start at i.
func (b *Block) opens(i int) bool { return b.Open == nil || b.Open(i) }

// edge reports whether a word may start at i.
func (b *Block) edge(i int) bool {
	if i > 0 {
		return !wordByte(int(b.Bytes[i-1]))
	}
	return !wordByte(b.Prev)
}

// encloses reports whether b.Bytes[i:e] is known to be a whole word.
func (b *Block) encloses(i, e int) bool {
	if !b.edge(i) {
		return false
	}
	if e == len(b.Bytes) {
		return b.Final
	}
	return !wordByte(int(b.Bytes[e]))
}

func wordByte(c int) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' && c >= 0
}
