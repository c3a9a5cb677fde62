package match

import (
	"math/bits"
	"sync"
)

// maxPerGram is how many entries a gram may have in the filter.
const maxPerGram = 8

// A tier is the needles of one class and the filter that finds them.
type tier struct {
	tails
	filter
	crowd *crowd        // needles that the filter cannot take, or nil
	pool  *pool         // needles that the crowd cannot take, or nil
	only  bool          // all needles are in the crowd
	all   func() *crowd // all needles, made when the budget is first exceeded; nil if they are too many
	word  bool
	every bool
	wide  bool // the needles are those of another tier, with wider grams
	joins bool // the sieve is made for a Finder's pass
	room  int  // how many needles the filter of a Growing tier is made for
}

// entry says that a gram, found at i, may belong to the family lo of needles
// that end at i+ahead and whose last 8 bytes are last. Shorter needles lack its
// lowest drop bits. Without ahead it says: ask the crowd.
type entry struct {
	last  uint64
	tag   uint32 // of the gram
	next  int32  // entry with the same head, or -1
	lo    uint32
	ahead uint16
	drop  uint8
}

// filter is a sieve and behind it a chained hash table of entries.
type filter struct {
	sieve
	heads   []int32
	hshift  uint
	entries []entry
	taken   bitset // the grams of entries, small enough for the cache: while it is filled
}

func newTier(needles []Needle, ids []int32, every, wide bool, p *pass) *tier {
	t := &tier{tails: newTails(needles, ids), word: needles[ids[0]].Word, every: every, wide: wide}
	t.all = sync.OnceValue(t.everyone)
	shortest := t.max
	for k := range t.id {
		shortest = min(shortest, len(t.needle(k)))
	}
	gram := 4
	if wide {
		gram = 16
	} else if len(t.id) > 100 && shortest >= 16 {
		gram = 6
	}
	if !t.word && !wide && p.fits(shortest) {
		t.joins = true
		t.filter = newFilter(sieveOf(p.gram, p.stride, p.shift), len(t.id))
		return t
	}
	n := len(t.id)
	stride := max(1, min(shortest-gram+1, maxStride, max(32, 2048/n), maxGrams/n))
	t.filter = newFilter(newSieve(gram, stride, n*stride), n)
	return t
}

func newFilter(v sieve, n int) filter {
	grams := n * v.stride
	f := filter{sieve: v, entries: make([]entry, 0, grams), taken: newBitset(8 * grams)}
	size := min(bits.Len(uint(grams))+1, 20)
	f.hshift = uint(64 - size)
	f.heads = make([]int32, 1<<size)
	for i := range f.heads {
		f.heads[i] = -1
	}
	return f
}

// budget is how many bytes may be compared for each byte of a block. Needles that
// are long, periodic and endings of each other exceed it; then an automaton of
// all of them takes the rest of the block.
const budget = 4

// maxAll bounds the table of that automaton: 16 MiB.
const maxAll = 4 << 20

func (t *tier) everyone() *crowd {
	members := make([]int, len(t.id))
	for k := range members {
		members[k] = k
	}
	c, n := newCrowd(&t.tails, members, maxAll)
	if n < len(members) {
		return nil
	}
	return c
}

// find adds the tier's hits in the block.
func (t *tier) find(c *Scratch) {
	if len(c.b.Bytes) < t.stride+t.gram-1 {
		return
	}
	t.begin(c)
	for i := 0; i+t.gram <= len(c.b.Bytes); {
		from := i
		i = t.scan(c, i)
		if t.take(c, from, i) {
			break
		}
	}
	t.finish(c)
}

func (t *tier) begin(c *Scratch) { c.near, c.work = c.near[:0], 0 }

// take looks at the candidates of the block between from and i. It reports
// whether the rest of the block is taken care of.
func (t *tier) take(c *Scratch, from, i int) bool {
	for _, x := range c.found[:c.n] {
		t.check(c, x.i, x.h)
	}
	if t.only && c.crowded() {
		return true
	}
	if c.work <= budget*i+64<<10 {
		return false
	}
	all := t.all()
	if all != nil {
		all.sweep(c, t, stretch{max(0, from-all.max), len(c.b.Bytes)})
	}
	return all != nil
}

func (t *tier) finish(c *Scratch) {
	if t.crowd != nil {
		t.crowd.find(c, t)
	}
}

// check looks at the entries of the gram with hash h that was found at i.
func (t *tier) check(c *Scratch, i int, h uint64) {
	want := tag(h)
	for n := t.heads[h>>t.hshift]; n >= 0; {
		e := &t.entries[n]
		n = e.next
		if e.tag != want {
			continue
		}
		if e.ahead == 0 {
			c.ask(i-t.crowd.max+t.gram, i+t.crowd.max)
			continue
		}
		end := i + int(e.ahead)
		if end > len(c.b.Bytes) || end <= c.b.From && (!t.word || end < c.b.From) {
			continue
		}
		p, k := c.b.Bytes[:end], -1
		if e.drop == inPool {
			if n := int(e.last); n <= end {
				k = t.pool.find(&t.tails, p[end-n:])
			}
		} else if (lastWord(p)^e.last)>>e.drop == 0 {
			k = t.longest(p, int(e.lo), &c.work)
		}
		if k >= 0 {
			t.report(c, k, end)
		}
	}
}

// report appends needle k, which ends at end, and those it ends with.
func (t *tier) report(c *Scratch, k, end int) {
	for ; k >= 0; k = int(t.up[k]) {
		h := Hit{end - int(t.at[k+1]-t.at[k]), end, int(t.id[k])}
		if c.b.opens(h.Start) && (!t.word || c.b.encloses(h.Start, end)) {
			c.hits = append(c.hits, h)
		}
		if !t.every && !t.word {
			return
		}
	}
}

func (t *tier) size() int {
	n := t.tails.size() + 8*len(t.words) + 4*len(t.heads) + 24*cap(t.entries)
	if t.crowd != nil {
		n += t.crowd.size()
	}
	if t.pool != nil {
		n += 4 * len(t.pool.slots)
	}
	return n
}
