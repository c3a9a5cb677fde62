package rule

import "fmt"

// The automaton is an Aho-Corasick DFA over all keywords, ASCII letters folded.
// It may report a keyword that is not there (case, or two rare bytes that share
// a class): the caller compares the bytes. It never misses one.
type automaton struct {
	class [256]uint8 // byte -> column; 0: in no keyword
	next  []uint16   // state<<shift | column -> state, with hit set if a keyword ends there
	out   [][]uint32 // state -> keywords that end there, as index into the set's words
	depth []uint8    // state -> bytes that may belong to a finding: longest prefix of a held keyword
	long  int        // length of the longest keyword
}

const (
	shift    = 6
	columns  = 1 << shift
	hit      = 1 << 15
	maxState = hit - 1
	laneMin  = 512 // blocks of four times this go through four lanes
)

// A word is one keyword of one rule.
type word struct {
	text string
	rule int  // index into Set.rules
	fold bool // compare without regard to case
	held bool // its bytes may be part of the finding
}

// newAutomaton builds the DFA: a trie, then breadth first, so that states near
// the root, where text lives, lie together.
func newAutomaton(words []word) (*automaton, error) {
	a := &automaton{}
	a.classify(words)
	t, err := a.plant(words)
	if err != nil {
		return nil, err
	}
	a.link(t)
	return a, nil
}

// common are the bytes that text is made of: with their columns side by side, a
// state takes one line of the cache most of the time.
const common = " etaoinsrhldcumfpgwybvkxjqz-_:./0123456789"

// classify gives each byte that occurs in a keyword a column, common ones first.
// Should there be more than fit, the last column is shared.
func (a *automaton) classify(words []word) {
	var occurs [256]bool
	for _, w := range words {
		for i := range len(w.text) {
			occurs[lower(w.text[i])] = true
		}
		a.long = max(a.long, len(w.text))
	}
	used := 0
	column := func(c byte) {
		if occurs[c] && a.class[c] == 0 {
			used = min(used+1, columns-1)
			a.class[c] = uint8(used)
		}
	}
	for i := range len(common) {
		column(common[i])
	}
	for c := range 256 {
		column(byte(c))
	}
	for c := byte('A'); c <= 'Z'; c++ {
		a.class[c] = a.class[lower(c)]
	}
}

// A node of the trie. Child 0 means none, for the root is nobody's child.
type node struct {
	child [columns]uint16
	out   []uint32
	depth uint8 // its own length
	held  bool  // it is a proper prefix of a held keyword
}

func (a *automaton) plant(words []word) ([]node, error) {
	letters := 1
	for _, w := range words {
		letters += len(w.text)
	}
	t := make([]node, 1, letters)
	for id, w := range words {
		at := uint16(0)
		for i := range len(w.text) {
			t[at].held = t[at].held || w.held
			c := a.class[lower(w.text[i])]
			if t[at].child[c] == 0 {
				if len(t) > maxState {
					return nil, fmt.Errorf("too many keywords: more than %d states", maxState)
				}
				t = append(t, node{depth: t[at].depth + 1})
				t[at].child[c] = uint16(len(t) - 1)
			}
			at = t[at].child[c]
		}
		t[at].out = append(t[at].out, uint32(id))
	}
	return t, nil
}

