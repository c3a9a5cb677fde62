package match

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// prefixes answers "may the end of this block still become an occurrence?". It
// asks from the cheapest to the dearest: the last byte, the last two, the last
// four say whether any needle could be under way; then the first bytes of each
// suffix; at last the ordered needles themselves.
type prefixes struct {
	inner [4]uint64 // bytes that stand in a needle, its last byte aside
	pairs []uint64  // two such bytes in a row
	quads bitset    // four, hashed
	heads bitset    // first four bytes of needles, hashed
	twos  bitset    // first two
	ones  [4]uint64
	tiers []ordered
	max   int
}

// ordered is the needles of a tier in the usual order.
type ordered struct {
	*tails
	by    []keyed
	known int // so many of the needles were entered
	word  bool
}

// ordered returns the needles in the usual order.
func (t *tier) ordered() []keyed {
	all := make([]int32, len(t.id))
	for k := range all {
		all[k] = int32(k)
	}
	order := arrange(all, t.first, t.less)
	if t.room > 0 { // that of a Growing may hold a needle twice
		order = slices.CompactFunc(order, func(a, b keyed) bool { return a.key == b.key && t.less(a.id, b.id) == 0 })
	}
	return order
}

func (t *tails) first(k int32) uint64 { return firstWord(t.needle(int(k))) }

func (t *tails) less(a, b int32) int { return bytes.Compare(t.needle(int(a)), t.needle(int(b))) }

// newPrefixes enters the needles of the tiers. Its tables have room for times as
// many.
func newPrefixes(tiers []*tier, times int) prefixes {
	p := prefixes{}
	total, n := 0, 0
	for _, t := range tiers {
		if t.wide {
			continue
		}
		p.tiers = append(p.tiers, ordered{tails: &t.tails, by: t.ordered(), known: len(t.id), word: t.word})
		p.max = max(p.max, t.max)
		total += len(t.text)
		n += len(t.id)
	}
	p.pairs = make([]uint64, 1<<10)
	p.quads, p.heads, p.twos = newBitset(4*times*total), newBitset(16*times*n), newBitset(8*times*n)
	for _, o := range p.tiers {
		var before []byte
		for _, k := range o.by {
			n := o.needle(int(k.id))
			p.add(n, before, o.word)
			before = n
		}
	}
	return p
}

// add enters a needle; what it has in common with the one before it in the order
// is there already. A word is under way until the byte after it is known.
func (p *prefixes) add(n, before []byte, word bool) {
	known := min(commonPrefix(n, before), max(0, len(before)-1))
	p.heads.set(four(n))
	if !word {
		n = n[:len(n)-1]
	}
	p.ones[n[0]>>6] |= 1 << (n[0] & 63)
	p.twos.set(two(n))
	for i := max(0, known-3); i < len(n); i++ {
		p.inner[n[i]>>6] |= 1 << (n[i] & 63)
		if i+2 <= len(n) {
			set16(p.pairs, n[i:])
		}
		if i+4 <= len(n) {
			p.quads.set(four(n[i:]))
		}
	}
}

// find returns the first i such that b.Bytes[i:] is under way.
func (p *prefixes) find(b *Block) int {
	s, n := b.Bytes, len(b.Bytes)
	if n == 0 || p.inner[s[n-1]>>6]>>(s[n-1]&63)&1 == 0 {
		return n
	}
	i := max(0, n-p.max)
	if n < 2 || !has16(p.pairs, s[n-2:]) {
		i = max(i, n-1)
	} else if n >= 4 && !p.quads.has(four(s[n-4:])) {
		i = max(i, n-3)
	}
	for ; i+4 <= n; i++ {
		if p.heads.has(four(s[i:])) && p.under(b, i) {
			return i
		}
	}
	for ; i+2 <= n; i++ {
		if p.twos.has(two(s[i:])) && p.under(b, i) {
			return i
		}
	}
	for ; i < n; i++ {
		if p.ones[s[i]>>6]>>(s[i]&63)&1 != 0 && p.under(b, i) {
			return i
		}
	}
	return n
}

// under reports whether a needle begins with b.Bytes[i:] and needs more bytes.
func (p *prefixes) under(b *Block, i int) bool {
	if !b.opens(i) {
		return false
	}
	for t := range p.tiers {
		o := &p.tiers[t]
		if o.word && !b.edge(i) {
			continue
		}
		if o.under(b.Bytes[i:]) {
			return true
		}
	}
	return false
}

// under reports whether a needle begins with x and is longer; or, a word, as long.
func (o *ordered) under(x []byte) bool { return o.begins(x) != nil }

// begins returns such a needle, or nil.
func (o *ordered) begins(x []byte) []byte {
	if len(x) > o.max {
		return nil
	}
	// The keys of those needles lie between that of x and the same with its missing
	// bytes set.
	low := firstWord(x)
	high := low | ^uint64(0)>>(8*min(len(x), 7))
	if len(x) >= 8 {
		high = low
	}
	k, _ := slices.BinarySearchFunc(o.by, low, func(o keyed, low uint64) int { return cmp.Compare(o.key, low) })
	if len(x) > 8 {
		n := sort.Search(len(o.by)-k, func(i int) bool {
			b := o.by[k+i]
			return b.key > low || b.key == low && bytes.Compare(o.needle(int(b.id)), x) >= 0
		})
		k += n
	}
	for ; k < len(o.by) && o.by[k].key <= high; k++ {
		n := o.needle(int(o.by[k].id))
		switch is := bytes.HasPrefix(n, x); {
		case is && (len(n) > len(x) || o.word):
			return n
		case !is && len(x) > 8: // it comes behind x, and so do the others
			return nil
		}
	}
	return nil
}

// rest returns what a needle has behind b.Bytes[i:], with which it begins: as
// long as the stream goes on with that, and does not reach its end, the needle is
// under way. Words have none.
func (p *prefixes) rest(b *Block, i int) []byte {
	if i == len(b.Bytes) || !b.opens(i) {
		return nil
	}
	x := b.Bytes[i:]
	for t := range p.tiers {
		o := &p.tiers[t]
		if n := o.begins(x); n != nil && !o.word {
			return n[len(x):]
		}
	}
	return nil
}

func (p *prefixes) size() int {
	n := 8 * (len(p.pairs) + len(p.quads.bits) + len(p.heads.bits) + len(p.twos.bits))
	for _, o := range p.tiers {
		n += 16 * len(o.by)
	}
	return n
}

func set16(bits []uint64, p []byte) {
	v := binary.LittleEndian.Uint16(p)
	bits[v>>6] |= 1 << (v & 63)
}

func has16(bits []uint64, p []byte) bool {
	v := binary.LittleEndian.Uint16(p)
	return bits[v>>6]>>(v&63)&1 != 0
}

func two(p []byte) uint32 { return uint32(binary.LittleEndian.Uint16(p)) }

func four(p []byte) uint32 { return binary.LittleEndian.Uint32(p) }

// bitset holds hashed groups of bytes.
type bitset struct {
	bits  []uint64
	shift uint
}

func newBitset(n int) bitset {
	size := min(max(bits.Len(uint(n)), 6), 22)
	return bitset{make([]uint64, 1<<(size-6)), uint(64 - size)}
}

func (s *bitset) set(v uint32) {
	bit := uint64(v) * multiplier >> s.shift
	s.bits[bit>>6] |= 1 << (bit & 63)
}

func (s *bitset) has(v uint32) bool {
	bit := uint64(v) * multiplier >> s.shift
	return s.bits[bit>>6]>>(bit&63)&1 != 0
}
