package redact

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/encode"
	"github.com/opaquevault/ov/core/match"
)

// form is what a matcher's needle or text stands for.
type form struct {
	needle int32
	lane   Lanes
	piece  bool // only a piece of it was found
}

// collector gathers the forms of all values, sorted by who looks for them.
type collector struct {
	options      Options
	stream, view heap
	err          error // of a bug in collecting
}

// heap is what one finder will look for.
type heap struct {
	needles []match.Needle
	texts   []match.Text
	whole   []form // of needles
	runs    []form // of texts
	size    int    // in bytes, of the needles
}

// gather collects the forms of all needles, a share of them on each processor.
func gather(needles []Needle, o Options) (*collector, error) {
	share := max(1, (len(needles)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var parts []*collector
	var wg sync.WaitGroup
	for from := 0; from < len(needles); from += share {
		c := &collector{options: o}
		parts = append(parts, c)
		wg.Go(func() {
			defer crash.Recover(&c.err)
			for i := from; i < min(from+share, len(needles)) && c.size() <= match.MaxBytes; i++ {
				c.collect(i, needles[i].Value.Reveal())
			}
		})
	}
	wg.Wait()
	all := &collector{options: o}
	for _, c := range parts {
		if c.err != nil {
			return nil, c.err
		}
		all.stream.join(&c.stream)
		all.view.join(&c.view)
	}
	if all.size() > match.MaxBytes {
		return nil, fmt.Errorf("%w: their forms come to %d bytes and more, want at most %d", match.ErrSize, all.size(), match.MaxBytes)
	}
	return all, nil
}

func (c *collector) size() int { return c.stream.size + c.view.size }

// join appends what another heap holds.
func (h *heap) join(o *heap) {
	h.needles = append(h.needles, o.needles...)
	h.texts = append(h.texts, o.texts...)
	h.whole = append(h.whole, o.whole...)
	h.runs = append(h.runs, o.runs...)
	h.size += o.size
}

// collect adds the forms of a value in the lanes that are on.
func (c *collector) collect(needle int, value []byte) {
	src := encode.New(value)
	lanes := c.options.Lanes
	exact := src.Exact()
	var encoded []encode.Form
	if lanes&Encoded != 0 {
		encoded = src.Encoded()
	}
	if lanes&Exact != 0 {
		c.stream.add(needle, Exact, exact)
	}
	c.stream.add(needle, Encoded, encoded)
	if lanes&Fragments != 0 {
		c.stream.cut(needle, Fragments, exact, c.options.MinFragment)
		c.stream.cut(needle, Fragments, encoded, c.options.MinFragment)
	}
	if lanes&Squeezed != 0 {
		squeezed := src.Squeezed()
		if lanes&Fragments != 0 {
			least := viewFragment(c.options.MinFragment)
			c.view.cutRows(needle, squeezed, least)
			squeezed = slices.DeleteFunc(squeezed, func(f encode.Form) bool { return f.Covered(least) })
		}
		c.view.add(needle, Squeezed, squeezed)
	}
}

func (h *heap) add(needle int, lane Lanes, forms []encode.Form) {
	for _, f := range forms {
		if len(f.Bytes) >= match.MinLen && (lane != Squeezed || len(f.Bytes) >= minSqueezed) {
			h.size += len(f.Bytes)
			h.needles = append(h.needles, match.Needle{Bytes: f.Bytes, Word: f.Word})
			h.whole = append(h.whole, form{int32(needle), lane, false})
		}
	}
}

// viewFragment is the length of the shortest fragment that is looked for in the
// view, where what is short stands in the stream as it is: a third longer, which
// is a row of a dump, and the search takes steps that are longer by more.
func viewFragment(n int) int { return n + n/3 }

// minSqueezed is the length of the shortest form looked for in the view.
const minSqueezed = 8

// cutRows is cut for the view.
func (h *heap) cutRows(needle int, forms []encode.Form, least int) {
	for _, f := range forms {
		h.cut(needle, Fragments, []encode.Form{f}, f.Row(least))
	}
}

// cut adds the forms whose fragments say enough about the value.
func (h *heap) cut(needle int, lane Lanes, forms []encode.Form, least int) {
	for _, f := range forms {
		n := f.Window(least)
		if n > match.MaxWindow {
			continue
		}
		at := f.Specific(n)
		for i := range at {
			// A space or a line's end would be held back after every line, for what
			// it adds to the fragment that begins with the next byte.
			at[i] = at[i] && !space(f.Bytes[i])
		}
		if at != nil {
			h.texts = append(h.texts, match.Text{Bytes: f.Bytes, Window: n, At: at})
			h.runs = append(h.runs, form{int32(needle), lane, true})
		}
	}
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// compile builds the finder; every asks for all needles that end at a byte.
func (h *heap) compile(every bool) (f finder, err error) {
	f.wholeOf, f.runsOf = h.whole, h.runs
	f.Finder, err = match.NewFinder(h.needles, every, h.texts)
	return f, err
}
