package redact

import (
	"bytes"

	"github.com/opaquevault/ov/core/compact"
	"github.com/opaquevault/ov/core/encode"
)

// maxGap is how many bytes may be left out between two bytes of the view before
// they no longer belong together.
const maxGap = 256

// rift stands in a view where a gap is too long: nothing matches across it. No
// other byte of a view is zero.
const rift = 0

// seen is the bytes that views keep: digits, and letters in small.
var seen = compact.New(encode.Separator, small)

// small makes a small letter of a capital. Digits have the bit.
const small = 0x20

func left(c byte) bool { return !seen.Keeps(c) }

// A view is a stretch of the stream without escape sequences and the bytes that
// are left out. Each byte of it is one of the stretch.
type view struct {
	text  []byte
	marks []mark
	escs  []int // where escape sequences begin
	win   []byte
	edge  edge

	starts [256]int32 // of the chunks that are copied at once
}

// A mark says that text[to] was win[from]. Up to the next mark every byte of win
// that the table keeps is in text.
type mark struct{ from, to int }

// edge is what the view of a stretch needs to know of the bytes before it.
type edge struct {
	esc   escape
	joins int // the byte before, if the view keeps it; else -1
	last  trail
}

// chunk is how many bytes are copied between two marks.
const chunk = compact.Block

// build makes the view of win.
func (v *view) build(win []byte, e edge) {
	v.win, v.edge, v.marks, v.escs = win, e, v.marks[:0], v.escs[:0]
	if cap(v.text) <= len(win) {
		v.text = make([]byte, len(win)+len(win)/4+chunk)
	}
	v.text = v.text[:cap(v.text)]
	c := copier{view: v}
	if e.esc.mode != plain {
		c.i = e.esc.skip(win, 0)
	}
	for c.i < len(win) {
		next := bytes.IndexByte(win[c.i:], esc)
		if next < 0 {
			c.plain(len(win))
			break
		}
		c.plain(c.i + next)
		v.escs = append(v.escs, c.i)
		s := escape{mode: escaped}
		c.i = s.skip(win, c.i+1)
	}
	if c.i-c.last > maxGap {
		c.rift()
	}
	v.text = v.text[:c.o]
}

// copier is a view under construction.
type copier struct {
	*view
	i, o int // bytes of win and of text that are done
	last int // the end of the last byte that was kept
}

// rift puts one.
func (c *copier) rift() {
	c.text[c.o] = rift
	c.o++
	c.last = c.i
}

// plain copies up to stop. No escape sequence begins before it.
func (c *copier) plain(stop int) {
	start := c.i
	c.gap(stop)
	for c.i < stop {
		if c.chunks(stop) {
			continue
		}
		c.last = c.lastKept(start)
		c.gap(stop)
	}
	c.last = c.lastKept(start)
}

// chunks copies some chunks up to stop and reports whether a byte of the last
// one was kept. If not, that one is not done.
func (c *copier) chunks(stop int) bool {
	starts := c.starts[:min((stop-c.i)/chunk, len(c.starts))]
	if len(starts) == 0 {
		c.marks = append(c.marks, mark{c.i, c.o})
		n := seen.Copy(c.text[c.o:], c.win[c.i:stop])
		if n > 0 {
			c.i, c.o = stop, c.o+n
		}
		return n > 0
	}
	done, n := seen.Blocks(c.text[c.o:], c.win[c.i:], starts)
	for k, at := range starts[:done] {
		c.marks = append(c.marks, mark{c.i + k*chunk, c.o + int(at)})
	}
	some := n > int(starts[done-1])
	if !some {
		done--
	}
	c.i, c.o = c.i+done*chunk, c.o+n
	return some
}

// lastKept returns the end of the last kept byte in win[start:i].
func (c *copier) lastKept(start int) int {
	for i := c.i; i > start; i-- {
		if !left(c.win[i-1]) {
			return i
		}
	}
	return c.last
}

// gap passes over bytes that are left out. If a byte that is kept follows too
// far behind the one before, a rift comes between.
func (c *copier) gap(stop int) {
	for c.i < stop && left(c.win[c.i]) {
		c.i++
	}
	if c.i < stop && c.i-c.last > maxGap {
		c.rift()
	}
}

// mark returns the last mark for which f holds; f holds up to some mark.
func (v *view) mark(f func(mark) bool) int {
	lo, hi := 0, len(v.marks)
	for lo < hi {
		if k := int(uint(lo+hi) >> 1); f(v.marks[k]) {
			lo = k + 1
		} else {
			hi = k
		}
	}
	return lo - 1
}

// origin returns where in win the byte text[i] was. It is not a rift.
func (v *view) origin(i int) int {
	m := v.marks[v.mark(func(m mark) bool { return m.to <= i })]
	for n := i - m.to; ; m.from++ {
		if left(v.win[m.from]) {
			continue
		}
		if n == 0 {
			return m.from
		}
		n--
	}
}

// index returns how many bytes of the view come from win[:at].
func (v *view) index(at int) int {
	k := v.mark(func(m mark) bool { return m.from <= at })
	if k < 0 {
		return 0
	}
	m, most := v.marks[k], len(v.text)
	if k+1 < len(v.marks) {
		most = v.marks[k+1].to
	}
	return min(m.to+seen.Count(v.win[m.from:at]), most)
}

// edgeAt returns the edge of a view that begins at win[at:].
func (v *view) edgeAt(at int) edge {
	if at == 0 {
		return v.edge
	}
	s, i := v.edge.esc, 0
	for k := len(v.escs) - 1; k >= 0; k-- {
		if v.escs[k] < at {
			s, i = escape{mode: escaped}, v.escs[k]+1
			break
		}
	}
	e := edge{joins: -1, last: v.before(at)}
	if s.mode != plain && s.skip(v.win[:at], i) == at {
		e.esc = s
		return e
	}
	if !left(v.win[at-1]) {
		e.joins = int(v.win[at-1])
	}
	return e
}
