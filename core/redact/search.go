package redact

import (
	"cmp"

	"github.com/opaquevault/ov/core/match"
)

// span is a range to mask, in offsets of the stream.
type span struct {
	start, end int64
	who        form
	inner      bool // it starts inside another one, or where that ends
	row        bool // it was found in rows, and will be again as long as it is undecided
}

func (a span) isRow() bool { return a.row }

// order sorts spans by start. Of those that start together the first one names
// the range: whole forms before pieces, the longest of the whole forms, then by
// lane and needle. How long a piece is does not count: that may depend on where
// the stream was cut.
func (a span) order(b span) int {
	if c := cmp.Compare(a.start, b.start); c != 0 {
		return c
	}
	if c := cmp.Compare(a.class(), b.class()); c != 0 {
		return c
	}
	if a.class() == 0 {
		if c := cmp.Compare(b.end, a.end); c != 0 {
			return c
		}
	}
	return cmp.Or(
		cmp.Compare(rank(a.who.lane), rank(b.who.lane)),
		cmp.Compare(a.who.needle, b.who.needle),
		cmp.Compare(b.end, a.end))
}

func (a span) class() int {
	if a.who.piece {
		return 1
	}
	return 0
}

// rank puts what stands in the stream before what stands in its view.
func rank(l Lanes) int {
	if l == Squeezed {
		return int(All)
	}
	return int(l)
}

// search looks at the stretch b of the stream, which begins at offset base. It
// gathers the spans that became known and returns from where on b is undecided.
func (w *Writer) search(b match.Block, base int64) int {
	hold := len(b.Bytes)
	if f := &w.set.stream; !f.empty() {
		whole, runs := f.Find(&w.scratch, b)
		w.addAll(base, whole, f.wholeOf)
		w.addAll(base, runs, f.runsOf)
		hold = f.Hold(b)
		if f.grown != nil {
			w.addAll(base, f.grown.Find(&w.scratch, b), f.grownOf)
			hold = min(hold, f.grown.Hold(b))
		}
	}
	if f := &w.set.view; !f.empty() {
		hold = min(hold, w.searchView(f, b, base), w.searchRows(b, base))
	}
	return hold
}

func (w *Writer) addAll(base int64, hits []match.Hit, of []form) {
	for _, h := range hits {
		w.add(base, h.Start, h.End, of[h.Needle])
	}
}

// add notes a span. One that starts inside another begins no range and names
// none: such spans only say how far the range goes, and one of them stands for
// all that follow closely. So a stream in which a needle ends at every byte does
// not make a span for every byte.
func (w *Writer) add(base int64, start, end int, who form) {
	s := span{start: base + int64(start), end: base + int64(end), who: who}
	for i := len(w.spans) - 1; i >= max(0, len(w.spans)-recent); i-- {
		o := &w.spans[i]
		switch {
		case s == *o:
			return
		case s.start > o.end || s.start < o.start || s.start == o.start && !o.inner:
		case o.inner:
			o.end = max(o.end, s.end)
			return
		case s.end <= o.end:
			return
		default:
			s.inner = true
		}
	}
	w.spans = append(w.spans, s)
}

// recent is how many spans back the others are looked for: a matcher may work
// on four parts of a block by turns.
const recent = 8

// searchView does the same in the squeezed view of b.
func (w *Writer) searchView(f *finder, b match.Block, base int64) int {
	v := &w.view
	v.build(b.Bytes, w.edge)
	s := match.Block{Bytes: v.text, From: v.index(b.From), Prev: -1, Final: b.Final, Open: w.opens}
	whole, runs := f.Find(&w.scratch, s)
	w.addView(base, whole, f.wholeOf)
	w.addView(base, runs, f.runsOf)
	hold := f.Hold(s)
	if hold == len(v.text) {
		return len(b.Bytes)
	}
	return v.origin(hold)
}

func (w *Writer) addView(base int64, hits []match.Hit, of []form) {
	for _, h := range hits {
		w.add(base, w.view.origin(h.Start), w.view.origin(h.End-1)+1, of[h.Needle])
	}
}
