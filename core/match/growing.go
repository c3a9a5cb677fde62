package match

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Limits of Growing.
const (
	MinGrowing  = 8        // bytes of a needle
	MaxGrowing  = 64 << 10 // needles
	growingSize = 4 << 20  // bytes of all needles
	longGrowing = 512      // bytes of an easy needle: those of a gram are compared whole
)

// Growing is a set to which needles are added as the stream goes on. A needle
// costs its own grams, and the filter is made anew when it is full, eight times
// as large. Needles that are hard to tell apart, or long, are compiled in sets
// of doubling sizes. It belongs to one stream. The zero Growing has no needles.
type Growing struct {
	easy  [2]*tier // needles of 8 to 15 bytes, and longer ones
	hard  []compiled
	spill compiled // hard needles that are not yet compiled
	held  prefixes // of the easy ones
	room  int      // bytes of easy needles that held has room for
	bytes int      // of all needles
	n     int
}

// compiled is a set and what it was made of. Needle i of it is number id[i].
type compiled struct {
	*Set
	needles []Needle
	id      []int32
}

// Len returns how many needles were added.
func (g *Growing) Len() int { return g.n }

// Add adds needles, or none of them. They are numbered in the order in which
// they come; their bytes are copied.
func (g *Growing) Add(needles [][]byte) error {
	total := 0
	for _, n := range needles {
		if len(n) < MinGrowing {
			return fmt.Errorf("add needle of %d bytes: %w: shorter than %d", len(n), ErrNeedle, MinGrowing)
		}
		total += len(n)
	}
	if g.n+len(needles) > MaxGrowing || g.bytes+total > growingSize {
		return fmt.Errorf("add %d needles of %d bytes to %d of %d: %w", len(needles), total, g.n, g.bytes, ErrSize)
	}
	g.bytes += total
	for _, n := range needles {
		g.add(n, int32(g.n))
		g.n++
	}
	g.prefix()
	return g.compile()
}

// add puts a needle into its tier or, if it is long or each of its windows has a
// gram that is full, with the hard ones.
func (g *Growing) add(n []byte, id int32) {
	class := 0
	if len(n) >= bounds[1] {
		class = 1
	}
	if t := g.easy[class]; t == nil || len(t.id) == t.room {
		g.regrow(class)
	}
	if len(n) > longGrowing || !g.easy[class].grow(n, id) {
		g.spill.add(n, id)
	}
}

func (c *compiled) add(n []byte, id int32) {
	c.needles, c.id = append(c.needles, Needle{Bytes: bytes.Clone(n)}), append(c.id, id)
}

// regrow makes the tier of a class anew with more room.
func (g *Growing) regrow(class int) {
	t := newGrowingTier(class, 256)
	if old := g.easy[class]; old != nil {
		t = newGrowingTier(class, 8*old.room)
		for k, id := range old.id {
			if n := old.needle(k); !t.grow(n, id) {
				g.spill.add(n, id)
			}
		}
	}
	g.easy[class] = t
	g.room = 0
}

func newGrowingTier(class, room int) *tier {
	t := &tier{tails: tails{at: []uint32{0}}, every: true, room: room, all: func() *crowd { return nil }}
	gram, stride := 4, bounds[0]-4+1
	if class == 1 {
		gram, stride = 6, bounds[1]-6+1
	}
	t.filter = newFilter(newSieve(gram, stride, room*stride), room)
	return t
}

// grow adds a needle to the tier, if it has a window with room in the filter.
func (t *tier) grow(n []byte, id int32) bool {
	k := len(t.id)
	size := len(t.text)
	t.text = append(t.text, n...)
	t.at = append(t.at, uint32(len(t.text)))
	t.id = append(t.id, id)
	t.up = append(t.up, -1)
	t.upto = append(t.upto, uint32(k)+1) // a family of its own
	if t.insert(k, k) {
		t.max = max(t.max, len(n))
		return true
	}
	t.text, t.at, t.id, t.up, t.upto = t.text[:size], t.at[:k+1], t.id[:k], t.up[:k], t.upto[:k]
	return false
}

// prefix enters the needles that were added to the tiers into what is held back.
func (g *Growing) prefix() {
	var tiers []*tier
	size := 0
	for _, t := range g.easy {
		if t != nil {
			tiers = append(tiers, t)
			size += len(t.text)
		}
	}
	if size > g.room {
		g.room = 4 * size
		g.held = newPrefixes(tiers, 4)
		return
	}
	for i := range g.held.tiers {
		o := &g.held.tiers[i]
		for _, k := range o.grow() {
			g.held.add(o.needle(int(k.id)), nil, false)
		}
		g.held.max = max(g.held.max, o.max)
	}
}

// compile makes a set of the needles that were spilled, and of the sets that are
// not twice as large.
func (g *Growing) compile() error {
	c := g.spill
	if g.spill = (compiled{}); len(c.needles) == 0 {
		return nil
	}
	for n := len(g.hard); n > 0 && len(g.hard[n-1].needles) < 2*len(c.needles); n-- {
		last := g.hard[n-1]
		c.needles, c.id = append(last.needles, c.needles...), append(last.id, c.id...)
		g.hard = g.hard[:n-1]
	}
	var err error
	c.Set, err = Compile(c.needles, true)
	g.hard = append(g.hard, c)
	return err
}

// Find is that of Set. It reports all needles that end at a byte.
func (g *Growing) Find(c *Scratch, b Block) []Hit {
	c.begin(b)
	for _, t := range g.easy {
		if t != nil {
			t.find(c)
		}
	}
	for _, h := range g.hard {
		from := len(c.hits)
		h.find(c)
		for i := range c.hits[from:] {
			c.hits[from+i].Needle = int(h.id[c.hits[from+i].Needle])
		}
	}
	return c.hits
}

// Hold is that of Set.
func (g *Growing) Hold(b Block) int {
	if g.n == 0 || b.Final {
		return len(b.Bytes)
	}
	i := g.held.find(&b)
	for _, h := range g.hard {
		i = min(i, h.Hold(b))
	}
	return i
}

// grow enters the needles that were added since the last time into the order,
// equal ones once, and returns them.
func (o *ordered) grow() []keyed {
	var more []int32
	for ; o.known < len(o.id); o.known++ {
		more = append(more, int32(o.known))
	}
	added := arrange(more, o.first, o.less)
	order := func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return o.less(a.id, b.id)
	}
	added = slices.CompactFunc(added, func(a, b keyed) bool { return order(a, b) == 0 })
	added = slices.DeleteFunc(added, func(k keyed) bool {
		_, is := slices.BinarySearchFunc(o.by, k, order)
		return is
	})
	old := len(o.by)
	o.by = append(o.by, added...)
	// The last ones first: what is behind a new one moves to its final place.
	to := len(o.by)
	for i := len(added) - 1; i >= 0; i-- {
		at, _ := slices.BinarySearchFunc(o.by[:old], added[i], order)
		to -= old - at
		copy(o.by[to:], o.by[at:old])
		to--
		o.by[to] = added[i]
		old = at
	}
	return added
}
