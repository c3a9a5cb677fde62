package match

import "strings"

// fill puts the rarest window of each needle into the filter. It returns the
// needles that found no window with room.
func (t *tier) fill() (crowd []int) {
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

// maxReach bounds how far from its end a needle's window is looked for.
const maxReach = 32

func (t *tier) reach(k int) []byte {
	n := t.needle(k)
	return n[max(0, len(n)-max(maxReach, t.gram+t.stride-1)):]
}

// taken is what a gram costs for each entry that it has already, as against what
// its bytes cost for being common in text.
const taken = 64

// window returns how far before the end of needle k its best window begins: the
// one whose grams few needles before it have taken, and whose bytes are rare in
// text. Late windows are preferred: beginnings such as "ghp_" are shared.
func (t *tier) window(k int) int {
	n := t.reach(k)
	var costs [maxStride]uint32
	var sum, best uint32 = 0, 1 << 31
	at, slot := 0, 0
	bytes := common[n[0]] + common[n[1]] + common[n[2]]
	for i := 0; i+t.gram <= len(n); i++ {
		bytes += common[n[i+3]]
		cost := bytes
		bytes -= common[n[i]]
		if h := t.hash(n, i); t.taken.has(tag(h)) {
			cost += taken * t.chained(h)
		}
		sum += cost - costs[slot]
		costs[slot] = cost
		if slot++; slot == t.stride {
			slot = 0
		}
		if i >= t.stride-1 && sum <= best {
			best, at = sum, i-t.stride+1
		}
	}
	return len(n) - at
}

// chained returns how many entries a gram has, up to what it may have.
func (f *filter) chained(h uint64) uint32 {
	count, want := uint32(0), tag(h)
	for n := f.heads[h>>f.hshift]; n >= 0 && count < maxPerGram; n = f.entries[n].next {
		if f.entries[n].tag == want {
			count++
		}
	}
	return count
}

// common says roughly how often a byte turns up in text: it keeps words out of
// the windows where random characters are to be had.
var common = func() (t [256]uint32) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z':
			t[c] = 6
		case strings.IndexByte(" ./:-\"=_", byte(c)) >= 0:
			t[c] = 5
		case '0' <= c && c <= '9':
			t[c] = 4
		case 'A' <= c && c <= 'Z':
			t[c] = 2
		}
	}
	return t
}()

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
		t.taken.set(tag(h))
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
		if o.lo == e.lo && o.last == e.last && o.ahead == e.ahead && o.drop == e.drop {
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
