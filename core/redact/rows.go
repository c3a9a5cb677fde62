package redact

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"github.com/opaquevault/ov/core/match"
)

// A dump prints the stream that it dumps in rows, with offsets before them and
// often with a column of characters behind. In the squeezed view these stand
// between the pieces of a value, and a piece in a row may be shorter than any
// fragment. So there is a second view, of the rows alone:
//
//   - A row is a line that begins with an offset: four to sixteen hex digits of
//     which the first is 0, or such behind 0x, and then a colon or a blank. Up to
//     eight blanks and signs may stand before it, as in quoted mail.
//   - Its data is what follows, up to the column of characters (see column) or the
//     fourth character of a word that is no number.
//   - The view is the letters and digits of the data of one row after another,
//     capitals as small letters. A row that is shorter than the one before is the
//     last of its dump, as are one without data and any other line: there the view
//     has a rift.
//
// What is found in it covers the stream from its first byte to its last. The column
// of characters of the row in which it ends is masked too. It begins in a row of at
// least eight words or sixteen letters and digits: others are numbered lines of text,
// of which nothing must be held back.

// rows is the view of the rows of a stretch of the stream.
type rows struct {
	text   []byte
	origin []int32 // of each byte of text
	all    []row
	reader rowReader // at the end of the stretch
}

// A row is a row of a stretch.
type row struct {
	line   int  // where its line begins, before the stretch perhaps
	from   int  // in text
	column int  // where its column of characters begins, if it is done
	end    int  // of that
	full   bool // a match may start in it
	done   bool // no more data comes
}

// build makes the view of win, which the reader comes to.
func (v *rows) build(win []byte, r rowReader) {
	v.text, v.origin, v.all, v.reader = v.text[:0], v.origin[:0], v.all[:0], r
	if r.inRow() {
		first := row{line: -r.size, column: len(win), end: len(win), full: r.full(), done: r.mode == rowColumn}
		if first.done {
			first.column = 0
		}
		v.all = append(v.all, first)
	}
	for i := 0; i < len(win); {
		if !v.reader.none(win[i]) {
			i = v.line(win, i)
			continue
		}
		v.rift()
		v.reader = rowReader{}
		if i = nextLead(win, i); i < 0 {
			v.reader.mode = rowNone
			break
		}
	}
}

// nextLead returns the start of the next line of p behind i that may be a row, or
// the end of p if a line begins there; -1 if p ends inside a line.
func nextLead(p []byte, i int) int {
	for {
		n := bytes.IndexByte(p[i:], '\n')
		if n < 0 {
			return -1
		}
		if i += n + 1; i == len(p) || begins[p[i]] {
			return i
		}
	}
}

// line reads win from i on, up to the end of the line or to where it is none of a
// row.
func (v *rows) line(win []byte, i int) int {
	r := &v.reader
	for ; i < len(win) && r.mode != rowNone; i++ {
		c, was := win[i], *r
		if r.take(c) {
			v.text, v.origin = append(v.text, c|small), append(v.origin, int32(i))
		}
		if was.inRow() {
			v.goOn(i, &was)
		} else if r.mode == rowData {
			v.all = append(v.all, row{line: i + 1 - r.size, from: len(v.text), column: len(win), end: len(win)})
		}
		if c == '\n' {
			if r.before == 0 {
				v.rift()
			}
			return i + 1
		}
	}
	return i
}

// goOn brings the last row up to date with win[i], which the reader that was has
// read.
func (v *rows) goOn(i int, was *rowReader) {
	last := &v.all[len(v.all)-1]
	switch {
	case !v.reader.inRow():
		if last.end = i; was.mode == rowData {
			last.full, last.done, last.column = was.full(), true, i
		}
	case v.reader.mode == rowColumn && was.mode == rowData:
		last.full, last.done, last.column = was.full(), true, i
	case was.mode == rowData:
		last.full = v.reader.full()
	}
}

// edge returns the reader behind p, the beginning of the stretch that was read
// last, if it is r before it.
func (v *rows) edge(p []byte, r rowReader) rowReader {
	if k := bytes.LastIndexByte(p, '\n'); k >= 0 && len(v.all) == 0 {
		r, p = rowReader{}, p[k+1:]
	}
	for len(p) > 0 {
		if !r.none(p[0]) {
			r.take(p[0])
			p = p[1:]
			continue
		}
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			return rowReader{mode: rowNone}
		}
		r, p = rowReader{}, p[n+1:]
	}
	return r
}

// rift says that what comes is not of the same dump.
func (v *rows) rift() {
	if n := len(v.text); n > 0 && v.text[n-1] != rift {
		v.text, v.origin = append(v.text, rift), append(v.origin, v.origin[n-1])
	}
}

// of returns the row of text[i].
func (v *rows) of(i int) int {
	return sort.Search(len(v.all), func(k int) bool { return v.all[k].from > i }) - 1
}

// opens reports whether a match may start at text[i].
func (v *rows) opens(i int) bool {
	r := &v.all[v.of(i)]
	return r.full || !r.done
}

// A found row is one in which something ends.
type foundRow struct {
	line int64 // where it begins
	who  form
}

// searchRows does what search does in the rows of b. All that is undecided is
// searched again each time, and so the spans of rows are made anew.
func (w *Writer) searchRows(b match.Block, base int64) int {
	v := &w.rows
	v.build(b.Bytes, w.reader)
	w.rowSpans = w.rowSpans[:0]
	if len(v.all) == 0 {
		w.found = w.found[:0]
		return len(b.Bytes)
	}
	w.found = slices.DeleteFunc(w.found, func(f foundRow) bool { return f.line < base+int64(v.all[0].line) })
	f := &w.set.view
	s := match.Block{Bytes: v.text, Prev: -1, Final: b.Final, Open: w.opensRow}
	whole, runs := f.Find(&w.scratch, s)
	w.addRows(base, whole, f.wholeOf)
	w.addRows(base, runs, f.runsOf)
	w.addColumns(base)
	if h := f.Hold(s); h < len(v.text) {
		return int(v.origin[h])
	}
	return len(b.Bytes)
}

func (w *Writer) addRows(base int64, hits []match.Hit, of []form) {
	v := &w.rows
	for _, h := range hits {
		who := of[h.Needle]
		w.rowSpans = append(w.rowSpans, span{start: base + int64(v.origin[h.Start]), end: base + int64(v.origin[h.End-1]) + 1, who: who, row: true})
		w.found = append(w.found, foundRow{base + int64(v.all[v.of(h.End-1)].line), who})
	}
}

// addColumns adds the columns of characters of the rows in which something ends,
// of several things the first one in the order of forms.
func (w *Writer) addColumns(base int64) {
	slices.SortFunc(w.found, func(a, b foundRow) int {
		return cmp.Or(cmp.Compare(a.line, b.line), span{who: a.who}.order(span{who: b.who}))
	})
	w.found = slices.CompactFunc(w.found, func(a, b foundRow) bool { return a.line == b.line })
	rest := w.found
	for _, r := range w.rows.all {
		line := base + int64(r.line)
		for len(rest) > 0 && rest[0].line < line {
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].line == line && r.column < r.end {
			w.rowSpans = append(w.rowSpans, span{start: base + int64(r.column), end: base + int64(r.end), who: rest[0].who, row: true})
		}
	}
}
