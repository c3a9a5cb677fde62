package match

import "math/bits"

// fill puts the rarest window of each needle into the filter. It returns the
// needles that found no window with room.
func (t *tier) fill() (crowd []int) {
	t.counts = t.count()
	for lo := 0; lo < len(t.id); lo = int(t.upto[lo]) {
		for k := lo; k < int(t.upto[lo]); k++ {
			if !t.insert(k, lo) {
				crowd = append(crowd, k)
			}
		}
	}
	return crowd
}

// settle makes a crowd of the needles, as far as its table fits the cache. The
// rest, too many and too much alike, goes into the pool.
func (t *tier) settle(needles []int) {
	defer func() { t.counts = sketch{} }()
	if len(needles) == 0 {
		return
	}
	n := 0
	if t.crowd, n = newCrowd(&t.tails, needles, maxCrowd); n == 0 {
		t.crowd = nil
	}
	t.only = n == len(t.id)
	for _, k := range needles[:n] {
		t.callCrowd(k)
	}
	if n < len(needles) {
		t.pool = newPool(&t.tails, needles[n:])
		for _, k := range needles[n:] {
			t.callPool(k)
		}
	}
}

// A sketch counts grams roughly: grams that collide are counted together, which
// costs a good choice now and then and never a match.
type sketch struct {
	n     []uint16
	shift uint
}

func (s sketch) at(h uint64) *uint16 { return &s.n[h>>s.shift] }

func (t *tier) count() sketch {
	size := min(max(bits.Len(uint(2*len(t.text))), 8), 20)
	s := sketch{make([]uint16, 1<<size), uint(64 - size)}
	for k := range t.id {
		n := t.reach(k)
		for i := 0; i+t.gram <= len(n); i++ {
			if c := s.at(t.hash(n, i)); *c < 1<<15 {
				*c++
			}
		}
	}
	return s
}

// maxReach bounds how far from its end a needle's window is looked for.
const maxReach = 96

func (t *tier) reach(k int) []byte {
	n := t.needle(k)
	return n[max(0, len(n)-max(maxReach, t.gram+t.stride-1)):]
}

// window returns how far before the end of needle k its rarest window begins.
// Late windows are preferred: beginnings such as "ghp_" are shared.
func (t *tier) window(k int) int {
	n := t.reach(k)
	var costs [maxStride]uint32
	var sum, best uint32 = 0, 1 << 31
	at := 0
	for i := 0; i+t.gram <= len(n); i++ {
		cost := 16*min(uint32(*t.counts.at(t.hash(n, i))), 1<<10) + common(n[i:i+4])
		slot := &costs[i%t.stride]
		sum += cost - *slot
		*slot = cost
		if i >= t.stride-1 && sum <= best {
			best, at = sum, i-t.stride+1
		}
	}
	return len(n) - at
}

// common says roughly how often a gram's bytes turn up in text: it keeps words
// out of the windows where random characters are to be had.
func common(gram []byte) uint32 {
	var n uint32
	for _, c := range gram {
		switch {
		case 'a' <= c && c <= 'z':
			n += 6
		case c == ' ' || c == '.' || c == '/' || c == ':' || c == '-' || c == '"' || c == '=' || c == '_':
			n += 5
		case '0' <= c && c <= '9':
			n += 4
		case 'A' <= c && c <= 'Z':
			n += 2
		}
	}
	return n
}

// insert puts the window of needle k, one of the family lo, into the filter and
// reports whether there was room in the entries of each gram.
func (t *tier) insert(k, lo int) bool {
	n := t.needle(k)
	ahead := t.window(k)
	e := entry{last: lastWord(n), drop: uint8(8 * max(0, 8-len(n))), lo: uint32(lo)}
	var hashes [maxStride]uint64
	from := len(t.entries)
	for i := range t.stride {
		h := t.hash(n, len(n)-ahead+i)
		hashes[i] = h
		e.tag, e.ahead = tag(h), uint16(ahead-i)
		if !t.add(h, e, maxPerGram) {
			t.undo(from, hashes[:i])
			return false
		}
	}
	for _, h := range hashes[:t.stride] {
		t.set(h)
	}
	return true
}

// undo takes out the entries that were added last, for these grams in order.
func (f *filter) undo(from int, hashes []uint64) {
	for n := len(f.entries) - 1; n >= from; n-- {
		for i := len(hashes) - 1; i >= 0; i-- {
			if head := &f.heads[hashes[i]>>f.hshift]; *head == int32(n) {
				*head = f.entries[n].next
				break
			}
		}
	}
	f.entries = f.entries[:from]
}

// add chains the entry unless it is there already. It reports false if the
// gram has too many.
func (f *filter) add(h uint64, e entry, room int) bool {
	head := &f.heads[h>>f.hshift]
	same := 0
	for n := *head; n >= 0; n = f.entries[n].next {
		o := &f.entries[n]
		if o.tag != e.tag {
			continue
		}
		if o.last == e.last && o.ahead == e.ahead && o.drop == e.drop {
			return true
		}
		if same++; same == room {
			return false
		}
	}
	e.next = *head
	*head = int32(len(f.entries))
	f.entries = append(f.entries, e)
	return true
}

// callCrowd makes the grams of needle k's window call the crowd.
func (t *tier) callCrowd(k int) {
	n := t.needle(k)
	ahead := t.window(k)
	for i := 0; i < t.stride; i++ {
		h := t.hash(n, len(n)-ahead+i)
		t.set(h)
		t.call(h)
	}
}

func (f *filter) call(h uint64) {
	head := &f.heads[h>>f.hshift]
	for n := *head; n >= 0; n = f.entries[n].next {
		if f.entries[n].tag == tag(h) && f.entries[n].ahead == 0 {
			return
		}
	}
	f.entries = append(f.entries, entry{tag: tag(h), next: *head})
	*head = int32(len(f.entries) - 1)
}
