package rule

import (
	"cmp"
	"slices"

	"github.com/opaquevault/ov/core/scan"
)

// maxValue bounds the copy of a finding: a longer one is masked, but not
// reported as a value.
const maxValue = 8 << 10

// A Stream runs a set over one stream. It is not safe for concurrent use.
type Stream struct {
	set     *Set
	base    int64  // offset of the first byte that the caller presents next
	pass    int64  // bytes before it are decided and reported
	seen    int64  // the automaton has been here
	state   uint16 // of the automaton
	pending []candidate
	found   []finding // not yet wholly reported, by start
	masked  int64     // end of the last range reported; -1 before any
	ends    ends
	ranges  []Range
	done    []Finding

	accounts []account // by rule; nil before a keyword is seen
}

// A candidate is a keyword whose scanner cannot decide yet.
type candidate struct {
	at   int64 // of the keyword
	from int64 // bytes from here on wait for it
	rule int
}

// A finding is a span of the stream.
type finding struct {
	start, end int64
	wait       int64 // with open: bytes from end to here wait for Follow
	limit      int64 // with open: swallow to here at most
	rule       int
	open       bool
	state      uint32 // of Follow
	label      string
	value      []byte // a copy of the bytes as far as they have been reported
}

// A Range is a run of bytes to mask, offsets in the buffer of this call. Ranges
// do not overlap; a marker stands where a First one starts, and none where the
// range only goes on from the call before.
type Range struct {
	Start, End int
	Rule       int // of the finding that starts it
	First      bool
}

// A Finding is one span that a scanner found, reported when it has been masked
// to its end.
type Finding struct {
	Rule       int
	Start, End int64 // in the stream
	Label      string
	Value      []byte // its bytes, valid until the next call; nil if longer than 8 KiB
}

// A Result is what a call of Scan decided.
type Result struct {
	Ranges   []Range
	Findings []Finding // by End
	Pass     int       // bytes before it are decided: pass or mask them
	Keep     int       // present the bytes from here on again, before new ones
}

// NewStream starts a stream.
func (s *Set) NewStream() *Stream { return &Stream{set: s, masked: -1} }

// Scan looks at b, which begins with the bytes that the call before asked to
// keep; final says that no more will come. The slices of the result are valid
// until the next call. Bytes between Keep and Pass are context: decided, but
// presented again.
func (s *Stream) Scan(b []byte, final bool) Result {
	limit := s.base + int64(len(b))
	s.ranges, s.done = s.ranges[:0], s.done[:0]

	// 1. Spans that go on from before.
	for i := range s.found {
		s.extend(&s.found[i], b, final)
	}
	// 2. What could not be decided before, then new keywords.
	waiting := s.pending
	s.pending = s.pending[:0]
	for _, c := range waiting {
		s.account(c.rule).waiting = 0
	}
	for _, c := range waiting {
		s.check(c, b, final)
	}
	s.search(b, final)
	// 3. How far everything is decided.
	pass := limit
	if !final {
		pass = s.base + int64(s.set.holdBack(b, int(s.pass-s.base), s.state))
	}
	for _, c := range s.pending {
		pass = min(pass, c.from)
	}
	for i := range s.found {
		if f := &s.found[i]; f.open && f.wait > f.end {
			pass = min(pass, f.end)
		}
	}
	pass = max(pass, s.pass)
	if final {
		s.end(limit)
	}
	// 4. Ranges up to there, and the context to keep.
	s.report(b, pass)
	s.pass = pass
	keep := pass - int64(s.set.behind+s.set.dfa.long)
	for _, c := range s.pending {
		keep = min(keep, s.window(c))
	}
	keep = min(max(keep, s.base), pass)
	r := Result{s.ranges, s.done, int(pass - s.base), int(keep - s.base)}
	s.base = keep
	return r
}

// end cuts what was masked unjudged off at the end of the stream.
func (s *Stream) end(limit int64) {
	for i := range s.found {
		s.found[i].end = min(s.found[i].end, limit)
	}
}

// Release makes the stream take all bytes that it has seen for passed, decided or
// not: a finding that began in them masks only what comes after.
func (s *Stream) Release() { s.pass = s.seen }

