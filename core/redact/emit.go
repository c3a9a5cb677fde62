package redact

import (
	"bytes"
	"io"
	"slices"

	"github.com/opaquevault/ov/core/match"
)

// step takes the block p, of which the first bytes were in the block before.
//
//  1. The finders look at it: spans, and how far it is decided.
//  2. What is decided is passed on, with markers for the spans.
//  3. What is not is kept.
func (w *Writer) step(p []byte, final bool) {
	end := w.base + int64(len(p))
	// 1.
	skip := int(w.first - w.base)
	b := match.Block{Bytes: p[skip:], From: int(w.seen - w.first), Prev: w.prev, Final: final}
	first := w.first + int64(w.search(b, w.first))
	w.seen = end
	// 2.
	w.emit(p, first)
	// 3.
	if n := int(first - w.first); n > 0 {
		w.prev = int(b.Bytes[n-1])
		if !w.set.view.empty() {
			w.edge = w.view.edgeAt(n)
			w.reader = w.rows.edge(b.Bytes[:n], w.reader)
		}
		w.first = first
	}
	w.keep(p, first)
	w.expect(final)
}

// longHeld is how many bytes are held before it is worth to say what is expected.
const longHeld = 8

// expect notes what has to come next for all that is held to be held still. So a
// long needle that comes byte by byte is not searched from its start at each.
func (w *Writer) expect(final bool) {
	w.rest = nil
	if !final && len(w.buf) >= longHeld && !w.set.stream.empty() {
		w.rest = w.set.stream.Rest(match.Block{Bytes: w.buf, Prev: w.prev}, 0)
	}
}

// expected reports whether p is the next of what is expected, and not the end of
// it: then nothing is found or decided by it that could not be later.
func (w *Writer) expected(p []byte) bool {
	if w.err != nil || len(p) >= len(w.rest) || !bytes.Equal(p, w.rest[:len(p)]) {
		return false
	}
	w.rest = w.rest[len(p):]
	return true
}

// keep makes the bytes of p from the offset on the beginning of the next block.
func (w *Writer) keep(p []byte, from int64) {
	rest := p[from-w.base:]
	if len(w.buf) > 0 {
		w.buf = w.buf[:copy(w.buf, rest)] // p is in buf
	} else {
		w.buf = append(w.buf, rest...)
	}
	w.base = from
}

// emit passes on or masks everything before the offset to, which p reaches.
func (w *Writer) emit(p []byte, to int64) {
	w.spans = append(w.spans, w.rowSpans...)
	if len(w.spans) > 1 {
		slices.SortFunc(w.spans, span.order)
	}
	n := 0
	for ; n < len(w.spans); n++ {
		s := &w.spans[n]
		if s.start >= to && !(w.open && s.start <= w.mask.End) { // undecided, and no part of what is masked
			break
		}
		if w.open && s.start <= w.mask.End {
			w.mask.End = max(w.mask.End, s.end)
			continue
		}
		w.pass(p, s.start)
		w.shut()
		w.start(s)
	}
	w.spans = w.spans[:copy(w.spans, w.spans[n:])]
	n = len(w.spans)
	w.spans = slices.DeleteFunc(w.spans, span.isRow)
	w.rowSpans, w.rowsWait = w.rowSpans[:0], len(w.spans) < n
	w.pass(p, to)
	if w.open && w.mask.End < to {
		w.shut()
	}
}

// start begins a masked range with its marker.
func (w *Writer) start(s *span) {
	w.mask = Mask{Name: w.set.needles[s.who.needle].Name, Lane: s.who.lane, Start: s.start, End: s.end}
	w.write(s.start, w.set.markers[s.who.needle])
	w.counts[counter{s.who.needle, s.who.lane}]++
	w.open = true
}

// shut tells the hook of the masked range that has ended.
func (w *Writer) shut() {
	if w.open && w.hook != nil {
		w.hook(w.mask)
	}
	w.open = false
}

// pass writes the bytes of p before the offset to that are in no masked range.
func (w *Writer) pass(p []byte, to int64) {
	if w.open {
		w.out = max(w.out, min(to, w.mask.End))
	}
	if w.out < to {
		w.write(w.out, p[w.out-w.base:to-w.base])
		w.out = to
	}
}

// write passes p on; it stands at the offset at of the stream.
func (w *Writer) write(at int64, p []byte) {
	if w.err != nil {
		return
	}
	if w.patterns != nil {
		w.patterns.at(at)
	}
	n, err := w.dst.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.err = err
}
