package match

import (
	"math/bits"
	"unsafe"
)

// maxCrowd bounds the table of a crowd, in states of 4 bytes: 1 MiB, or it
// would not fit the cache.
const maxCrowd = 256 << 10

// A crowd is the needles that the filter cannot tell apart cheaply: an
// Aho-Corasick automaton with a full table. It runs only over the stretches
// around their grams.
//
// A state is the index of its row. Its top bit says that a needle ends there.
type crowd struct {
	class [256]uint32 // column of a byte; 0 for those in no needle
	next  []uint32
	ends  []int32 // by row: the longest needle that ends there, or -1
	width uint    // a row has 1<<width columns
	max   int
}

const accept = 1 << 31

// stretch is a range of a block.
type stretch struct{ start, end int }

// ask has the crowd look at a range. Ranges come in order of their starts.
func (c *Scratch) ask(start, end int) {
	start, end = max(start, 0), min(end, len(c.b.Bytes))
	if n := len(c.near); n > 0 && start <= c.near[n-1].end {
		c.near[n-1].end = max(c.near[n-1].end, end)
		return
	}
	c.near = append(c.near, stretch{start, end})
}

// crowded reports whether the crowd was asked about a long stretch, and then
// gives it the rest of the block: it need not be asked again at each gram.
func (c *Scratch) crowded() bool {
	n := len(c.near)
	if n == 0 || c.near[n-1].end-c.near[n-1].start < 4096 {
		return false
	}
	c.near[n-1].end = len(c.b.Bytes)
	return true
}

// newCrowd makes an automaton of as many of the members as fit a table of most
// states. It returns how many those are.
func newCrowd(t *tails, members []int, most int) (*crowd, int) {
	c := &crowd{}
	columns := uint32(1)
	for _, k := range members {
		for _, b := range t.needle(k) {
			if c.class[b] == 0 {
				c.class[b] = columns
				columns++
			}
		}
	}
	c.width = uint(bits.Len32(columns - 1))
	c.row()
	n := 0
	for _, k := range members {
		if c.plant(t.needle(k), int32(k)); len(c.next) > most {
			break
		}
		c.max = max(c.max, len(t.needle(k)))
		n++
	}
	// The last needle that was planted may be one too many. It does no harm in the
	// automaton, but that counts on no needle longer than max.
	if n < len(members) {
		c.max = max(c.max, len(t.needle(members[n])))
	}
	c.link()
	return c, n
}

// plant adds the path of a needle.
func (c *crowd) plant(n []byte, k int32) {
	s := uint32(0)
	for _, b := range n {
		at := s + c.class[b]
		if c.next[at] == 0 {
			next := c.row()
			c.next[at] = next
		}
		s = c.next[at]
	}
	c.ends[s>>c.width] = k
}

var zeros [512]uint32

// row appends an empty row and returns its state.
func (c *crowd) row() uint32 {
	s := uint32(len(c.next))
	c.next = append(c.next, zeros[:1<<c.width]...)
	c.ends = append(c.ends, -1)
	return s
}

// link completes the table: where a row has no edge it gets that of the row for
// the longest proper suffix.
func (c *crowd) link() {
	fail := make([]uint32, len(c.ends))
	var queue []uint32
	for _, s := range c.next[:1<<c.width] {
		if s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		f := fail[s>>c.width]
		if c.ends[s>>c.width] < 0 {
			c.ends[s>>c.width] = c.ends[f>>c.width]
		}
		for i := range uint32(1) << c.width {
			if n := c.next[s+i]; n != 0 {
				fail[n>>c.width] = c.next[f+i]
				queue = append(queue, n)
			} else {
				c.next[s+i] = c.next[f+i]
			}
		}
	}
	for i, s := range c.next {
		if c.ends[s>>c.width] >= 0 {
			c.next[i] = s | accept
		}
	}
}

// find reports the crowd's occurrences in the stretches.
func (c *crowd) find(cur *Scratch, t *tier) {
	for _, s := range cur.near {
		c.sweep(cur, t, s)
	}
}

func (c *crowd) sweep(cur *Scratch, t *tier, s stretch) {
	if s.end-s.start >= 8*c.max+512 {
		c.lanes(cur, t, s)
	} else {
		c.walk(cur, t, 0, s.start, s.end)
	}
}

// walk runs the automaton over [i, end) from a state and returns its last one.
func (c *crowd) walk(cur *Scratch, t *tier, state uint32, i, end int) uint32 {
	next, class, p := c.next, &c.class, cur.b.Bytes[:end]
	for ; i < len(p); i++ {
		state = next[state&^accept+class[p[i]]]
		if state&accept != 0 {
			c.report(cur, t, state, i+1)
		}
	}
	return state
}

// lanes runs four automata side by side, each over a quarter of the stretch:
// their loads overlap. All but the first start early enough to know every needle
// that ends in their quarter.
//
// The unsafe load stays inside the table: a state is the index of a row of
// 1<<width columns and a class is less than that.
func (c *crowd) lanes(cur *Scratch, t *tier, s stretch) {
	n := (s.end - s.start) / 4
	var state [4]uint32
	for k := 1; k < 4; k++ {
		at := s.start + k*n
		for _, b := range cur.b.Bytes[at-c.max+1 : at] {
			state[k] = c.next[state[k]&^accept+c.class[b]]
		}
	}
	s0, s1, s2, s3 := state[0], state[1], state[2], state[3]
	p := cur.b.Bytes[s.start:s.end]
	p0, p1, p2, p3 := p[:n], p[n:2*n], p[2*n:3*n], p[3*n:4*n]
	p1, p2, p3 = p1[:len(p0)], p2[:len(p0)], p3[:len(p0)]
	next, class := unsafe.Pointer(unsafe.SliceData(c.next)), &c.class
	step := func(s uint32, b byte) uint32 {
		return *(*uint32)(unsafe.Add(next, uintptr(s&^accept+class[b])*4))
	}
	for i := range p0 {
		s0 = step(s0, p0[i])
		s1 = step(s1, p1[i])
		s2 = step(s2, p2[i])
		s3 = step(s3, p3[i])
		if (s0|s1|s2|s3)&accept != 0 {
			for k, s4 := range [4]uint32{s0, s1, s2, s3} {
				if s4&accept != 0 {
					c.report(cur, t, s4, s.start+k*n+i+1)
				}
			}
		}
	}
	c.walk(cur, t, s3, s.start+4*n, s.end)
}

func (c *crowd) report(cur *Scratch, t *tier, state uint32, end int) {
	if end > cur.b.From || t.word && end == cur.b.From {
		t.report(cur, int(c.ends[state&^accept>>c.width]), end)
	}
}

func (c *crowd) size() int { return 4*len(c.next) + 4*len(c.ends) + 4*256 }