// search runs the automaton over what is new in b and asks about its hits.
func (s *Stream) search(b []byte, final bool) {
	set := s.set
	s.state = set.dfa.scan(b, int(s.seen-s.base), s.state, &s.ends)
	s.seen = s.base + int64(len(b))
	for _, lane := range s.ends {
		for _, e := range lane {
			for _, id := range set.dfa.out[e.state] {
				w := &set.words[id]
				at := e.at - len(w.text)
				if at < 0 || !w.is(b[at:e.at]) {
					continue
				}
				a := s.account(w.rule)
				if a.waiting > 0 && a.seen == s.base+int64(at) {
					continue // a shorter keyword of the rule starts here, and will be judged with this one
				}
				a.seen = s.base + int64(at)
				from := at
				if w.held {
					from -= set.rules[w.rule].run(b[:at])
				} else {
					from = e.at
				}
				s.check(candidate{s.base + int64(at), s.base + int64(from), w.rule}, b, final)
			}
		}
	}
}

// window returns where the window of a candidate starts.
func (s *Stream) window(c candidate) int64 {
	e := &s.set.rules[c.rule]
	return max(0, c.at-int64(e.Before+e.Behind))
}

// check asks the scanner about a candidate, or lets it wait: for more of the
// stream, or for the keywords of its rule before it.
func (s *Stream) check(c candidate, b []byte, final bool) {
	a := s.account(c.rule)
	if a.waiting > 0 {
		s.wait(c, a)
		return
	}
	e := &s.set.rules[c.rule]
	switch {
	case e.Sweep && c.at < a.read:
		return
	case a.earn(e, c.at) > e.overdraft:
		s.drown(c, b, final)
		return
	}
	lo := max(0, int(s.window(c)-s.base))
	at := int(c.at - s.base)
	hi := len(b)
	if at+e.Need <= hi {
		hi = at + e.Need
	}
	whole := final || hi == at+e.Need
	spans, more, read := e.ask(b[lo:hi:hi], at-lo, final && hi == len(b))
	if more && !whole {
		if len(spans) > 0 {
			c.from = max(c.from, s.base+int64(lo+max(0, spans[0].Start)))
		}
		s.wait(c, a)
		return
	}
	a.charge(e, c.at, c.at+int64(max(0, min(read-(at-lo), e.Need))))
	if more { // it must decide now and does not: mask what it would have decided on
		s.add(finding{start: c.from, end: s.base + int64(hi), rule: c.rule}, b, final)
		return
	}
	for _, sp := range spans {
		start, end := lo+sp.Start, lo+sp.End
		if sp.Start < 0 || sp.End < sp.Start || end > hi || sp.Rule < 0 { // a scanner that errs must not unmask
			start, end = int(c.from-s.base), hi
		}
		s.add(finding{
			start: max(c.from, s.base+int64(start)), end: s.base + int64(end),
			rule: e.peer(sp.Rule, c.rule), label: sp.Label, open: sp.Open,
		}, b, final)
	}
}

// wait keeps a candidate for the next call.
func (s *Stream) wait(c candidate, a *account) {
	a.waiting++
	s.pending = append(s.pending, c)
}

// add enters a finding in order of start and rule. Two keywords may lead to the
// same one.
func (s *Stream) add(f finding, b []byte, final bool) {
	if f.end <= f.start && !f.open {
		return
	}
	f.limit = f.start + int64(s.set.rules[f.rule].Max)
	f.wait = f.end
	if f.open && s.join(f, b, final) {
		return
	}
	s.extend(&f, b, final)
	s.insert(f)
}

// insert puts a finding in its place.
func (s *Stream) insert(f finding) {
	if n := len(s.found); n == 0 || s.found[n-1].compare(f) < 0 {
		s.found = append(s.found, f)
		return
	}
	i, found := slices.BinarySearchFunc(s.found, f, finding.compare)
	if found && !f.open && !s.found[i].open {
		s.found[i].end = max(s.found[i].end, f.end)
		return
	}
	s.found = slices.Insert(s.found, i, f)
}