// link numbers the nodes breadth first and fills the transitions: where the
// trie has no child, the state's longest proper suffix decides.
func (a *automaton) link(t []node) {
	order := make([]uint16, 0, len(t)) // state -> node
	state := make([]uint16, len(t))    // node -> state
	fail := make([]uint16, len(t))     // state -> state
	order = append(order, 0)
	for i := 0; i < len(order); i++ {
		children := &t[order[i]].child
		for c := range children {
			if ch := children[c]; ch != 0 {
				state[ch] = uint16(len(order))
				order = append(order, ch)
			}
		}
	}
	a.next = make([]uint16, len(t)*columns)
	a.out = make([][]uint32, len(t))
	a.depth = make([]uint8, len(t))
	for s, n := range order {
		f := int(fail[s])
		a.out[s] = t[n].out
		if s != 0 && len(a.out[f]) > 0 {
			a.out[s] = append(a.out[s][:len(a.out[s]):len(a.out[s])], a.out[f]...)
		}
		a.depth[s] = a.depth[f]
		if t[n].held {
			a.depth[s] = t[n].depth
		}
		// The row is that of f, which is shallower and so filled already, but for the
		// children. The root falls to itself.
		row := a.next[s<<shift : (s+1)<<shift]
		copy(row, a.next[f<<shift:(f+1)<<shift])
		children := &t[n].child
		for c := range children {
			if ch := children[c]; ch != 0 {
				if s != 0 {
					fail[state[ch]] = row[c]
				}
				row[c] = state[ch]
			}
		}
	}
	flagged := state[:0] // no longer needed: state -> state, with hit
	for s := range a.out {
		to := uint16(s)
		if len(a.out[s]) > 0 {
			to |= hit
		}
		flagged = append(flagged, to)
	}
	for i, to := range a.next {
		a.next[i] = flagged[to]
	}
}

// An end is a place where some keyword may end.
type end struct {
	at    int // just past its last byte
	state uint16
}

// ends is the scratch of a scan: one list a lane, so that they stay in order.
type ends [4][]end

// scan runs the DFA from state over b[from:] and appends to e where keywords may
// end. Long blocks are cut in four lanes that run interleaved, because each step
// waits for the one before it: a lane starts long bytes early, from the root,
// and is in the right state where its part begins.
func (a *automaton) scan(b []byte, from int, state uint16, e *ends) uint16 {
	for i := range e {
		e[i] = e[i][:0]
	}
	quarter := (len(b) - from) / 4
	if quarter < max(laneMin, 2*a.long) {
		return a.lane(b, from, len(b), state, &e[0])
	}
	var s [4]uint16
	s[0] = state
	for k := 1; k < 4; k++ {
		var none []end
		at := from + k*quarter
		s[k] = a.lane(b, at-a.long, at, 0, &none)
	}
	a.lanes(b[from:], quarter, from, &s, e)
	return a.lane(b, from+4*quarter, len(b), s[3], &e[3])
}

func (a *automaton) lane(b []byte, from, to int, s uint16, e *[]end) uint16 {
	next := a.next
	for i := from; i < to; i++ {
		s = next[int(s)<<shift|int(a.class[b[i]])]
		if s&hit != 0 {
			s &^= hit
			*e = append(*e, end{i + 1, s})
		}
	}
	return s
}

func (a *automaton) lanes(b []byte, n, base int, s *[4]uint16, e *ends) {
	next, class := a.next, &a.class
	b0, b1, b2, b3 := b[:n], b[n:2*n], b[2*n:3*n], b[3*n:4*n]
	b1, b2, b3 = b1[:len(b0)], b2[:len(b0)], b3[:len(b0)]
	s0, s1, s2, s3 := s[0], s[1], s[2], s[3]
	for i := range b0 {
		s0 = next[int(s0)<<shift|int(class[b0[i]])]
		s1 = next[int(s1)<<shift|int(class[b1[i]])]
		s2 = next[int(s2)<<shift|int(class[b2[i]])]
		s3 = next[int(s3)<<shift|int(class[b3[i]])]
		if (s0|s1|s2|s3)&hit == 0 {
			continue
		}
		for k, sk := range [4]uint16{s0, s1, s2, s3} {
			if sk&hit != 0 {
				e[k] = append(e[k], end{base + k*n + i + 1, sk &^ hit})
			}
		}
		s0, s1, s2, s3 = s0&^hit, s1&^hit, s2&^hit, s3&^hit
	}
	s[0], s[1], s[2], s[3] = s0, s1, s2, s3
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// is reports whether b is the keyword.
func (w *word) is(b []byte) bool {
	if !w.fold {
		return string(b) == w.text
	}
	for i, c := range b {
		if lower(c) != lower(w.text[i]) {
			return false
		}
	}
	return true
}