// join lets a finding that begins within one of its rule that is carried on byte
// by byte be a part of that one: so a run of tokens in a token is gone through
// once.
func (s *Stream) join(f finding, b []byte, final bool) bool {
	a := s.account(f.rule)
	if s.set.rules[f.rule].Swallow == nil || a.open < 0 || f.start < a.open || f.start >= a.end {
		return false
	}
	i, found := slices.BinarySearchFunc(s.found, finding{start: a.open, rule: f.rule}, finding.compare)
	for ; found && i < len(s.found) && s.found[i].start == a.open && s.found[i].rule == f.rule; i++ {
		if g := &s.found[i]; g.end == a.end {
			g.end, g.limit, g.open = max(g.end, f.end), max(g.limit, f.limit), true
			s.extend(g, b, final)
			return true
		}
	}
	return false
}

func (f finding) compare(g finding) int {
	return cmp.Or(cmp.Compare(f.start, g.start), cmp.Compare(f.rule, g.rule))
}

func (f *finding) same(g finding) bool { return f.start == g.start && f.rule == g.rule }

// extend carries an open span on over the bytes that are there.
func (s *Stream) extend(f *finding, b []byte, final bool) {
	if !f.open {
		return
	}
	r := &s.set.rules[f.rule]
	if f.end > s.base+int64(len(b)) { // a flood: it goes on where the stream has not come yet
		f.open = !final
		return
	}
	b = b[:min(int64(len(b)), f.limit-s.base)]
	at := int(f.end - s.base)
	if r.Swallow != nil {
		for at < len(b) && r.Swallow(b[at]) {
			at++
		}
		s.advance(f, at)
		f.open = at == len(b) && s.base+int64(at) < f.limit && !final
		if a := s.account(f.rule); f.start >= a.open {
			a.open, a.end = f.start, f.end
		}
		return
	}
	for r.Follow != nil {
		rest := b[at:min(at+scan.MaxFollow, len(b))]
		last := s.base+int64(len(b)) == f.limit || final
		n, next, more := r.Follow(f.state, rest, last && at+len(rest) == len(b))
		f.state = next
		if n <= 0 && more && (last || len(rest) == scan.MaxFollow) { // it must decide now and does not: mask
			n = len(rest)
		}
		if n > 0 {
			at += min(n, len(rest))
			continue
		}
		s.advance(f, at)
		f.wait = s.base + int64(len(b))
		f.open = more && !last
		return
	}
	f.open = false
}

// advance moves the end of an open span.
func (s *Stream) advance(f *finding, at int) {
	f.end = s.base + int64(at)
	f.wait = f.end
}

// report turns the findings into ranges up to pass, and drops those that end
// there.
func (s *Stream) report(b []byte, pass int64) {
	kept := s.found[:0]
	for i := range s.found {
		f := s.found[i]
		lo, hi := max(f.start, s.pass), min(f.end, pass)
		if lo < hi {
			s.mask(lo, hi, f.rule)
			if f.label != Flooded {
				f.keep(b[lo-s.base : hi-s.base])
			}
		}
		if f.open || f.end > pass {
			kept = append(kept, f)
			continue
		}
		if n := len(kept); n > 0 && kept[n-1].same(f) || i+1 < len(s.found) && s.found[i+1].same(f) {
			continue // a longer one of the same rule starts here
		}
		s.done = append(s.done, Finding{f.rule, f.start, f.end, f.label, f.whole()})
	}
	s.found = kept
	slices.SortStableFunc(s.done, func(a, b Finding) int { return cmp.Compare(a.End, b.End) })
}

// mask adds a range, or lets the last one go on.
func (s *Stream) mask(lo, hi int64, rule int) {
	if n := len(s.ranges); n > 0 && lo <= s.masked {
		last := &s.ranges[n-1]
		last.End = max(last.End, int(hi-s.base))
		s.masked = max(s.masked, hi)
		return
	}
	s.ranges = append(s.ranges, Range{int(lo - s.base), int(hi - s.base), rule, lo > s.masked})
	s.masked = max(s.masked, hi)
}

// keep copies the bytes of a value before the caller lets go of them.
func (f *finding) keep(b []byte) {
	if len(f.value)+len(b) <= maxValue {
		f.value = append(f.value, b...)
	}
}

// whole returns the value if all of it was kept.
func (f *finding) whole() []byte {
	if int64(len(f.value)) != f.end-f.start {
		return nil
	}
	return f.value
}
